/**
 * Option objects: what is misspelt or of another type is refused, because an option that is ignored is worse
 * than an error.
 *
 * @module
 */

/**
 * @param what - What they are options of, for the error. Default: the call itself.
 * @throws TypeError for anything but an object with no other members than `known`.
 */
export function checkOptions(options: unknown, known: ReadonlySet<string>, what?: string): void {
  const place = what === undefined ? "" : `${what}: `;
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`${place}options are required`);
  }
  const unknown = Object.keys(options).find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new TypeError(`${place}unknown option ${JSON.stringify(unknown)}`);
}

/** @throws TypeError for anything but a number, RangeError for one that is not an integer in the range. */
export function requireInteger(name: string, value: unknown, min: number, max: number): void {
  if (typeof value !== "number") throw new TypeError(`${name} must be a number`);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${name} must be an integer from ${min} to ${max}, got ${value}`);
  }
}
