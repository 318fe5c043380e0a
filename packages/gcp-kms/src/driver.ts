/**
 * A key in Cloud KMS as a CMK.
 *
 * Cloud KMS makes no data keys, so `Cmk` makes them and this driver encrypts them. It cannot encrypt again
 * without giving out the plaintext, so a rewrap is an unwrap and a wrap. The context is passed to it as
 * additional authenticated data, in its canonical bytes.
 *
 * Checksums guard the bytes in both directions, and the answer to Encrypt must name the requested key. That
 * is Google's procedure against bits that flip in transit.
 *
 * Source: Cloud KMS documentation, "Verifying end-to-end data integrity"; service.proto
 *
 * @module
 */
import type { Awaitable, Bytes } from "@env/core";
import {
  hintIfDenied,
  Learnt,
  wipePlaintext,
  type CmkDriver,
  type Wrapped,
} from "@env/core/driver";
import type { Calls, Operation } from "./calls.ts";
import type { EncryptOutput } from "./client.ts";
import { crc32c } from "./crc32c.ts";
import { diagnosticsOf } from "./doctor.ts";
import { classify, failures, GcpKmsError } from "./errors.ts";
import { isKeyOf, parseVersionName, type KeyName } from "./name.ts";
import type { Settings } from "./options.ts";

export function driverOf(settings: Settings, calls: Calls): CmkDriver {
  const { key: keyId } = settings;
  const own = new OwnKey(settings, calls);

  return {
    provider: "gcp-kms",
    keyId,

    async wrap({ plaintext, context, signal }) {
      return own.watch(async () =>
        own.wrapped(await encrypt(calls, keyId, plaintext, context.bytes, signal)),
      );
    },

    async unwrap({ wrapped, keyId: asked, context, signal }) {
      const out = await own.watch(() => decrypt(calls, asked, wrapped, context.bytes, signal));
      const keyVersion = out.usedPrimary && asked === keyId ? own.primary : undefined;
      const { plaintext } = out;
      return keyVersion === undefined ? { plaintext } : { plaintext, keyVersion };
    },

    matches(label) {
      return own.matches(label);
    },

    classify,

    describe() {
      return diagnosticsOf(keyId, calls);
    },

    close() {
      return calls.close();
    },
  };
}

/** The limit of an HSM key for plaintext and additional data together. Source: service.proto */
const MAX_REQUEST_BYTES = 8192;
/** The primary version and the name by which the key answers are trusted for this long. */
const REMEMBERED_MS = 60_000;

/** Errors after which the key may be another one than it was, or have another primary version. */
const contradictions: ReadonlySet<string> = new Set([
  "NOT_FOUND",
  "FAILED_PRECONDITION",
  "WrongPurpose",
]);

