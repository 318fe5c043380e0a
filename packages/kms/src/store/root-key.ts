/**
 * Where the root key comes from.
 *
 * The root key is 32 random bytes that are made once. It is in the keystore's descriptor, sealed under a key from one of
 * four sources, so the source can change without touching a record. Only a CMK keeps that key away from this machine. The
 * other sources are as safe as the file, variable or passphrase.
 *
 * Source: spec/kms-store-v1.md#root-key
 *
 * @module
 */
import { scrypt, type KeyObject } from "node:crypto";
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { EnvelopeError, isEnvelopeError, type Cmk } from "@env/core";
import { PartialFile, unfinishedLinks } from "./partial-file.ts";
import { KEY_BYTES, random, secretKey } from "../material/seal.ts";

/** Where to get the key that the root key is sealed under. */
export type RootKeySource =
  /** Path of a file with one line of text and mode 0600. `createKeystore` creates it. */
  | { readonly keyFile: string }
  /** Name of an environment variable with such a line; {@link generateRootKey} generates it. */
  | { readonly environment: string }
  | {
      /** Text is normalised to Unicode form NFC, so that it is the same from every keyboard. */
      readonly passphrase: string | Uint8Array | (() => Promise<string>);
      /** scrypt's N for a new keystore: a power of two, 2^15 to 2^20. Memory is N KiB. Default: 2^17. */
      readonly scryptN?: number;
    }
  /** A CMK of another KMS, as production should use. */
  | { readonly cmk: Cmk };

/** What the descriptor says of the source: how to get the key again. Not secret. */
export type RootKeyFacts =
  | { readonly kind: "key-file" }
  | { readonly kind: "environment" }
  | { readonly kind: "passphrase"; readonly n: number; readonly salt: string }
  | {
      readonly kind: "cmk";
      readonly provider: string;
      readonly keyId: string;
      readonly wrapped: string;
    };

export type RootKeyKind = RootKeyFacts["kind"];

export interface NewSourceKey {
  readonly facts: RootKeyFacts;
  readonly key: KeyObject;
  /** The key file, which does not have its name yet. */
  readonly file?: NewKeyFile;
}

/** A key file on its way to its name. */
export interface NewKeyFile {
  /** Gives the file its name, on disk. */
  readonly publish: () => void;
  /** Takes the name away again, if {@link publish} gave it. */
  readonly withdraw: () => void;
  /** Removes what is left beside the file. Must be called at the end, whatever happened. */
  readonly discard: () => void;
}

const PREFIX = "env-root-1.";
/** The line of a key file has 54 characters and a line break. */
const MAX_KEY_FILE_BYTES = 128;
const SCRYPT = { n: 2 ** 17, minN: 2 ** 15, maxN: 2 ** 20, r: 8, p: 1, saltBytes: 16 } as const;

/** A fresh key as text, for the environment variable of `{ environment }`: `env-root-1.…`. */
export function generateRootKey(): string {
  const raw = random(KEY_BYTES);
  try {
    return `${PREFIX}${Buffer.from(raw.buffer).toString("base64url")}`;
  } finally {
    raw.fill(0);
  }
}

/**
 * A key from a source that has not been used for this keystore.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_KEYSTORE_ROOT_KEY`; what the CMK throws; RangeError for `scryptN`.
 */
export async function newSourceKey(
  source: RootKeySource,
  keystoreId: string,
): Promise<NewSourceKey> {
  kindOf(source);
  if ("keyFile" in source) {
    return { facts: { kind: "key-file" }, ...newKeyFile(source.keyFile) };
  }
  if ("environment" in source) {
    return { facts: { kind: "environment" }, key: environmentKey(source.environment) };
  }
  if ("passphrase" in source) {
    const n = source.scryptN ?? SCRYPT.n;
    if (!isScryptN(n)) throw new RangeError("scryptN must be a power of two from 2^15 to 2^20");
    const salt = random(SCRYPT.saltBytes);
    const key = await passphraseKey(source.passphrase, salt, n);
    return { facts: { kind: "passphrase", n, salt: toText(salt) }, key };
  }
  const { dataKey, entry } = await source.cmk.generateDataKey(cmkCall(keystoreId));
  using made = dataKey;
  const { provider, keyId } = entry;
  const facts = { kind: "cmk", provider, keyId, wrapped: toText(entry.wrapped) } as const;
  return { facts, key: made.use((bytes) => secretKey(bytes.slice())) };
}

