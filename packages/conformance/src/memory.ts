/**
 * The smallest honest KMS and driver: a model for adapters to read, and the subject of this
 * package's own tests. Not for real use: keys live in memory and there is no authorization.
 *
 * A wrapped key is `version(4) || salt(32) || ciphertext(32) || tag(16)`. Every wrap has an AES-256
 * key of its own, HKDF-SHA-512 of the version's secret and the salt, so that the nonce may be zero.
 * The header is bound by the derivation, the context is the AAD.
 *
 * @module
 */
import type { Bytes, CmkDriver, KmsContext, KmsFailureCode } from "@env/core";
import { concat, random } from "./bytes.ts";
import type { CmkHarness } from "./harness.ts";

const HEADER_BYTES = 4 + 32;
const WRAPPED_BYTES = HEADER_BYTES + 32 + 16;

/** How {@link MemoryKms} fails: what an SDK's exception names are to a real adapter. */
export type MemoryKmsFault =
  | "KeyNotFound"
  | "KeyDisabled"
  | "AccessDenied"
  | "InvalidCiphertext"
  | "TooManyCalls"
  | "ConnectionLost";

/** Holds nothing of the request: errors are logged. */
export class MemoryKmsError extends Error {
  override readonly name = "MemoryKmsError";
  readonly fault: MemoryKmsFault;

  constructor(fault: MemoryKmsFault) {
    super(`the KMS answers ${fault}`);
    this.fault = fault;
  }
}

const codes: Readonly<Record<MemoryKmsFault, KmsFailureCode>> = {
  KeyNotFound: "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
  KeyDisabled: "ERR_ENVELOPE_KMS_KEY_STATE",
  AccessDenied: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
  InvalidCiphertext: "ERR_ENVELOPE_KMS_REJECTED",
  TooManyCalls: "ERR_ENVELOPE_KMS_THROTTLED",
  ConnectionLost: "ERR_ENVELOPE_KMS_UNAVAILABLE",
};

type Secret = Awaited<ReturnType<typeof globalThis.crypto.subtle.importKey>>;

/** A few keys with versions and aliases, as a KMS account has them. */
export class MemoryKms {
  /** The newest version is the last. */
  readonly #keys = new Map<string, Promise<Secret>[]>();
  readonly #aliases = new Map<string, string>();
  readonly #faults = new Map<string, MemoryKmsFault>();

  /** @returns The canonical id of a new key. */
  createKey(): string {
    const id = `key/${globalThis.crypto.randomUUID()}`;
    this.#keys.set(id, [newSecret()]);
    return id;
  }

  /** Points the alias at a key, also where it pointed at another before. */
  setAlias(alias: string, id: string): void {
    this.#aliases.set(alias, id);
  }

  /** Gives a key a new version. */
  rotate(id: string): void {
    this.#versions(id).push(newSecret());
  }

  /** Has every call to a key fail; `undefined` ends it. */
  fail(id: string, fault: MemoryKmsFault | undefined): void {
    if (fault === undefined) this.#faults.delete(id);
    else this.#faults.set(id, fault);
  }

  /** @param keyId - A canonical id or an alias. Looked up per call, not here. */
  driver(keyId: string): CmkDriver {
    const unwrap: CmkDriver["unwrap"] = async (request) => {
      request.signal?.throwIfAborted();
      const id = this.#resolve(request.keyId);
      const { plaintext, version } = await this.#open(id, request.wrapped, request.context);
      return { plaintext, keyVersion: String(version) };
    };
    const wrap: CmkDriver["wrap"] = async ({ plaintext, context, signal }) => {
      signal?.throwIfAborted();
      const id = this.#resolve(keyId);
      const version = this.#versions(id).length;
      const wrapped = await this.#seal(id, version, plaintext, context);
      return { wrapped, keyId: id, keyVersion: String(version) };
    };
    return {
      provider: "memory",
      keyId,
      wrap,
      unwrap,
      async generate(request) {
        const plaintext = random(32);
        try {
          return { ...(await wrap({ ...request, plaintext })), plaintext };
        } catch (error) {
          plaintext.fill(0);
          throw error;
        }
      },
      async rewrap(request) {
        const { plaintext, keyVersion } = await unwrap(request);
        try {
          const made = await wrap({ ...request, plaintext });
          return keyVersion === undefined ? made : { ...made, fromVersion: keyVersion };
        } finally {
          plaintext.fill(0);
        }
      },
      matches: (label) => this.#resolve(keyId) === label,
      classify: (error) =>
        error instanceof MemoryKmsError ? codes[error.fault] : "ERR_ENVELOPE_KMS_ERROR",
    };
  }

