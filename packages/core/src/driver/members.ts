/**
 * Members of values that nobody vouches for: what an SDK threw, a client that was passed in.
 *
 * @module
 */

/**
 * Returns a member by its name, since an error's members are not all enumerable and some are inherited;
 * `undefined` if there is none.
 */
export function memberOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}

/** Returns a copy of the enumerable members; an empty object for anything but an object. */
export function membersOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

/** Returns `value` if it is text that matches: a name or a code, and nothing that could be a message or a key. */
export function textMatching(value: unknown, pattern: RegExp): string | undefined {
  return typeof value === "string" && pattern.test(value) ? value : undefined;
}
