/**
 * One key of Transit with its versions, and its cryptography: what it encrypts opens with a real
 * server that holds the same bytes, and the other way round.
 *
 *     ciphertext = "vault:v" version ":" base64(nonce(12) || ciphertext || tag(16))
 *     derived:   key = HKDF-SHA-256(version's bytes, no salt, info = context)
 *
 * Source: OpenBao sdk/helper/keysutil/policy.go
 *
 * @module
 */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHmac,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  type CipherChaCha20Poly1305,
  type CipherGCM,
  type DecipherChaCha20Poly1305,
  type DecipherGCM,
} from "node:crypto";
import { multiError, refused, type Json } from "./answer.ts";
import { decodeBase64 } from "./base64.ts";
import { keyTypes, type KeyType, type Material } from "./key-types.ts";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export interface KeyOptions {
  readonly name: string;
  readonly type: string;
  readonly derived?: boolean;
  readonly convergent?: boolean;
  readonly exportable?: boolean;
  readonly allowPlaintextBackup?: boolean;
  /** The bytes of the versions, the first one first. Default: one new version. */
  readonly versions?: readonly Uint8Array[];
}

/** The inputs of the cryptography besides the key. */
export interface Binding {
  readonly context?: Uint8Array | undefined;
  readonly associatedData?: Uint8Array | undefined;
}

interface Version {
  readonly material: Material;
  /** Unix seconds. */
  readonly created: number;
}

export class TransitKey {
  readonly name: string;
  readonly typeName: string;
  readonly type: KeyType;
  readonly derived: boolean;
  readonly convergent: boolean;
  /** Trimmed versions are gone. */
  readonly #versions = new Map<number, Version>();
  latest = 0;
  minDecryption = 1;
  minEncryption = 0;
  minAvailable = 0;
  deletionAllowed = false;
  exportable: boolean;
  allowPlaintextBackup: boolean;
  autoRotatePeriod = 0;
  readonly imported: boolean;
  softDeleted = false;

  constructor(options: KeyOptions, now: number) {
    const { name, type, derived = false, convergent = false, versions } = options;
    const known = Object.hasOwn(keyTypes, type) ? keyTypes[type] : undefined;
    if (known === undefined) throw refused(`unknown key type ${type}`);
    if (convergent && !derived) {
      throw refused("convergent encryption requires derivation to be enabled");
    }
    if (derived && !known.derives) {
      throw refused(`key derivation not supported for keys of type ${type}`);
    }
    this.name = name;
    this.typeName = type;
    this.type = known;
    this.derived = derived;
    this.convergent = convergent;
    this.exportable = options.exportable ?? false;
    this.allowPlaintextBackup = options.allowPlaintextBackup ?? false;
    this.imported = versions !== undefined;
    for (const bytes of versions ?? []) {
      if (bytes.length !== known.bytes || bytes.length === 0) {
        throw new RangeError(`a version of ${type} has ${known.bytes} bytes`);
      }
      this.#add(Buffer.from(bytes), now);
    }
    if (this.latest === 0) this.rotate(now);
  }

  rotate(now: number): void {
    this.#add(this.type.generate(), now);
  }

  /** Permanently deletes the versions before `minAvailable`. */
  trim(minAvailable: number): void {
    this.minAvailable = minAvailable;
    for (const version of this.#versions.keys()) {
      if (version < minAvailable) this.#versions.delete(version);
    }
  }

  /** @param asked - 0 for the latest. */
  encrypt(
    plaintext: Uint8Array,
    asked: number,
    binding: Binding,
  ): { ciphertext: string; key_version: number } {
    this.requireUsable();
    if (!this.type.encrypts) {
      throw refused(`message encryption not supported for key type ${this.typeName}`);
    }
    if (asked < 0) throw refused("requested version for encryption is negative");
    if (asked > this.latest) {
      throw refused("requested version for encryption is higher than the latest key version");
    }
    if (asked > 0 && asked < this.minEncryption) {
      throw refused(
        "requested version for encryption is less than the minimum encryption key version",
      );
    }
    const version = asked === 0 ? this.latest : asked;
    const payload = this.#seal(version, plaintext, binding);
    return { ciphertext: `vault:v${version}:${payload.toString("base64")}`, key_version: version };
  }

