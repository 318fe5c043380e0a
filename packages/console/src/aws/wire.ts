/**
 * Requests and answers as JSON has them: bytes are base64, and times are seconds since 1970, which become Dates here.
 *
 * @module
 */

/** An answer: as `@env/kms` types it, except that bytes are base64. */
export type Received<T> = T extends Date
  ? Date
  : T extends Uint8Array
    ? string
    : T extends object
      ? { readonly [Name in keyof T]: Received<T[Name]> }
      : T;

/** A request: bytes are base64, and a member that is `undefined` is left out. */
export type Sent<T> = Received<T>;

export function toJson(request: object): string {
  return JSON.stringify(request, function (this: Record<string, unknown>, name, value: unknown) {
    // JSON.stringify has made text of a Date before it asks.
    const given = this[name];
    return given instanceof Date ? given.getTime() / 1000 : value;
  });
}

/** Members that are times: in the API of AWS they are named alike. */
const TIME = /(?:Date|ValidTo|Timestamp|^Time)$/;

export function fromJson(text: string): unknown {
  if (text === "") return {};
  return JSON.parse(text, (name, value: unknown) =>
    typeof value === "number" && TIME.test(name) ? new Date(value * 1000) : value,
  );
}

export function toBase64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCodePoint(byte)).join(""));
}

export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (char) => char.codePointAt(0) ?? 0);
}
