/**
 * Option objects: what is misspelt is refused, because an option that is ignored is worse than an error.
 *
 * @module
 */

/** @throws TypeError for anything but an object with no other members than `known`. */
export function checkOptions(options: unknown, known: ReadonlySet<string>): void {
  if (typeof options !== "object" || options === null) throw new TypeError("options are required");
  const unknown = Object.keys(options).find((name) => !known.has(name));
  if (unknown !== undefined) throw new TypeError(`unknown option ${JSON.stringify(unknown)}`);
}
