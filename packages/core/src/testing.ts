/**
 * CMKs in memory, for tests, examples and first programs.
 *
 * Nothing here is for production. A key exists only in this process: once the process has ended,
 * nothing can unwrap what the key has wrapped. Otherwise this is a correct KMS, which uses real
 * cryptography, binds the context and passes `@env/conformance`. Adapter authors can read it as the
 * smallest model of a driver.
 *
 * A wrapped key is `version(4) || salt(32) || ciphertext(32) || tag(16)`. Every wrap has its own
 * AES-256-GCM key, derived from the version's secret and the salt with HKDF-SHA-512, so the nonce may
 * be zero. The derivation binds the header, and the context is the AAD.
 *
 * @module
 */
import { concat, type Bytes } from "./bytes.ts";
import { Cmk } from "./cmk.ts";
import type { KmsContext } from "./context.ts";
import type { CmkDriver } from "./driver.ts";
import type { KmsFailureCode } from "./error.ts";
import type { KmsCallEvent } from "./observer.ts";

const HEADER_BYTES = 4 + 32;
const WRAPPED_BYTES = HEADER_BYTES + 32 + 16;

/**
 * Returns a CMK with a new key in memory.
 *
 * @example
 * ```ts
 * const envelope = new Envelope({ cmks: [memoryCmk()] });
 * const text = await envelope.encryptText("4111 1111 1111 1111", { context: { tenant: "acme" } });
 * ```
 */
export function memoryCmk(): Cmk {
  const kms = new MemoryKms();
  return new Cmk(kms.driver(kms.createKey()));
}

export interface MemoryKmsOptions {
  /** The provider name of its CMKs. Default: `memory`. */
  readonly provider?: string;
  /**
   * Runs before each call that reaches the KMS, with the id of the key. It can count calls, delay one,
   * or make it fail by throwing (a {@link MemoryKmsError}).
   */
  readonly onCall?: (
    operation: Exclude<KmsCallEvent["operation"], "matches">,
    id: string,
  ) => void | Promise<void>;
}

/**
 * The error that a {@link MemoryKms} throws. Like any error of an SDK it may be logged, so it contains
 * nothing of the request.
 */
export class MemoryKmsError extends Error {
  override readonly name = "MemoryKmsError";
  readonly code: KmsFailureCode;

  constructor(code: KmsFailureCode) {
    super(`the KMS answers ${code}`);
    this.code = code;
  }
}

type Secret = Awaited<ReturnType<typeof globalThis.crypto.subtle.importKey>>;

/** A driver with all optional methods. */
export type MemoryDriver = CmkDriver & Required<Pick<CmkDriver, "generate" | "rewrap" | "matches">>;

/** A small KMS account: a few keys with versions and aliases. */
export class MemoryKms {
  readonly #provider: string;
  readonly #onCall: MemoryKmsOptions["onCall"];
  /** The versions of each key, the newest last. */
  readonly #keys = new Map<string, Promise<Secret>[]>();
  readonly #aliases = new Map<string, string>();
  readonly #failures = new Map<string, KmsFailureCode>();

  constructor({ provider = "memory", onCall }: MemoryKmsOptions = {}) {
    this.#provider = provider;
    this.#onCall = onCall;
  }

  /** @returns The canonical id of a new key. Default: a random id. */
  createKey(id: string = `key/${globalThis.crypto.randomUUID()}`): string {
    this.#keys.set(id, [newSecret()]);
    return id;
  }

  /** Points the alias at a key, even if it pointed at another before. */
  setAlias(alias: string, id: string): void {
    this.#aliases.set(alias, id);
  }

  /** Gives a key a new version. */
  rotate(id: string): void {
    this.#versions(id).push(newSecret());
  }

  /** Makes every call to a key fail with `code`; `undefined` ends this. */
  fail(id: string, code: KmsFailureCode | undefined): void {
    if (code === undefined) this.#failures.delete(id);
    else this.#failures.set(id, code);
  }

