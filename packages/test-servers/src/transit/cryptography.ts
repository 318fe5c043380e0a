/**
 * encrypt, decrypt, rewrap and datakey of a Transit mount, single and in batches.
 *
 * Surprises are those of real servers: `rewrap` does not take `associated_data`, and silently drops that of
 * a batch item; statuses of batches differ between the calls; `encrypt` creates a missing key if the caller
 * may create one.
 *
 * Source: OpenBao builtin/logical/transit/path_{encrypt,decrypt,rewrap,datakey}.go
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { isJson, multiError, refused, Refusal, type Json, type Result } from "./answer.ts";
import { decodeBase64 } from "./base64.ts";
import type { Fields } from "./fields.ts";
import type { Binding, TransitKey } from "./key.ts";
import type { Mount } from "./mount.ts";

/** An item of a batch, or the request itself. */
type Item = Readonly<Record<string, unknown>>;

const NON_AEAD = "' provided for non-AEAD cipher suite";

export function encrypt(mount: Mount, fields: Fields): Result {
  const batch = itemsOf(fields, "plaintext", "missing plaintext to encrypt");
  const items = batch ?? [single(fields)];
  requireContextInAllOrNone(items);
  const name = fields.text("name") ?? "";
  const key =
    mount.find(name) ??
    mount.upsert(name, {
      // Only read when the key is created.
      type: upsertable(fields.text("type") ?? "aes256-gcm96"),
      derived: items.some(({ context }) => typeof context === "string" && context !== ""),
      convergent: fields.flag("convergent_encryption") ?? false,
    });
  if (batch === undefined) return { data: encryptItem(items[0] ?? {}, key) };
  return many(items, fields, false, (item, index) => encryptItem(item, key, index));
}

function upsertable(type: string): string {
  if (!type.startsWith("ecdsa-")) return type;
  throw refused(`key type ${type} not supported for this operation`);
}

export function decrypt(mount: Mount, fields: Fields): Result {
  const batch = itemsOf(fields, "ciphertext", "missing ciphertext to decrypt");
  const items = batch ?? [single(fields)];
  requireContextInAllOrNone(items);
  const key = mount.need(fields);
  if (batch === undefined) return { data: decryptItem(items[0] ?? {}, key) };
  return many(items, fields, false, (item, index) => decryptItem(item, key, index));
}

export function rewrap(mount: Mount, fields: Fields): Result {
  const batch = itemsOf(fields, "ciphertext", "missing ciphertext to decrypt");
  const items = batch ?? [single(fields)];
  requireContextInAllOrNone(items);
  const key = mount.need(fields);
  if (batch === undefined) return { data: rewrapItem(items[0] ?? {}, key) };
  return many(items, fields, true, (item) => rewrapItem(item, key));
}

export function dataKey(mount: Mount, fields: Fields): Result {
  const kind = fields.text("plaintext");
  if (kind !== "plaintext" && kind !== "wrapped") {
    throw refused("Invalid path, must be 'plaintext' or 'wrapped'");
  }
  const context = decodeBase64(fields.text("context") ?? "");
  if (typeof context === "string") throw refused("failed to base64-decode context");
  const bits = fields.number("bits") ?? 256;
  const key = mount.need(fields);
  if (![128, 256, 512].includes(bits)) throw refused("invalid bit length");
  const associated = fields.text("associated_data") ?? "";
  if (associated !== "" && key.type.aead === undefined) {
    throw refused(`'associated_data${NON_AEAD} ${key.typeName}`);
  }
  const associatedData = associatedDataOf(associated);
  const plaintext = randomBytes(bits / 8);
  const made = key.encrypt(plaintext, fields.number("key_version") ?? 0, {
    context,
    associatedData,
  });
  return {
    data: { ...made, ...(kind === "plaintext" && { plaintext: plaintext.toString("base64") }) },
  };
}

function encryptItem(item: Item, key: TransitKey, index = 0): Json {
  const plaintext = base64Of(required(item, "plaintext", "missing plaintext to encrypt"));
  return { ...key.encrypt(plaintext, versionOf(item), bindingOf(item, key, index)) };
}

function decryptItem(item: Item, key: TransitKey, index = 0): Json {
  const ciphertext = required(item, "ciphertext", "missing ciphertext to decrypt");
  return { plaintext: key.decrypt(ciphertext, bindingOf(item, key, index)).toString("base64") };
}