/**
 * The key that the descriptor's facts require.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_KEYSTORE_ROOT_KEY` for a missing or malformed key or another
 * kind of source; what the CMK throws where it could not answer.
 */
export async function sourceKey(
  source: RootKeySource,
  facts: RootKeyFacts,
  keystoreId: string,
): Promise<KeyObject> {
  const kind = kindOf(source);
  if (kind !== facts.kind) {
    throw rootKeyError(`the root key is sealed under a ${facts.kind}; a ${kind} was given`);
  }
  if ("keyFile" in source) return readKeyFile(source.keyFile);
  if ("environment" in source) return environmentKey(source.environment);
  if ("passphrase" in source && facts.kind === "passphrase") {
    // Before any memory is spent: the descriptor is not authenticated yet.
    if (!isScryptN(facts.n))
      throw rootKeyError("the descriptor requires an scrypt N out of bounds");
    return passphraseKey(source.passphrase, fromText(facts.salt), facts.n);
  }
  if ("cmk" in source && facts.kind === "cmk") return unwrapWith(source.cmk, facts, keystoreId);
  throw new TypeError("unreachable: the kinds were compared");
}

/** @throws TypeError for anything but one of the four. */
function kindOf(source: RootKeySource): RootKeyKind {
  if (typeof source === "object" && source !== null) {
    if ("keyFile" in source && typeof source.keyFile === "string") return "key-file";
    if ("environment" in source && typeof source.environment === "string") return "environment";
    if ("passphrase" in source) return "passphrase";
    if ("cmk" in source) return "cmk";
  }
  throw new TypeError("root must be { keyFile }, { environment }, { passphrase } or { cmk }");
}

/**
 * A key file in the making. If a process was killed between publishing its key file and its keystore, that key file is
 * used: it never belonged to a keystore, and is recognised by the partial name that is still linked to it.
 */
