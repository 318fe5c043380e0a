/**
 * Messages as JSON, as the REST interface has them: bytes in base64, timestamps and durations as text,
 * a wrapped number without its wrapper.
 *
 * Source: Protocol Buffers, "ProtoJSON Format"
 *
 * @module
 */
import type { Message } from "./methods.ts";

/** The names of fields that hold bytes. A name means the same in all messages here. */
const byteFields = new Set(["plaintext", "ciphertext", "additionalAuthenticatedData", "data"]);

export function toJson(message: Message): Message {
  return mapped(message, (name, value) => {
    if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
    if (name.endsWith("Crc32c") && isMessage(value)) return value["value"];
    if (name.endsWith("Time") && isMessage(value)) {
      const milliseconds = Number(value["seconds"]) * 1000 + Number(value["nanos"]) / 1_000_000;
      return new Date(milliseconds).toISOString();
    }
    if (name.endsWith("Duration") && isMessage(value)) return `${String(value["seconds"])}s`;
    return undefined;
  });
}

export function fromJson(json: Message): Message {
  return mapped(json, (name, value) => {
    // Node reads base64 and base64url alike; clients send either.
    if (byteFields.has(name)) return Buffer.from(String(value), "base64");
    if (name.endsWith("Crc32c")) return { value: String(value) };
    return undefined;
  });
}

/** @param change - The new value of a field; `undefined`: as it is, with its own fields changed. */
function mapped(message: Message, change: (name: string, value: unknown) => unknown): Message {
  const deep = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(deep);
    return isMessage(value) ? mapped(value, change) : value;
  };
  const fields = Object.entries(message).map(([name, value]) => [
    name,
    change(name, value) ?? deep(value),
  ]);
  return Object.fromEntries(fields);
}

export function isMessage(value: unknown): value is Message {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
