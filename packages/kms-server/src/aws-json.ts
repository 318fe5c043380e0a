/**
 * AWS JSON 1.1: bytes are base64, times are seconds since 1970, and errors are named in the body.
 *
 * Members that AWS's request does not have are ignored, as AWS ignores them. Those that AWS has and this KMS does not support
 * are passed on, and the KMS refuses them.
 *
 * Source: https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html; the messages were recorded from AWS.
 *
 * @module
 */
import { isKmsError } from "@env/kms";
import { memberKinds, type MemberKind, type ServedOperation } from "@env/kms/server";
import { faultOf, WireError } from "./wire-error.ts";

const CONTENT_TYPE = "application/x-amz-json-1.1";

/** An answer, except for the headers that every answer has. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /** Sent in place of `body`. */
  readonly bytes?: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  /** The name of the error; undefined for a success. */
  readonly error?: string;
}

type Members = Record<string, unknown>;

/**
 * Reads a request. An empty body is an empty request.
 *
 * @returns A request for the method of the operation. Its bytes are copies, which the caller wipes.
 * @throws {@link WireError} `SerializationException`
 */
export function decodeRequest({ members }: ServedOperation, body: Buffer): Members {
  const request: Members = {};
  for (const [name, given] of Object.entries(objectOf(body))) {
    if (!members.has(name) || given === null) continue;
    request[name] = valueOf(name, memberKinds.get(name), given);
  }
  return request;
}

/** Reads an object, which an empty body is as well. @throws {@link WireError} `SerializationException` */
export function objectOf(body: Buffer): object {
  const value = body.length === 0 ? {} : parse(body);
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw unreadable();
  return value;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(utf8.decode(body));
  } catch {
    throw unreadable();
  }
}

/** AWS says nothing of what it cannot read. */
function unreadable(): WireError {
  return new WireError("SerializationException", "");
}

/** The value of a member of some kind; without a kind, as it was given. */
function valueOf(name: string, kind: MemberKind | undefined, given: unknown): unknown {
  switch (kind) {
    case "Blob":
      return typeof given === "string" ? bytesOf(name, given) : refuse(given, "a Blob");
    case "Timestamp":
      return typeof given === "number" ? dateOf(name, given) : refuse(given, "a Timestamp");
    case "String":
      return typeof given === "string" ? given : refuse(given, "a String");
    case "Boolean":
      return typeof given === "boolean" ? given : refuse(given, "a Boolean");
    case "Integer":
      return typeof given === "number" ? given : refuse(given, "an Integer");
    case "Map":
    case "StringList":
    case "Structure":
    case "StructureList":
      requireCollection(kind, given);
      return given;
    case undefined:
  }
  return given;
}

function requireCollection(
  kind: "Map" | "StringList" | "Structure" | "StructureList",
  given: unknown,
): void {
  if (kind === "StringList" || kind === "StructureList") {
    if (!Array.isArray(given)) return refuse(given, "Expected list or null");
    for (const item of given) requireKind(kind === "StringList" ? "String" : "Structure", item);
    return;
  }
  if (!isObject(given))
    return refuse(given, kind === "Map" ? "Expected map or null" : "Expected null");
  for (const [member, value] of Object.entries(given)) {
    const inner = kind === "Map" ? "String" : memberKinds.get(member);
    // No structure has another one in it, however deep a body is nested.
    if (inner !== "Structure" && inner !== "StructureList") requireKind(inner, value);
  }
}

/** Null is left to the operation. */
function requireKind(kind: MemberKind | undefined, given: unknown): void {
  if (given !== null) valueOf("", kind, given);
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @param expected - The type that a scalar cannot be converted to, or all that AWS says. */
function refuse(given: unknown, expected: string): never {
  throw new WireError("SerializationException", refusalOf(given, expected));
}

function refusalOf(given: unknown, expected: string): string {
  if (Array.isArray(given)) return "Start of list found where not expected";
  if (isObject(given)) return "Start of structure or map found where not expected.";
  if (expected.startsWith("Expected")) return expected;
  const token = typeof given === "boolean" ? String(given) : typeof given;
  return `${token.toUpperCase()}_VALUE can not be converted to ${expected}`;
}

function bytesOf(name: string, given: string): Uint8Array {
  const bytes = Buffer.from(given, "base64");
  // Buffer reads past what is not base64.
  if (bytes.toString("base64") !== given) {
    bytes.fill(0);
    throw new WireError("SerializationException", `${name} is not valid base64`);
  }
  return bytes;
}

function dateOf(name: string, given: number): Date {
  const date = new Date(given * 1000);
  if (!Number.isNaN(date.getTime())) return date;
  throw new WireError("SerializationException", `${name} is not a time that there is`);
}

/** The answer to a call that succeeded. Operations without a result have an empty body. */
export function answerOf(response: unknown): Answer {
  const body = response === undefined ? "" : JSON.stringify(toJson(response));
  return { status: 200, contentType: CONTENT_TYPE, body };
}

function toJson(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (value instanceof Uint8Array) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
  }
  if (value instanceof Date) return value.getTime() / 1000;
  if (Array.isArray(value)) return value.map(toJson);
  // A context may have the key `__proto__`.
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, toJson(member)]));
}

/** The answer to a call that failed. */
export function answerOfError(error: unknown): Answer {
  if (error instanceof WireError) return failure(error.status, error.type, error.message);
  if (isKmsError(error)) return failure(400, error.name, error.message);
  const { status, message } = faultOf(error);
  return failure(
    status,
    status === 503 ? "DependencyTimeoutException" : "KMSInternalException",
    message,
  );
}

/** AWS says nothing beyond the name of these. */
const SILENT: ReadonlySet<string> = new Set([
  "InvalidCiphertextException",
  "KMSInvalidMacException",
  "KMSInvalidSignatureException",
]);

/** Errors of which AWS writes the member with a capital letter. */
const CAPITAL: ReadonlySet<string> = new Set(["AccessDeniedException", "SerializationException"]);

function failure(status: number, type: string, message: string): Answer {
  const member = CAPITAL.has(type) ? "Message" : "message";
  const text = message === "" || SILENT.has(type) ? {} : { [member]: message };
  return {
    status,
    contentType: CONTENT_TYPE,
    body: JSON.stringify({ __type: type, ...text }),
    error: type,
  };
}