  decrypt(ciphertext: string, binding: Binding): Buffer {
    this.requireUsable();
    if (!this.type.encrypts) {
      throw refused(`message decryption not supported for key type ${this.typeName}`);
    }
    if (!ciphertext.startsWith("vault:v")) throw refused("invalid ciphertext: no prefix");
    const parts = ciphertext.slice("vault:v".length).split(":");
    const [number = "", text = ""] = parts;
    if (parts.length !== 2) throw refused("invalid ciphertext: wrong number of fields");
    if (!/^[+-]?[0-9]+$/.test(number)) {
      throw refused("invalid ciphertext: version number could not be decoded");
    }
    const version = Number(number) === 0 ? 1 : Number(number); // Of old, 0 stood for 1.
    if (version > this.latest) throw refused("invalid ciphertext: version is too new");
    if (version < this.minDecryption || version < this.minAvailable) {
      throw refused("ciphertext or signature version is disallowed by policy (too old)");
    }
    const payload = decodeBase64(text);
    if (typeof payload === "string") throw refused("invalid ciphertext: could not decode base64");
    return this.#open(version, payload, binding);
  }

  requireUsable(): void {
    if (this.softDeleted) throw refused("refusing to use soft-deleted key");
  }

  /** The answer to `GET keys/:name`. */
  describe(flavour: { readonly softDelete: boolean }): Json {
    const { type } = this;
    return {
      name: this.name,
      type: this.typeName,
      derived: this.derived,
      ...(this.derived && { kdf: "hkdf_sha256", convergent_encryption: this.convergent }),
      ...(this.convergent && { convergent_encryption_version: -1 }),
      deletion_allowed: this.deletionAllowed,
      min_available_version: this.minAvailable,
      min_decryption_version: this.minDecryption,
      min_encryption_version: this.minEncryption,
      latest_version: this.latest,
      exportable: this.exportable,
      allow_plaintext_backup: this.allowPlaintextBackup,
      supports_encryption: type.encrypts,
      supports_decryption: type.encrypts,
      supports_signing: type.signs,
      supports_derivation: type.derives,
      auto_rotate_period: this.autoRotatePeriod,
      imported_key: this.imported,
      ...(flavour.softDelete && { soft_deleted: this.softDeleted }),
      keys: Object.fromEntries(
        [...this.#versions]
          .filter(([version]) => version >= this.minDecryption)
          .map(([version, held]) => [String(version), describeVersion(this.typeName, held)]),
      ),
    };
  }

  #add(material: Material, created: number): void {
    this.latest++;
    this.#versions.set(this.latest, { material, created });
  }

  #seal(version: number, plaintext: Uint8Array, { context, associatedData }: Binding): Buffer {
    const { material } = this.#version(version);
    if (!Buffer.isBuffer(material)) {
      return publicEncrypt({ key: material.publicKey, ...oaep }, plaintext);
    }
    const { key, nonceKey } = this.#cipherKey(material, context);
    const nonce =
      nonceKey === undefined
        ? randomBytes(NONCE_BYTES)
        : createHmac("sha256", nonceKey).update(plaintext).digest().subarray(0, NONCE_BYTES);
    const cipher = newCipher(this.#algorithm(), key, nonce);
    if (associatedData !== undefined) {
      cipher.setAAD(associatedData, { plaintextLength: plaintext.length });
    }
    return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  }

