/**
 * A mounted Transit engine: its keys, its routes, and the administration of keys.
 *
 * Source: OpenBao builtin/logical/transit/backend.go, path_{keys,config,rotate,trim,random}.go
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { multiError, refused, Refusal, type Json, type Result } from "./answer.ts";
import { dataKey, decrypt, encrypt, rewrap } from "./cryptography.ts";
import { Fields, type Schema } from "./fields.ts";
import { TransitKey, type KeyOptions } from "./key.ts";

/** The server that is imitated where servers differ. */
export type TransitFlavour = "vault" | "openbao-2.4" | "openbao-2.5";

/** The kind of a request for access control. */
export type Operation = "create" | "read" | "update" | "delete" | "list";

type Handler = (mount: Mount, fields: Fields) => Result;

interface Route {
  readonly pattern: RegExp;
  readonly schema: Schema;
  readonly handlers: Partial<Record<Operation, Handler>>;
  /** Not everywhere. */
  readonly only?: "openbao";
}

const ONE_HOUR_S = 3600;

export class Mount {
  readonly flavour: TransitFlavour;
  readonly #keys = new Map<string, TransitKey>();
  readonly #now: () => number;
  disableUpsert = false;

  /** @param now - Unix seconds. */
  constructor(flavour: TransitFlavour, now: () => number) {
    this.flavour = flavour;
    this.#now = now;
  }

  /** Whether the request would create something, for which access control demands another right. */
  operationOf(path: string, operation: Operation): Operation {
    const name = /^encrypt\/([^/]+)$/.exec(path)?.[1];
    return operation === "update" && name !== undefined && !this.#keys.has(name)
      ? "create"
      : operation;
  }