  #resolve(keyId: string): string {
    return this.#aliases.get(keyId) ?? keyId;
  }

  #versions(id: string): Promise<Secret>[] {
    const versions = this.#keys.get(id);
    if (versions === undefined) throw new MemoryKmsError("KeyNotFound");
    const fault = this.#faults.get(id);
    if (fault !== undefined) throw new MemoryKmsError(fault);
    return versions;
  }

  async #seal(id: string, version: number, plaintext: Bytes, context: KmsContext): Promise<Bytes> {
    const header = concat(new Uint8Array(4), random(32));
    new DataView(header.buffer).setUint32(0, version);
    const key = await this.#wrappingKey(id, version, header);
    const sealed = await globalThis.crypto.subtle.encrypt(gcm(context), key, plaintext);
    return concat(header, new Uint8Array(sealed));
  }

  async #open(
    id: string,
    wrapped: Bytes,
    context: KmsContext,
  ): Promise<{ plaintext: Bytes; version: number }> {
    const versions = this.#versions(id);
    if (wrapped.length !== WRAPPED_BYTES) throw new MemoryKmsError("InvalidCiphertext");
    const header = new Uint8Array(wrapped.subarray(0, HEADER_BYTES));
    const version = new DataView(header.buffer).getUint32(0);
    if (version < 1 || version > versions.length) throw new MemoryKmsError("InvalidCiphertext");
    const sealed = new Uint8Array(wrapped.subarray(HEADER_BYTES));
    const key = await this.#wrappingKey(id, version, header);
    try {
      const plaintext = await globalThis.crypto.subtle.decrypt(gcm(context), key, sealed);
      return { plaintext: new Uint8Array(plaintext), version };
    } catch {
      throw new MemoryKmsError("InvalidCiphertext");
    }
  }

  async #wrappingKey(id: string, version: number, header: Bytes): Promise<Secret> {
    const secret = this.#versions(id)[version - 1];
    if (secret === undefined) throw new MemoryKmsError("InvalidCiphertext");
    return globalThis.crypto.subtle.deriveKey(
      { name: "HKDF", hash: "SHA-512", salt: header.slice(4), info: header },
      await secret,
      { name: "AES-GCM", length: 256 },
      false,
      ["encrypt", "decrypt"],
    );
  }
}

/**
 * A harness over {@link MemoryKms}, with everything a setup can have.
 *
 * @param inspect - See `CmkHarness`.
 * @param alter - What becomes of each driver. Default: it stays honest.
 */
export function memoryHarness(
  inspect: CmkHarness["inspect"],
  alter: (honest: CmkDriver) => CmkDriver = (honest) => honest,
): CmkHarness {
  return {
    inspect,
    open() {
      const kms = new MemoryKms();
      const [first, second] = [kms.createKey(), kms.createKey()];
      kms.setAlias("alias/first", first);
      return {
        first: alter(kms.driver(first)),
        second: alter(kms.driver(second)),
        missing: alter(kms.driver("key/missing")),
        alias: alter(kms.driver("alias/first")),
        rotate: () => kms.rotate(first),
        disable: () => kms.fail(first, "KeyDisabled"),
        deny: () => kms.fail(first, "AccessDenied"),
        unreachable: () => kms.fail(first, "ConnectionLost"),
        throttle: () => kms.fail(first, "TooManyCalls"),
      };
    },
  };
}

async function newSecret(): Promise<Secret> {
  const raw = random(32);
  try {
    return await globalThis.crypto.subtle.importKey("raw", raw, "HKDF", false, ["deriveKey"]);
  } finally {
    raw.fill(0);
  }
}

function gcm(context: KmsContext): { name: string; iv: Bytes; additionalData: Bytes } {
  // A copy: WebCrypto reads it later than the caller may change it.
  return { name: "AES-GCM", iv: new Uint8Array(12), additionalData: context.bytes.slice() };
}
