/**
 * Checks of option objects. Misspelt options and wrong types are refused, because a silently ignored
 * option is worse than an error.
 *
 * @module
 */

/**
 * @param what - The owner of the options, named in the error. Default: the call itself.
 * @throws TypeError unless `options` is an object whose members are all in `known`.
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

/** @throws TypeError unless `value` is a number; RangeError unless it is an integer in the range. */
export function requireInteger(name: string, value: unknown, min: number, max: number): void {
  if (typeof value !== "number") throw new TypeError(`${name} must be a number`);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(`${name} must be an integer from ${min} to ${max}, got ${value}`);
  }
}