  #open(version: number, payload: Uint8Array, { context, associatedData }: Binding): Buffer {
    const { material } = this.#version(version);
    if (!Buffer.isBuffer(material)) {
      try {
        return privateDecrypt({ key: material.privateKey, ...oaep }, payload);
      } catch {
        throw multiError(500, "failed to RSA decrypt the ciphertext: crypto/rsa: decryption error");
      }
    }
    const { key } = this.#cipherKey(material, context);
    if (payload.length < NONCE_BYTES) throw refused("invalid ciphertext length");
    const tagAt = payload.length - TAG_BYTES;
    try {
      const nonce = payload.subarray(0, NONCE_BYTES);
      const decipher = newDecipher(this.#algorithm(), key, nonce);
      decipher.setAuthTag(payload.subarray(tagAt));
      if (associatedData !== undefined) {
        decipher.setAAD(associatedData, { plaintextLength: tagAt - NONCE_BYTES });
      }
      const plaintext = decipher.update(payload.subarray(NONCE_BYTES, tagAt));
      return Buffer.concat([plaintext, decipher.final()]);
    } catch {
      throw refused(`${this.type.cipher}: message authentication failed`);
    }
  }

  #version(version: number): Version {
    const held = this.#versions.get(version);
    if (held !== undefined) return held;
    throw refused("ciphertext or signature version is disallowed by policy (too old)");
  }

  #algorithm(): Aead {
    return this.type.aead ?? "aes-256-gcm";
  }

  /** Ignores the context if the key is not derived, as real servers do. */
  #cipherKey(
    material: Buffer,
    context: Uint8Array | undefined,
  ): { key: Buffer; nonceKey?: Buffer } {
    if (!this.derived) return { key: material };
    if (context === undefined || context.length === 0) {
      throw refused(
        "missing 'context' for key derivation; the key was created using a derived key, which means additional, per-request information must be included in order to perform operations with the key",
      );
    }
    const bytes = this.type.bytes;
    const length = this.convergent ? bytes + 32 : bytes;
    const derived = hkdfSha256(material, context, length);
    const key = derived.subarray(0, bytes);
    return this.convergent ? { key, nonceKey: derived.subarray(bytes) } : { key };
  }
}

const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" } as const;

function describeVersion(type: string, { material, created }: Version): unknown {
  if (Buffer.isBuffer(material)) return created;
  return {
    name: type,
    public_key: material.publicKey.export({ type: "spki", format: "pem" }),
    certificate_chain: "",
    creation_time: new Date(created * 1000).toISOString(),
  };
}

type Aead = NonNullable<KeyType["aead"]>;

const tagLength = { authTagLength: TAG_BYTES };

// Node's types distinguish the AEAD modes, though they are called in the same way.
function newCipher(aead: Aead, key: Buffer, nonce: Buffer): CipherGCM | CipherChaCha20Poly1305 {
  return aead === "chacha20-poly1305"
    ? createCipheriv(aead, key, nonce, tagLength)
    : createCipheriv(aead, key, nonce, tagLength);
}

function newDecipher(
  aead: Aead,
  key: Buffer,
  nonce: Uint8Array,
): DecipherGCM | DecipherChaCha20Poly1305 {
  return aead === "chacha20-poly1305"
    ? createDecipheriv(aead, key, nonce, tagLength)
    : createDecipheriv(aead, key, nonce, tagLength);
}

/** HKDF without a salt. `crypto.hkdfSync` takes at most 1 KiB of info, and contexts are longer. Source: RFC 5869 */
function hkdfSha256(key: Buffer, info: Uint8Array, length: number): Buffer {
  const extracted = createHmac("sha256", Buffer.alloc(32)).update(key).digest();
  const blocks: Buffer[] = [];
  let block = Buffer.alloc(0);
  for (let i = 1; blocks.length * 32 < length; i++) {
    block = createHmac("sha256", extracted)
      .update(block)
      .update(info)
      .update(Buffer.of(i))
      .digest();
    blocks.push(block);
  }
  return Buffer.concat(blocks).subarray(0, length);
}