function newKeyFile(path: string): { readonly key: KeyObject; readonly file: NewKeyFile } {
  const links = unfinishedLinks(path);
  if (links.length > 0) {
    const discard = (): void => links.forEach((link) => unlinkSync(link));
    // The links stay if this process is killed as well.
    return { key: readKeyFile(path), file: { publish: isThere, withdraw: isThere, discard } };
  }
  const refused = (error: unknown): EnvelopeError =>
    rootKeyError(
      `the key file ${path} cannot be created (${codeOf(error)}); an existing file is never overwritten`,
      error,
    );
  if (existsSync(path)) throw refused(Object.assign(new Error("EEXIST"), { code: "EEXIST" }));
  const partial = new PartialFile(path);
  const text = generateRootKey();
  try {
    const file = openSync(partial.path, "wx", 0o600);
    try {
      writeSync(file, `${text}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    partial.discard();
    throw refused(error);
  }
  let published = false;
  const publish = (): void => {
    try {
      partial.publish();
      published = true;
    } catch (error) {
      throw isEnvelopeError(error) ? error : refused(error);
    }
  };
  const withdraw = (): void => {
    if (published) unlinkSync(path);
    published = false;
  };
  const file = { publish, withdraw, discard: () => partial.discard() };
  return { key: parseRootKey(text, `key file ${path}`), file };
}

/** It has its name, and keeps it. */
function isThere(): void {
  // Nothing to do.
}

function readKeyFile(path: string): KeyObject {
  const bytes = new Uint8Array(MAX_KEY_FILE_BYTES);
  try {
    const file = openSync(path, "r");
    let length: number;
    try {
      const { mode } = fstatSync(file);
      if (process.platform !== "win32" && (mode & 0o077) !== 0) {
        throw rootKeyError(`others may read the key file ${path}; run: chmod 600 ${path}`);
      }
      length = readSync(file, bytes);
    } finally {
      closeSync(file);
    }
    return parseRootKey(
      Buffer.from(bytes.buffer, 0, length).toString("latin1"),
      `key file ${path}`,
    );
  } catch (error) {
    if (isEnvelopeError(error)) throw error;
    throw rootKeyError(
      `the key file ${path} cannot be read (${codeOf(error)}); restore it, nothing else opens the keystore`,
      error,
    );
  } finally {
    bytes.fill(0);
  }
}

function environmentKey(name: string): KeyObject {
  const text = process.env[name];
  if (text === undefined || text === "") {
    throw rootKeyError(`the environment variable ${name} is not set; it must contain the root key`);
  }
  return parseRootKey(text, `environment variable ${name}`);
}

/** Errors name the place and never the text, which may be a key with a typing error. */
function parseRootKey(text: string, place: string): KeyObject {
  const line = text.replace(/\r?\n$/, "");
  const raw = fromText(line.slice(PREFIX.length));
  const canonical = `${PREFIX}${toText(raw)}` === line;
  if (raw.length !== KEY_BYTES || !canonical) {
    raw.fill(0);
    throw rootKeyError(`the ${place} does not contain a root key (${PREFIX} and 43 characters)`);
  }
  return secretKey(raw);
}

function isScryptN(n: number): boolean {
  return Number.isInteger(Math.log2(n)) && n >= SCRYPT.minN && n <= SCRYPT.maxN;
}

async function passphraseKey(
  given: string | Uint8Array | (() => Promise<string>),
  salt: Uint8Array,
  n: number,
): Promise<KeyObject> {
  const secret = typeof given === "function" ? await given() : given;
  const bytes =
    typeof secret === "string"
      ? new TextEncoder().encode(secret.normalize("NFC"))
      : new Uint8Array(secret);
  try {
    if (bytes.length === 0) throw rootKeyError("the passphrase is empty");
    const { r, p } = SCRYPT;
    // What scrypt needs, and some room: Node's default limit is 32 MiB.
    const maxmem = 128 * n * r + 128 * r * p + 2 ** 20;
    return await new Promise<KeyObject>((resolve, reject) => {
      scrypt(bytes, salt, KEY_BYTES, { N: n, r, p, maxmem }, (error, derived) => {
        if (error === null) resolve(secretKey(derived));
        else reject(error);
      });
    });
  } finally {
    bytes.fill(0);
  }
}

async function unwrapWith(
  cmk: Cmk,
  { provider, keyId, wrapped }: Extract<RootKeyFacts, { kind: "cmk" }>,
  keystoreId: string,
): Promise<KeyObject> {
  try {
    const entry = { provider, keyId, wrapped: fromText(wrapped) };
    using dataKey = await cmk.unwrapDataKey(entry, cmkCall(keystoreId));
    return dataKey.use((bytes) => secretKey(bytes.slice()));
  } catch (error) {
    const another =
      isEnvelopeError(error, "ERR_ENVELOPE_NO_KEY") ||
      isEnvelopeError(error, "ERR_ENVELOPE_KMS_REJECTED");
    if (!another) throw error;
    throw rootKeyError(
      `the root key is wrapped by ${provider} ${keyId}; the CMK given did not unwrap it`,
      error,
    );
  }
}

/** Binds the wrapped key to this keystore: another keystore's does not fit. */
function cmkCall(keystoreId: string): { readonly context: Readonly<Record<string, string>> } {
  return { context: { purpose: "keystore root key", keystore: keystoreId } };
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64url");
}

function fromText(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, "base64url"));
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown error";
}

export function rootKeyError(problem: string, cause?: unknown): EnvelopeError {
  return new EnvelopeError(
    "ERR_ENVELOPE_KEYSTORE_ROOT_KEY",
    problem,
    cause === undefined ? {} : { cause },
  );
}