  /** @param keyId - A canonical id or an alias, which is resolved at each call rather than now. */
  driver(keyId: string): MemoryDriver {
    const unwrap: CmkDriver["unwrap"] = async (request) => {
      const id = await this.#enter("unwrap", request.keyId, request.signal);
      return this.#open(id, request.wrapped, request.context);
    };
    return {
      provider: this.#provider,
      keyId,
      wrap: async ({ plaintext, context, signal }) => {
        const id = await this.#enter("wrap", keyId, signal);
        return this.#seal(id, plaintext, context);
      },
      unwrap,
      generate: async ({ context, signal }) => {
        const id = await this.#enter("generate", keyId, signal);
        const plaintext = random(32);
        return { ...(await this.#seal(id, plaintext, context)), plaintext };
      },
      rewrap: async ({ keyId: from, wrapped, context, signal }) => {
        const source = await this.#enter("rewrap", from, signal);
        const { plaintext, keyVersion } = await this.#open(source, wrapped, context);
        try {
          const made = await this.#seal(this.#resolve(keyId), plaintext, context);
          return { ...made, fromVersion: keyVersion };
        } finally {
          plaintext.fill(0);
        }
      },
      matches: (label) => this.#resolve(keyId) === label,
      classify: (error) =>
        error instanceof MemoryKmsError ? error.code : "ERR_ENVELOPE_KMS_ERROR",
    };
  }

  async #enter(
    operation: Parameters<NonNullable<MemoryKmsOptions["onCall"]>>[0],
    keyId: string,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    signal?.throwIfAborted();
    const id = this.#resolve(keyId);
    await this.#onCall?.(operation, id);
    return id;
  }

  #resolve(keyId: string): string {
    return this.#aliases.get(keyId) ?? keyId;
  }

  #versions(id: string): Promise<Secret>[] {
    const versions = this.#keys.get(id);
    if (versions === undefined) throw new MemoryKmsError("ERR_ENVELOPE_KMS_KEY_NOT_FOUND");
    const failure = this.#failures.get(id);
    if (failure !== undefined) throw new MemoryKmsError(failure);
    return versions;
  }

  async #seal(
    id: string,
    plaintext: Bytes,
    context: KmsContext,
  ): Promise<{ wrapped: Bytes; keyId: string; keyVersion: string }> {
    const version = this.#versions(id).length;
    const header = concat(new Uint8Array(4), random(32));
    new DataView(header.buffer).setUint32(0, version);
    const key = await this.#wrappingKey(id, version, header);
    const sealed = await globalThis.crypto.subtle.encrypt(gcm(context), key, plaintext);
    const wrapped = concat(header, new Uint8Array(sealed));
    return { wrapped, keyId: id, keyVersion: String(version) };
  }

  async #open(
    id: string,
    wrapped: Bytes,
    context: KmsContext,
  ): Promise<{ plaintext: Bytes; keyVersion: string }> {
    const versions = this.#versions(id);
    if (wrapped.length !== WRAPPED_BYTES) throw rejected();
    const header = new Uint8Array(wrapped.subarray(0, HEADER_BYTES));
    const version = new DataView(header.buffer).getUint32(0);
    if (version < 1 || version > versions.length) throw rejected();
    const sealed = new Uint8Array(wrapped.subarray(HEADER_BYTES));
    const key = await this.#wrappingKey(id, version, header);
    try {
      const plaintext = await globalThis.crypto.subtle.decrypt(gcm(context), key, sealed);
      return { plaintext: new Uint8Array(plaintext), keyVersion: String(version) };
    } catch {
      throw rejected();
    }
  }

  async #wrappingKey(id: string, version: number, header: Bytes): Promise<Secret> {
    const secret = this.#versions(id)[version - 1];
    if (secret === undefined) throw rejected();
    return globalThis.crypto.subtle.deriveKey(
      { name: "HKDF", hash: "SHA-512", salt: header.slice(4), info: header },
      await secret,
      { name: "AES-GCM", length: 256 },
      false,
      ["encrypt", "decrypt"],
    );
  }
}

async function newSecret(): Promise<Secret> {
  const raw = random(32);
  try {
    return await globalThis.crypto.subtle.importKey("raw", raw, "HKDF", false, ["deriveKey"]);
  } finally {
    raw.fill(0);
  }
}

function random(length: number): Bytes {
  return globalThis.crypto.getRandomValues(new Uint8Array(length));
}

function rejected(): MemoryKmsError {
  return new MemoryKmsError("ERR_ENVELOPE_KMS_REJECTED");
}

function gcm(context: KmsContext): { name: string; iv: Bytes; additionalData: Bytes } {
  // A copy: the caller may change it before WebCrypto reads it.
  return { name: "AES-GCM", iv: new Uint8Array(12), additionalData: context.bytes.slice() };
}