/** Rewraps; the `associated_data` of an item is ignored. */
function rewrapItem(item: Item, key: TransitKey): Json {
  const { context } = bindingOf({ context: item["context"] }, key);
  const ciphertext = required(item, "ciphertext", "missing ciphertext to decrypt");
  return { ...key.encrypt(key.decrypt(ciphertext, { context }), versionOf(item), { context }) };
}

/** @param lenient - Whether the status is 200 even if items failed. */
function many(
  items: readonly Item[],
  fields: Fields,
  lenient: boolean,
  work: (item: Item, index: number) => Json,
): Result {
  let users = 0;
  let internal = 0;
  const results = items.map((item, index) => {
    const reference = typeof item["reference"] === "string" ? item["reference"] : "";
    // Results of a decryption have it even if it was not sent.
    const empty = "ciphertext" in item && !lenient ? { plaintext: "" } : {};
    try {
      return { ...work(item, index), reference };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const text = error.errors[0] ?? "";
      // A trap of real servers: this one is not counted, and the status stays 200.
      if (text.includes(NON_AEAD)) return { ...empty, error: text, reference };
      if (error.status >= 500) internal++;
      else users++;
      return { ...empty, error: text, reference };
    }
  });
  const failed = users + internal;
  let status = 200;
  if (!lenient && failed > 0) {
    status = users > 0 ? 400 : 500;
    const asked = fields.number("partial_failure_response_code") ?? 0;
    if (asked > 0 && failed < items.length) status = asked;
  }
  return { data: { batch_results: results }, status };
}

/** The items of a batch; `undefined` for a request of one. */
function itemsOf(fields: Fields, needed: string, missing: string): readonly Item[] | undefined {
  if (!fields.has("batch_input")) return undefined;
  const input = fields.any("batch_input");
  if (!Array.isArray(input)) throw malformed("'' expected a list");
  if (input.length === 0) throw refused("missing batch input to process");
  return input.map((item: unknown, index) => {
    if (!isJson(item)) throw malformed(`'[${index}]' expected a map`);
    if (item[needed] === undefined) throw malformed(`'[${index}].${needed}' ${missing}`);
    for (const name of ["plaintext", "ciphertext", "context", "associated_data", "reference"]) {
      const value = item[name];
      if (value !== undefined && typeof value !== "string") {
        throw malformed(`'[${index}].${name}' expected type 'string'`);
      }
    }
    return item;
  });
}

function malformed(text: string): Refusal {
  return multiError(500, `failed to parse batch input: ${text}`);
}

function single(fields: Fields): Item {
  const names = ["plaintext", "ciphertext", "context", "associated_data", "key_version"];
  return Object.fromEntries(names.map((name) => [name, fields.any(name)]));
}

function requireContextInAllOrNone(items: readonly Item[]): void {
  const given = items.filter(({ context }) => typeof context === "string" && context !== "");
  if (given.length !== 0 && given.length !== items.length) {
    throw refused("context should be set either in all the request blocks or in none");
  }
}

/** @param index - The item's position in its batch; a request without a batch is a batch of one. */
function bindingOf(item: Item, key: TransitKey, index = 0): Binding {
  const { context: encoded, associated_data: associated } = item;
  const context = typeof encoded === "string" ? base64Of(encoded) : undefined;
  // Checked before the abilities of the key.
  if (typeof associated === "string" && associated !== "" && key.type.aead === undefined) {
    throw refused(`'[${index}].associated_data${NON_AEAD} ${key.typeName}`);
  }
  return { context, associatedData: associatedDataOf(associated) };
}

function associatedDataOf(text: unknown): Uint8Array | undefined {
  if (typeof text !== "string" || text === "") return undefined;
  const bytes = decodeBase64(text);
  if (typeof bytes !== "string") return bytes;
  throw multiError(500, `unable to get associated_data/additional_data from factory[0]: ${bytes}`);
}

function base64Of(text: string): Uint8Array {
  const bytes = decodeBase64(text);
  if (typeof bytes === "string") throw refused(bytes);
  return bytes;
}

function required(item: Item, name: string, missing: string): string {
  const value = item[name];
  if (typeof value !== "string" || (value === "" && name !== "plaintext")) throw refused(missing);
  return value;
}

/** The requested version; 0 means the latest. */
function versionOf({ key_version: version }: Item): number {
  return typeof version === "number" ? version : 0;
}