  handle(path: string, operation: Operation, body: Json): Result {
    for (const { pattern, schema, handlers, only } of routes) {
      const match = pattern.exec(path);
      if (match === null || (only === "openbao" && this.flavour === "vault")) continue;
      const handler = handlers[operation === "create" ? "update" : operation];
      if (handler === undefined) throw multiError(405, "unsupported operation");
      const captures = Object.fromEntries(
        Object.entries(match.groups ?? {}).filter(([, text]) => text !== undefined),
      );
      const fields = new Fields(this.#schemaOf(schema), captures, body);
      const result = handler(this, fields);
      return { ...result, warnings: [...fields.warnings, ...(result.warnings ?? [])] };
    }
    throw multiError(404, "unsupported path");
  }

  find(name: string): TransitKey | undefined {
    return this.#keys.get(name);
  }

  /** The key that a request is about. */
  need(fields: Fields, missing = "encryption key not found"): TransitKey {
    const key = this.#keys.get(fields.text("name") ?? "");
    if (key === undefined) throw refused(missing);
    return key;
  }

  /** Creates a key, unless there is one of that name. */
  create(options: KeyOptions): { key: TransitKey; existed: boolean } {
    const existing = this.#keys.get(options.name);
    if (existing !== undefined) return { key: existing, existed: true };
    const key = new TransitKey(options, this.#now());
    this.#keys.set(options.name, key);
    return { key, existed: false };
  }

  /** Creates a key for `encrypt`. A caller that may not create keys has been refused already. */
  upsert(name: string, options: Omit<KeyOptions, "name">): TransitKey {
    if (this.disableUpsert) throw refused("encryption key not found");
    return this.create({ ...options, name }).key;
  }

  rotate(key: TransitKey): void {
    if (key.imported) {
      throw multiError(500, `imported key ${key.name} does not allow rotation within Vault`);
    }
    if (key.softDeleted) throw multiError(500, "refusing to use soft-deleted key");
    key.rotate(this.#now());
  }

  delete(name: string): void {
    const key = this.#keys.get(name);
    if (key === undefined) {
      throw refused(`error deleting policy ${name}: could not delete key; not found`);
    }
    if (!key.deletionAllowed) {
      throw refused(`error deleting policy ${name}: deletion is not allowed for this key`);
    }
    this.#keys.delete(name);
  }

  names(): string[] {
    return [...this.#keys.keys()].toSorted();
  }

  describe(key: TransitKey): Json {
    return key.describe({ softDelete: this.flavour !== "vault" });
  }

  #schemaOf(schema: Schema): Schema {
    const { associated_data: _, ...others } = schema;
    // A field of datakey that only the newest server knows. Others ignore it with a warning.
    return schema === dataKeySchema && this.flavour !== "openbao-2.5" ? others : schema;
  }
}

/** Source: OpenBao sdk/framework/path.go, GenericNameRegex */
const NAME = String.raw`\w(?:(?:[\w.-]+)?\w)?`;
const KEYS = `^keys/(?<name>${NAME})`;

const cryptographySchema = {
  plaintext: "string",
  ciphertext: "string",
  context: "string",
  associated_data: "string",
  key_version: "int",
  type: "string",
  convergent_encryption: "bool",
  batch_input: "any",
  partial_failure_response_code: "int",
  nonce: "string",
} as const;
const { plaintext: _p, type: _t, convergent_encryption: _c, ...decryptSchema } = cryptographySchema;
const { ciphertext: _ct, ...encryptSchema } = cryptographySchema;
const { associated_data: _a, ...rewrapSchema } = decryptSchema;
const dataKeySchema: Schema = {
  context: "string",
  bits: "int",
  key_version: "int",
  associated_data: "string",
  nonce: "string",
};

const routes: readonly Route[] = [
  {
    pattern: new RegExp(`^encrypt/(?<name>${NAME})$`),
    schema: encryptSchema,
    handlers: { update: encrypt },
  },
  {
    pattern: new RegExp(`^decrypt/(?<name>${NAME})$`),
    schema: decryptSchema,
    handlers: { update: decrypt },
  },
  {
    pattern: new RegExp(`^rewrap/(?<name>${NAME})$`),
    schema: rewrapSchema,
    handlers: { update: rewrap },
  },
  {
    pattern: new RegExp(`^datakey/(?<plaintext>${NAME})/(?<name>${NAME})$`),
    schema: dataKeySchema,
    handlers: { update: dataKey },
  },
  {
    pattern: /^random(?:\/(?<source>platform|seal|all))?(?:\/(?<urlbytes>[0-9]+))?$/,
    schema: { bytes: "int", format: "string", source: "string" },
    handlers: { update: random },
  },
  { pattern: /^keys\/?$/, schema: { list: "string" }, handlers: { list: listKeys } },
  {
    pattern: new RegExp(`${KEYS}$`),
    schema: {
      type: "string",
      derived: "bool",
      convergent_encryption: "bool",
      exportable: "bool",
      allow_plaintext_backup: "bool",
      auto_rotate_period: "duration",
      key_size: "int",
      external_key_ref: "string",
      context: "string",
    },
    handlers: { update: createKey, read: readKey, delete: deleteKey },
  },
  { pattern: new RegExp(`${KEYS}/rotate$`), schema: {}, handlers: { update: rotateKey } },
  {
    pattern: new RegExp(`${KEYS}/config$`),
    schema: {
      min_decryption_version: "int",
      min_encryption_version: "int",
      deletion_allowed: "bool",
      exportable: "bool",
      allow_plaintext_backup: "bool",
      auto_rotate_period: "duration",
    },
    handlers: { update: configureKey },
  },
  {
    pattern: new RegExp(`${KEYS}/trim$`),
    schema: { min_available_version: "int" },
    handlers: { update: trimKey },
  },
  {
    pattern: new RegExp(`${KEYS}/soft-delete$`),
    schema: {},
    handlers: { delete: (mount, fields) => softDelete(mount, fields, true) },
    only: "openbao",
  },
  {
    pattern: new RegExp(`${KEYS}/soft-delete-restore$`),
    schema: {},
    handlers: { update: (mount, fields) => softDelete(mount, fields, false) },
    only: "openbao",
  },
  {
    pattern: /^config\/keys$/,
    schema: { disable_upsert: "bool" },
    handlers: {
      read: (mount) => ({ data: { disable_upsert: mount.disableUpsert } }),
      update: (mount, fields) => {
        mount.disableUpsert = fields.flag("disable_upsert") ?? mount.disableUpsert;
        return { data: { disable_upsert: mount.disableUpsert } };
      },
    },
  },
];

function createKey(mount: Mount, fields: Fields): Result {
  const period = fields.number("auto_rotate_period") ?? 0;
  if (period !== 0 && period < ONE_HOUR_S) {
    throw refused("auto rotate period must be 0 to disable or at least an hour");
  }
  const name = fields.text("name") ?? "";
  const { key, existed } = mount.create({
    name,
    type: fields.text("type") ?? "aes256-gcm96",
    derived: fields.flag("derived") ?? false,
    convergent: fields.flag("convergent_encryption") ?? false,
    exportable: fields.flag("exportable") ?? false,
    allowPlaintextBackup: fields.flag("allow_plaintext_backup") ?? false,
  });
  if (!existed) key.autoRotatePeriod = period;
  const warnings = existed && mount.flavour === "vault" ? [`key ${name} already existed`] : [];
  return { data: mount.describe(key), warnings };
}

function readKey(mount: Mount, fields: Fields): Result {
  const key = mount.find(fields.text("name") ?? "");
  if (key === undefined) throw new Refusal(404);
  return { data: mount.describe(key) };
}

function deleteKey(mount: Mount, fields: Fields): Result {
  mount.delete(fields.text("name") ?? "");
  return {};
}

function listKeys(mount: Mount): Result {
  const keys = mount.names();
  if (keys.length === 0) throw new Refusal(404);
  return { data: { keys } };
}

function rotateKey(mount: Mount, fields: Fields): Result {
  const key = mount.need(fields, "key not found");
  mount.rotate(key);
  return { data: mount.describe(key) };
}

function configureKey(mount: Mount, fields: Fields): Result {
  const name = fields.text("name") ?? "";
  const key = mount.need(fields, `no existing key named ${name} could be found`);
  const warnings: string[] = [];
  let decryption = fields.number("min_decryption_version") ?? key.minDecryption;
  const encryption = fields.number("min_encryption_version") ?? key.minEncryption;
  for (const [what, version] of [
    ["decryption", decryption],
    ["encryption", encryption],
  ] as const) {
    if (version < 0) throw refused(`min ${what} version cannot be negative`);
    if (version > key.latest) {
      throw refused(
        `cannot set min ${what} version of ${version}, latest key version is ${key.latest}`,
      );
    }
  }
  if (decryption === 0) {
    decryption = 1;
    warnings.push(
      "since Vault 0.3, transit decryption numbering starts at 1; forcing minimum to 1",
    );
  }
  if (encryption > 0 && encryption < decryption) {
    throw refused(
      `cannot set min encryption/decryption values; min encryption version of ${encryption} must be greater than or equal to min decryption version of ${decryption}`,
    );
  }
  if (encryption > 0 && encryption < key.minAvailable) {
    throw refused("min encryption version should not be less than min available version");
  }
  const period = fields.number("auto_rotate_period") ?? key.autoRotatePeriod;
  if (period !== 0 && period < ONE_HOUR_S) {
    throw refused("auto rotate period must be 0 to disable or at least an hour");
  }
  key.minDecryption = decryption;
  key.minEncryption = encryption;
  key.deletionAllowed = fields.flag("deletion_allowed") ?? key.deletionAllowed;
  key.exportable ||= fields.flag("exportable") ?? false; // Never back.
  key.allowPlaintextBackup ||= fields.flag("allow_plaintext_backup") ?? false;
  key.autoRotatePeriod = period;
  return { data: mount.describe(key), warnings };
}

function trimKey(mount: Mount, fields: Fields): Result {
  const key = mount.need(fields, "invalid key name");
  const version = fields.number("min_available_version");
  if (version === undefined) throw refused("missing min_available_version");
  const subject = "minimum available version";
  if (version < key.minAvailable) throw refused(`${subject} cannot be decremented`);
  if (key.minEncryption === 0) {
    throw refused(`${subject} cannot be set when minimum encryption version is not set`);
  }
  if (version > key.minEncryption) {
    throw refused(`${subject} cannot be greater than minmum encryption version`);
  }
  if (version > key.minDecryption) {
    throw refused(`${subject} cannot be greater than minimum decryption version`);
  }
  if (version <= 0) throw refused(`${subject} should be positive`);
  key.trim(version);
  return { data: mount.describe(key) };
}

function softDelete(mount: Mount, fields: Fields, deleted: boolean): Result {
  mount.need(fields, "key not found").softDeleted = deleted;
  return {};
}

function random(_: Mount, fields: Fields): Result {
  const bytes = Number(fields.text("urlbytes") ?? fields.number("bytes") ?? 32);
  if (bytes < 1) throw refused('"bytes" cannot be less than 1');
  const format = fields.text("format") ?? "base64";
  if (format !== "base64" && format !== "hex") {
    throw refused(`unsupported encoding format ${format}; must be "hex" or "base64"`);
  }
  return { data: { random_bytes: randomBytes(bytes).toString(format) } };
}
