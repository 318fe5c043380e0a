/**
 * A key in a local keystore file as a CMK.
 *
 * The context is passed to the KMS as its encryption context. Unwrapping always names the key, so that a wrapped key of
 * another CMK that the caller may use is refused and not opened. Entries are labelled with the key's id and never with an
 * alias, because aliases move.
 *
 * @module
 */
import { Cmk, type Awaitable } from "@env/core";
import {
  checkOptions,
  doctor as examine,
  Learnt,
  type CmkDriver,
  type DoctorOptions,
  type DoctorReport,
  type Wrapped,
} from "@env/core/driver";
import { describeCiphertextBlob, isKmsError, KmsError, sqliteVersion } from "@env/kms";
import type { Encrypted, LocalFileClient } from "./client.ts";
import { diagnosticsOf } from "./doctor.ts";
import { classify } from "./errors.ts";

export interface LocalFileOptions {
  /** `keystore.as()`, or as another principal. */
  readonly client: LocalFileClient;
  /** Key id, key ARN, `alias/name` or alias ARN. */
  readonly key: string;
  /** Key ids or ARNs of further keys that may unwrap, as after an alias was moved. Default: none. */
  readonly alsoUnwrap?: readonly string[];
}

/** Makes a {@link Cmk} from a key in an open keystore. The caller closes the keystore. Makes no call yet. */
export function localFile(options: LocalFileOptions): Cmk {
  return new Cmk(localFileDriver(options), cmkOptions(options));
}

export interface LocalFileDoctorReport extends DoctorReport {
  /** The version of SQLite in use; one that can lose changes is refused when a keystore is opened. */
  readonly sqliteVersion: string;
}

/**
 * Probes a key as the principal of `client`. Keeps no data key; the keystore stays the caller's to close.
 *
 * @throws TypeError for options, {@link EnvelopeError} `ERR_ENVELOPE_INVALID_CONTEXT`, and the signal's reason.
 * Everything else is in the report.
 */
export async function doctor(
  options: LocalFileOptions,
  doctorOptions: DoctorOptions = {},
): Promise<LocalFileDoctorReport> {
  await using cmk = localFile(options);
  return { ...(await examine(cmk, doctorOptions)), sqliteVersion: sqliteVersion() };
}

/** Options of the Cmk. Entries are labelled with key ids, so those are compared. */
export function cmkOptions({ alsoUnwrap = [] }: Pick<LocalFileOptions, "alsoUnwrap">): {
  readonly alsoUnwrap: readonly string[];
} {
  return { alsoUnwrap: alsoUnwrap.map((id) => keyIdIn(id) ?? id) };
}

const OPTIONS = new Set(["client", "key", "alsoUnwrap"]);

/** Makes the driver alone, for tests and for wrapping. */
export function localFileDriver(options: LocalFileOptions): CmkDriver {
  checkOptions(options, OPTIONS);
  const { client, key } = options;
  const target = new KeyName(client, key);

  return {
    provider: "local-file",
    keyId: key,

    async generate({ context }) {
      const EncryptionContext = context.map;
      const made = await client.generateDataKey({
        KeyId: key,
        KeySpec: "AES_256",
        EncryptionContext,
      });
      return { plaintext: made.Plaintext, ...target.wrapped(made) };
    },

    async wrap({ plaintext, context }) {
      const EncryptionContext = context.map;
      return target.wrapped(
        await client.encrypt({ KeyId: key, Plaintext: plaintext, EncryptionContext }),
      );
    },

    async unwrap({ wrapped: blob, keyId, context }) {
      const from = describe(blob);
      const EncryptionContext = context.map;
      const out = await target.watch(() =>
        client.decrypt({ KeyId: keyId, CiphertextBlob: blob, EncryptionContext }),
      );
      const used = keyIdIn(out.KeyId);
      // The blob names a key, and decrypt was given one: both must be the key that answered.
      if (!isNamedBy(from.keyId, used) || used !== (keyIdIn(keyId) ?? used)) {
        out.Plaintext.fill(0);
        throw new KmsError("IncorrectKeyException", "another key answered than the requested one");
      }
      return { plaintext: out.Plaintext, keyVersion: String(from.keyVersion) };
    },

    async rewrap({ wrapped: blob, keyId, context }) {
      const fromVersion = String(describe(blob).keyVersion);
      const made = await target.watch(() =>
        client.reEncrypt({
          CiphertextBlob: blob,
          SourceKeyId: keyId,
          SourceEncryptionContext: context.map,
          DestinationKeyId: key,
          DestinationEncryptionContext: context.map,
        }),
      );
      return { ...target.wrapped(made), fromVersion };
    },

    matches(label) {
      return target.matches(label);
    },

    classify,

    describe() {
      return diagnosticsOf(key, client);
    },
  };
}

/** An alias is resolved again after this time. */
const RESOLVE_AGAIN_MS = 60_000;

/** Refusals after which an alias may refer to another key than before. */
const contradictions: ReadonlySet<string> = new Set(["IncorrectKeyException", "NotFoundException"]);

/**
 * The key that the configured name refers to. An alias is resolved when it is first compared, once a minute from then on,
 * and at once after a call that contradicts the result. The answers of the KMS to wraps also reveal it.
 */
class KeyName {
  /** The key id in a name that is not an alias. */
  readonly #keyId: string | undefined;
  readonly #target: Learnt<string>;

  constructor(client: LocalFileClient, name: string) {
    this.#keyId = keyIdIn(name);
    const ask = async (): Promise<string> =>
      (await client.describeKey({ KeyId: name })).KeyMetadata.KeyId;
    this.#target = new Learnt({
      ask,
      maxAge: RESOLVE_AGAIN_MS,
      contradictedBy: (error) => isKmsError(error) && contradictions.has(error.name),
    });
  }

  matches(label: string): Awaitable<boolean> {
    if (this.#keyId !== undefined) return label === this.#keyId;
    return this.#target.passes((keyId) => keyId === label);
  }

  watch<T>(call: () => Promise<T>): Promise<T> {
    return this.#target.watch(call);
  }

  wrapped({ CiphertextBlob, KeyId }: Encrypted): Required<Wrapped> {
    const named = describe(CiphertextBlob);
    const keyId = keyIdIn(KeyId);
    if (keyId === undefined || !isNamedBy(named.keyId, keyId)) {
      throw new KmsError("IncorrectKeyException", "the blob names another key than the answer");
    }
    const { keyVersion } = named;
    this.#target.learn(keyId);
    return { wrapped: CiphertextBlob, keyId, keyVersion: String(keyVersion) };
  }
}

function describe(blob: Uint8Array): { readonly keyId: string; readonly keyVersion: number } {
  const facts = describeCiphertextBlob(blob);
  if (facts !== undefined) return facts;
  throw new KmsError("InvalidCiphertextException", "not a ciphertext blob of a local keystore");
}

const KEY =
  /^(?:arn:aws:kms:[^:]*:[0-9]*:key\/)?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32})$/;

/** The key id in a key id or key ARN; `undefined` for an alias. */
function keyIdIn(id: string): string | undefined {
  return KEY.exec(id)?.[1];
}

/** Whether a blob names this key. It contains the digits of the id, and not whether the key is multi-Region. */
function isNamedBy(blobKeyId: string, keyId: string | undefined): boolean {
  return keyId?.replace(/^mrk-/, "").replaceAll("-", "") === blobKeyId.replaceAll("-", "");
}