/** Encrypts, and checks that nothing was altered in either direction. */
async function encrypt(
  calls: Calls,
  name: string,
  plaintext: Uint8Array,
  aad: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<EncryptOutput & { readonly ciphertext: Bytes }> {
  const operation = "Encrypt";
  requireSize(operation, plaintext, aad);
  const out = await calls.call(operation, signal, (client, options) =>
    client.encrypt(
      {
        name,
        plaintext,
        additionalAuthenticatedData: aad,
        plaintextCrc32c: { value: crc32c(plaintext) },
        additionalAuthenticatedDataCrc32c: { value: crc32c(aad) },
      },
      options,
    ),
  );
  const { verifiedPlaintextCrc32c, verifiedAdditionalAuthenticatedDataCrc32c } = out;
  if (verifiedPlaintextCrc32c !== true || verifiedAdditionalAuthenticatedDataCrc32c !== true) {
    throw integrityMismatch(operation, "the checksums that were sent were not verified");
  }
  const ciphertext = failures.wrappedIn(operation, out.ciphertext);
  requireChecksum(operation, ciphertext, out.ciphertextCrc32c);
  return { ...out, ciphertext };
}

/** Decrypts. The plaintext is a copy that belongs to the caller; the SDK's is wiped. */
async function decrypt(
  calls: Calls,
  name: string,
  ciphertext: Uint8Array,
  aad: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<{ readonly plaintext: Bytes; readonly usedPrimary: boolean }> {
  const operation = "Decrypt";
  requireSize(operation, ciphertext, aad);
  const out = await calls.call(operation, signal, (client, options) =>
    client.decrypt(
      {
        name,
        ciphertext,
        additionalAuthenticatedData: aad,
        ciphertextCrc32c: { value: crc32c(ciphertext) },
        additionalAuthenticatedDataCrc32c: { value: crc32c(aad) },
      },
      options,
    ),
  );
  try {
    const plaintext = failures.plaintextIn(operation, out.plaintext, (bytes) =>
      requireChecksum(operation, bytes, out.plaintextCrc32c),
    );
    return { plaintext, usedPrimary: out.usedPrimary === true };
  } finally {
    wipePlaintext(out);
  }
}

/** The configured key, and what its answers revealed about it. */
class OwnKey {
  readonly #keyId: string;
  readonly #name: KeyName;
  readonly #calls: Calls;
  /** The name that Cloud KMS answers. It has the project's id, whereas the configured name may have the number. */
  readonly #label: Learnt<string>;
  #primary: { readonly version: string; readonly at: number } | undefined;

  constructor({ key, name }: Settings, calls: Calls) {
    this.#keyId = key;
    this.#name = name;
    this.#calls = calls;
    this.#label = new Learnt({
      ask: () => this.#ask(),
      maxAge: REMEMBERED_MS,
      contradictedBy: (error) => {
        const contradicted = error instanceof GcpKmsError && contradictions.has(error.name);
        if (contradicted) this.#primary = undefined;
        return contradicted;
      },
    });
  }

  /** Makes a call. Forgets what is known about the key if the call fails because the key has changed. */
  watch<T>(call: () => Promise<T>): Promise<T> {
    return this.#label.watch(call);
  }

  /**
   * The version that wrapped last, as long as it is likely to be the primary version still. Decrypt reports
   * only whether the primary version had wrapped. If it had, and a later wrap is by this version, the entry
   * is current. After a rotation by somebody else, the number may be the old one, and the two differ.
   */
  get primary(): string | undefined {
    if (this.#primary === undefined) return undefined;
    return performance.now() - this.#primary.at < REMEMBERED_MS ? this.#primary.version : undefined;
  }

  /** Whether an entry of this label was wrapped by this key. */
  matches(label: string): Awaitable<boolean> {
    if (label === this.#keyId) return true;
    return isKeyOf(this.#name, label) && this.#label.passes((own) => own === label);
  }

  /** Checks which key answered, and remembers it. */
  wrapped({ name, ciphertext }: EncryptOutput & { readonly ciphertext: Bytes }): Wrapped {
    const used = typeof name === "string" ? parseVersionName(name) : undefined;
    if (used === undefined) throw failures.invalidAnswer("Encrypt", "it names no version of a key");
    this.#requireOwn("Encrypt", used.key);
    this.#label.learn(used.key);
    this.#primary = { version: used.version, at: performance.now() };
    return { wrapped: ciphertext, keyId: used.key, keyVersion: used.version };
  }

  async #ask(): Promise<string> {
    const operation = "GetCryptoKey";
    const { name } = await this.#calls
      .call(operation, undefined, (client, options) =>
        client.getCryptoKey({ name: this.#keyId }, options),
      )
      .catch(withoutNumber);
    if (typeof name !== "string") throw failures.invalidAnswer(operation, "it names no key");
    this.#requireOwn(operation, name);
    return name;
  }

  #requireOwn(operation: Operation, label: string): void {
    const { known } = this.#label;
    const same = known === undefined ? isKeyOf(this.#name, label) : known === label;
    if (same) return;
    this.#label.forget(); // Otherwise a wrong first answer would be kept permanently.
    throw integrityMismatch(operation, "another key answered than the one asked");
  }
}

const withoutNumber = hintIfDenied(
  classify,
  "to find the project of a number; allow cloudkms.cryptoKeys.get, or name the key with the project's id",
);

/** Checked before the call, because only the text of a refusal would say what is wrong. */
function requireSize(operation: Operation, bytes: Uint8Array, aad: Uint8Array): void {
  if (bytes.length + aad.length <= MAX_REQUEST_BYTES) return;
  throw new GcpKmsError("RequestTooLarge", {
    operation,
    hint: `key and context have at most ${MAX_REQUEST_BYTES} bytes in total; use a smaller context`,
  });
}

function requireChecksum(
  operation: Operation,
  bytes: Uint8Array,
  checksum: { readonly value?: unknown } | null | undefined,
): void {
  // The value is text, a number, or an object that converts to a number.
  if (Number(checksum?.value ?? NaN) === crc32c(bytes)) return;
  throw integrityMismatch(operation, "the checksum of the answer is missing or wrong");
}

/** Something altered the bytes in transit: the answer is not used, and the call may be repeated. */
function integrityMismatch(operation: Operation, hint: string): GcpKmsError {
  return new GcpKmsError("IntegrityMismatch", { operation, hint });
}
