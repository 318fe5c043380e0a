/**
 * Text in the headers and instruction files of the formats: base64, and JSON objects of strings. Reading is strict,
 * since each of these texts has one form that AWS's clients write: a second form would be somebody's edit.
 *
 * Source: Amazon S3 Encryption Client specification, "Content metadata"
 *
 * @module
 */
import { EnvelopeError } from "@env/core";

/** A map of strings to strings without a prototype. */
export type TextMap = Readonly<Record<string, string>>;

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/**
 * Decodes standard base64 with padding.
 *
 * @param where - The header, for the error.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT` for foreign characters, missing padding or stray bits.
 */
export function decodeBase64(text: string, where: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  if (!BASE64.test(text) || bytes.toString("base64") !== text) {
    throw malformed(`${where} is not base64 with padding`);
  }
  return bytes;
}

/** A string of JSON, from the position where the search begins. */
// oxlint-disable-next-line no-control-regex -- JSON forbids them in a string
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const BLANK = /[\t\n\r ]*/y;

/**
 * Reads a JSON object whose values are strings.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT` for any other JSON, a repeated name, a lone surrogate or
 * trailing text.
 */
export function parseTextMap(json: string, where: string): TextMap {
  const map: Record<string, string> = Object.create(null);
  let at = 0;
  const token = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    const [found] = pattern.exec(json) ?? [];
    at += found?.length ?? 0;
    return found;
  };
  const take = (mark: string): boolean => {
    token(BLANK);
    if (json[at] !== mark) return false;
    at++;
    return true;
  };
  const string = (): string => {
    token(BLANK);
    const value: unknown = JSON.parse(token(STRING) ?? "null");
    if (typeof value !== "string" || !value.isWellFormed()) throw fault();
    return value;
  };
  const fault = (): EnvelopeError =>
    malformed(`${where} is not a JSON object of strings with distinct names`);

  if (!take("{")) throw fault();
  if (!take("}")) {
    do {
      const name = string();
      if (!take(":") || name in map) throw fault();
      map[name] = string();
    } while (take(","));
    if (!take("}")) throw fault();
  }
  token(BLANK);
  if (at !== json.length) throw fault();
  return map;
}

/** Writes a JSON object in ASCII, which no proxy, SDK or S3 itself re-encodes on the way. */
export function writeTextMap(map: TextMap): string {
  return JSON.stringify(map).replaceAll(
    /[\u007F-\uFFFF]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** An encoded word of RFC 2047, with the blank before a further one. */
const ENCODED_WORD = /=\?utf-8\?([bq])\?([^?\s]*)\?=(?:\s+(?==\?utf-8\?[bq]\?))?/gi;
/** How often UTF-8 may have been read as Latin-1 and encoded again: by the writer's HTTP stack, and by S3. */
const MAX_ENCODINGS = 2;

/**
 * Recovers non-ASCII text from a header: S3 answers such metadata as RFC 2047 words, and HTTP stacks read UTF-8
 * as Latin-1. Text that needs no recovery is returned as it is.
 *
 * Source: Amazon S3 User Guide, "User-defined object metadata"
 */
export function decodeHeaderText(text: string): string {
  let decoded = text.replaceAll(ENCODED_WORD, (_, encoding: string, word: string) =>
    (encoding.toLowerCase() === "b" ? Buffer.from(word, "base64") : decodeQ(word)).toString("utf8"),
  );
  for (let i = 0; i < MAX_ENCODINGS; i++) decoded = fromLatin1(decoded) ?? decoded;
  return decoded;
}

/** Undoes reading UTF-8 as Latin-1; `undefined` where that cannot have happened. */
function fromLatin1(text: string): string | undefined {
  if (!/^[\0-\u00FF]*$/.test(text) || !/[\u0080-\u00FF]/.test(text)) return undefined;
  return decodeUtf8(Buffer.from(text, "latin1"));
}

function decodeQ(word: string): Buffer {
  const latin1 = word
    .replaceAll("_", " ")
    .replaceAll(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(latin1, "latin1");
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Decodes well-formed UTF-8; `undefined` for anything else. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The error of an object or instruction file that breaks a rule of the formats. */
export function malformed(problem: string): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_FORMAT", problem);
}
