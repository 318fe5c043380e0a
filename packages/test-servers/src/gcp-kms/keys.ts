/**
 * Keys with versions and states, and what they encrypt. They live in memory.
 *
 * A ciphertext is `version id(53) || iv(12) || AES-256-GCM(plaintext) || tag(16)`, with the additional
 * authenticated data as AAD: 81 bytes more than the plaintext, as Cloud KMS makes them.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { checkId, checkName, isVersion, parentOf } from "./names.ts";
import { StatusError } from "./status.ts";

export type VersionState =
  | "PENDING_GENERATION"
  | "ENABLED"
  | "DISABLED"
  | "DESTROY_SCHEDULED"
  | "DESTROYED";

export type ProtectionLevel = "SOFTWARE" | "HSM";

export interface Version {
  readonly name: string;
  /** The first bytes of every ciphertext of the version. */
  readonly id: Buffer;
  readonly createdAt: Date;
  state: VersionState;
  /** `undefined` once destroyed. */
  secret: KeyObject | undefined;
  destroyAt: Date | undefined;
}

export interface Key {
  readonly name: string;
  readonly purpose: string;
  readonly protectionLevel: ProtectionLevel;
  readonly createdAt: Date;
  readonly versions: Version[];
  primary: Version | undefined;
}

const ID_BYTES = 53;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const DAY_MS = 86_400_000;

export class Keys {
  readonly #rings = new Map<string, Date>();
  readonly #keys = new Map<string, Key>();

  get rings(): ReadonlyMap<string, Date> {
    return this.#rings;
  }

  createRing(name: string): string {
    checkName("keyRing", name);
    checkId(name.replace(/^.*\//, ""));
    if (this.#rings.has(name)) {
      throw new StatusError("ALREADY_EXISTS", `KeyRing ${name} already exists.`);
    }
    this.#rings.set(name, new Date());
    return name;
  }

  requireRing(name: string): Date {
    const created = this.#rings.get(checkName("keyRing", name));
    if (created !== undefined) return created;
    throw new StatusError("NOT_FOUND", `KeyRing ${name} not found.`);
  }

  keysIn(ring: string): Key[] {
    this.requireRing(ring);
    return [...this.#keys.values()].filter(({ name }) => parentOf(name) === ring);
  }

  createKey(
    name: string,
    protectionLevel: ProtectionLevel,
    purpose = "ENCRYPT_DECRYPT",
    withVersion = true,
  ): Key {
    checkName("cryptoKey", name);
    checkId(name.replace(/^.*\//, ""));
    this.requireRing(parentOf(name));
    if (this.#keys.has(name)) {
      throw new StatusError("ALREADY_EXISTS", `CryptoKey ${name} already exists.`);
    }
    const createdAt = new Date();
    const key = { name, purpose, protectionLevel, createdAt, versions: [], primary: undefined };
    this.#keys.set(name, key);
    if (withVersion) this.setPrimary(name, this.createVersion(name).name);
    return this.requireKey(name);
  }

  requireKey(name: string): Key {
    const key = this.#keys.get(checkName("cryptoKey", name));
    if (key !== undefined) return key;
    throw new StatusError("NOT_FOUND", `CryptoKey ${name} not found.`);
  }

  /** A new version, which is not the primary one yet. */
  createVersion(name: string): Version {
    const { versions } = this.requireKey(name);
    const version: Version = {
      name: `${name}/cryptoKeyVersions/${versions.length + 1}`,
      id: randomBytes(ID_BYTES),
      createdAt: new Date(),
      state: "ENABLED",
      secret: createSecretKey(randomBytes(32)),
      destroyAt: undefined,
    };
    versions.push(version);
    return version;
  }

  requireVersion(name: string): Version {
    const { versions } = this.requireKey(parentOf(checkName("version", name)));
    const version = versions.find((one) => one.name === name);
    if (version !== undefined) return version;
    throw new StatusError("NOT_FOUND", `CryptoKeyVersion ${name} not found.`);
  }

  setPrimary(name: string, version: string): void {
    const key = this.requireKey(name);
    if (key.purpose !== "ENCRYPT_DECRYPT") return;
    key.primary = enabled(this.requireVersion(version));
  }

  /** Sets any state, without the rules of the API. */
  setState(name: string, state: VersionState): Version {
    const version = this.requireVersion(name);
    version.state = state;
    version.destroyAt =
      state === "DESTROY_SCHEDULED" ? new Date(Date.now() + 30 * DAY_MS) : undefined;
    if (state === "DESTROYED") version.secret = undefined;
    return version;
  }

  /** @param name - The name of a version, or of a key, whose primary version then encrypts. */
  encrypt(
    name: string,
    plaintext: Uint8Array,
    aad: Uint8Array,
  ): { readonly version: Version; readonly ciphertext: Buffer; readonly key: Key } {
    const key = this.#forEncryption(isVersion(name) ? parentOf(name) : name);
    const version = isVersion(name) ? this.requireVersion(name) : key.primary;
    if (version === undefined) {
      throw new StatusError("FAILED_PRECONDITION", `${name} has no primary version.`);
    }
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv("aes-256-gcm", secretOf(version), iv).setAAD(aad);
    const sealed = [cipher.update(plaintext), cipher.final(), cipher.getAuthTag()];
    return { key, version, ciphertext: Buffer.concat([version.id, iv, ...sealed]) };
  }

  /** Decrypts with whichever version of the key encrypted it. */
  decrypt(
    name: string,
    ciphertext: Uint8Array,
    aad: Uint8Array,
  ): { readonly version: Version; readonly plaintext: Buffer; readonly key: Key } {
    const key = this.#forEncryption(name);
    const id = ciphertext.subarray(0, ID_BYTES);
    const version = key.versions.find((one) => one.id.equals(id));
    if (version === undefined) {
      throw new StatusError(
        "INVALID_ARGUMENT",
        "Decryption failed: verify that 'name' refers to the correct CryptoKey.",
      );
    }
    const secret = secretOf(version);
    const sealed = ciphertext.subarray(ID_BYTES + IV_BYTES);
    const iv = ciphertext.subarray(ID_BYTES, ID_BYTES + IV_BYTES);
    try {
      const options = { authTagLength: TAG_BYTES };
      const decipher = createDecipheriv("aes-256-gcm", secret, iv, options)
        .setAAD(aad)
        .setAuthTag(sealed.subarray(-TAG_BYTES));
      const plaintext = [decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()];
      return { key, version, plaintext: Buffer.concat(plaintext) };
    } catch {
      throw new StatusError("INVALID_ARGUMENT", "Decryption failed: the ciphertext is invalid.");
    }
  }

  #forEncryption(name: string): Key {
    const key = this.requireKey(name);
    if (key.purpose === "ENCRYPT_DECRYPT") return key;
    throw new StatusError(
      "FAILED_PRECONDITION",
      `${name} has purpose ${key.purpose}, which this operation is not for.`,
    );
  }
}

function enabled(version: Version): Version {
  if (version.state === "ENABLED") return version;
  throw new StatusError(
    "FAILED_PRECONDITION",
    `${version.name} is not enabled, current state is: ${version.state}.`,
  );
}

function secretOf(version: Version): KeyObject {
  const { secret } = enabled(version);
  if (secret !== undefined) return secret;
  throw new StatusError("INTERNAL", "an enabled version has no secret");
}
