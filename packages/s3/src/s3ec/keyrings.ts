/**
 * Keyrings: what wraps and unwraps the data keys of objects. Each knows one kind of wrapping key.
 *
 * Every wrap names the algorithm of the content and binds it: KMS in the encryption context, AES-GCM in its additional
 * data, RSA in the encrypted text. So a wrapped key cannot be moved to an object of a weaker version.
 *
 * Source: Amazon S3 Encryption Client specification, "Keyrings"
 *
 * @module
 */
import {
  constants,
  createCipheriv,
  createDecipheriv,
  createPublicKey,
  KeyObject,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";
import { DataKey, EnvelopeError, type Bytes, type Cmk, type Context } from "@env/core";
import { checkOptions, DATA_KEY_BYTES, withExactContext } from "@env/core/driver";
import type { ContentAlgorithm, ObjectHeaders, WrapAlgorithm } from "./headers.ts";
import { unwrapLegacyAes, unwrapLegacyRsa } from "./legacy.ts";
import { malformed, type TextMap } from "./text.ts";

/** The caller's consent to an encryption context: the same pairs, or a function that judges the stored ones. */
export type ExpectedContext = Context | ((stored: Context) => boolean);

interface CallOptions {
  readonly signal: AbortSignal | undefined;
}

/** A wrapped data key as the headers have it. */
type WrappedKey = Pick<ObjectHeaders, "wrapAlgorithm" | "wrappedKey" | "description">;

/** Wraps and unwraps data keys. Made by {@link kmsKeyring}, {@link aesKeyring} or {@link rsaKeyring}. */
export interface S3Keyring {
  /** How new data keys are wrapped. */
  readonly wrapAlgorithm: WrapAlgorithm;
  /** Whether the wrap authenticates an encryption context. */
  readonly bindsContext: boolean;
  /** Wraps a data key, a new one unless one is given. The caller disposes it. */
  wrap(
    contentAlgorithm: ContentAlgorithm,
    context: Context,
    options: CallOptions & { readonly dataKey?: DataKey },
  ): Promise<WrappedKey & { readonly dataKey: DataKey }>;
  /** Unwraps the data key of an object. The caller disposes it. */
  unwrap(headers: ObjectHeaders, expected: ExpectedContext, options: CallOptions): Promise<DataKey>;
}

/** The pair that names the algorithm of the content in an encryption context. */
const CEK_ALG_PAIR = "aws:x-amz-cek-alg";
/** The pair that the legacy wrap `kms` adds. */
const CMK_ID_PAIR = "kms_cmk_id";

/**
 * A key in AWS KMS, as a CMK of `@env/aws-kms`: `kms+context`, and reading what SES wraps with `kms`.
 *
 * @throws TypeError for a CMK of another provider: only AWS KMS takes these encryption contexts.
 *
 * @example
 * ```ts
 * const keyring = kmsKeyring(awsKms({ client: new KMS({}), key: "alias/objects" }));
 * ```
 */
export function kmsKeyring(cmk: Cmk): S3Keyring {
  if (cmk?.provider !== "aws-kms") throw new TypeError("kmsKeyring takes a CMK of @env/aws-kms");
  return {
    wrapAlgorithm: "kms+context",
    bindsContext: true,
    async wrap(contentAlgorithm, context, { signal, dataKey: given }) {
      const reserved = Object.keys(context).find(
        (name) => name === CEK_ALG_PAIR || name === CMK_ID_PAIR,
      );
      if (reserved !== undefined) {
        throw new EnvelopeError(
          "ERR_ENVELOPE_INVALID_CONTEXT",
          `context: ${reserved} is reserved for the format; leave it out`,
        );
      }
      const description = { ...context, [CEK_ALG_PAIR]: contentAlgorithm };
      const calls = withExactContext(cmk, description);
      const { dataKey, entry } =
        given === undefined
          ? await calls.generateDataKey({ signal })
          : { ...(await calls.wrapDataKey(given, { signal })), dataKey: given };
      const wrappedKey = Buffer.from(entry.wrapped);
      return { wrapAlgorithm: "kms+context", wrappedKey, description, dataKey };
    },
    async unwrap(headers, expected, { signal }) {
      requireWrap(headers, "kms+context", "kms");
      const { [CEK_ALG_PAIR]: suite, [CMK_ID_PAIR]: cmkId, ...stored } = headers.description;
      if (headers.wrapAlgorithm === "kms") {
        // Otherwise relabelling would be a way around the check below.
        if (suite !== undefined || cmkId === undefined) {
          throw malformed(
            `the context of the wrap kms has ${CMK_ID_PAIR} and not ${CEK_ALG_PAIR}: the headers were edited`,
          );
        }
      } else if (suite !== headers.contentAlgorithm) {
        throw malformed(
          `the encryption context does not name the algorithm of the content in ${CEK_ALG_PAIR}: the headers were edited`,
        );
      }
      requireContext(stored, expected);
      return withExactContext(cmk, headers.description).unwrapDataKey(headers.wrappedKey, {
        signal,
      });
    },
  };
}

/** Options of keyrings whose wraps authenticate no context. */
export interface RawKeyringOptions {
  /**
   * Pairs that are stored with new objects, for people and for finding the right key. Nothing
   * authenticates them. Default: none.
   */
  readonly materialDescription?: Context | undefined;
}

const GCM_IV_BYTES = 12;
const GCM_TAG_BYTES = 16;

/**
 * An AES key of this process: `AES/GCM`.
 *
 * @param key - A secret KeyObject of 16, 24 or 32 bytes.
 */
export function aesKeyring(key: KeyObject, options: RawKeyringOptions = {}): S3Keyring {
  const bytes = key instanceof KeyObject && key.type === "secret" ? key.symmetricKeySize : 0;
  if (bytes !== 16 && bytes !== 24 && bytes !== 32) {
    throw new TypeError("key must be a secret KeyObject of 16, 24 or 32 bytes");
  }
  const gcm = `aes-${bytes === 16 ? 128 : bytes === 24 ? 192 : 256}-gcm` as const;
  return rawKeyring("AES/GCM", options, {
    wrap(dataKey, contentAlgorithm) {
      const iv = randomBytes(GCM_IV_BYTES);
      const cipher = createCipheriv(gcm, key, iv).setAAD(Buffer.from(contentAlgorithm));
      const ciphertext = Buffer.concat([cipher.update(dataKey), cipher.final()]);
      return Buffer.concat([iv, ciphertext, cipher.getAuthTag()]);
    },
    unwrap(headers) {
      const { wrappedKey, wrapAlgorithm, contentAlgorithm } = headers;
      if (wrapAlgorithm !== "AES/GCM") {
        requireWrap(headers, "AES", "AESWrap");
        return unwrapLegacyAes(key, headers);
      }
      if (wrappedKey.length !== GCM_IV_BYTES + DATA_KEY_BYTES + GCM_TAG_BYTES) return undefined;
      const iv = wrappedKey.subarray(0, GCM_IV_BYTES);
      const decipher = createDecipheriv(gcm, key, iv, { authTagLength: GCM_TAG_BYTES });
      decipher
        .setAAD(Buffer.from(contentAlgorithm))
        .setAuthTag(wrappedKey.subarray(-GCM_TAG_BYTES));
      const dataKey = decipher.update(wrappedKey.subarray(GCM_IV_BYTES, -GCM_TAG_BYTES));
      decipher.final();
      return dataKey;
    },
  });
}

/** A pair of RSA keys. Without `privateKey`, objects can only be written. */
export interface RsaKeyPair {
  readonly publicKey?: KeyObject | undefined;
  readonly privateKey?: KeyObject | undefined;
}

const MIN_RSA_BITS = 2048;

/**
 * An RSA key pair of this process: `RSA-OAEP-SHA1`, which is what the format prescribes.
 *
 * @param pair - RSA KeyObjects of at least 2048 bits. The public key follows from the private one.
 */
export function rsaKeyring(pair: RsaKeyPair, options: RawKeyringOptions = {}): S3Keyring {
  checkOptions(pair, new Set(["publicKey", "privateKey"]), "rsaKeyring");
  const { privateKey } = pair;
  if (privateKey !== undefined) requireRsa(privateKey, "private");
  const publicKey = pair.publicKey ?? (privateKey && createPublicKey(privateKey));
  requireRsa(publicKey, "public");
  const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha1" };
  return rawKeyring("RSA-OAEP-SHA1", options, {
    wrap(dataKey, contentAlgorithm) {
      const text = framed(dataKey, contentAlgorithm);
      try {
        return publicEncrypt({ key: publicKey, ...padding }, text);
      } finally {
        text.fill(0);
      }
    },
    unwrap(headers) {
      if (privateKey === undefined) {
        throw new EnvelopeError(
          "ERR_ENVELOPE_NO_KEY",
          "the keyring has no private key: pass privateKey to read objects",
        );
      }
      const { wrappedKey, wrapAlgorithm, contentAlgorithm } = headers;
      if (wrapAlgorithm !== "RSA-OAEP-SHA1") {
        requireWrap(headers, "RSA", "RSA/ECB/OAEPWithSHA-256AndMGF1Padding");
        return unwrapLegacyRsa(privateKey, headers);
      }
      const text = privateDecrypt({ key: privateKey, ...padding }, wrappedKey);
      const dataKey = text.subarray(1, 1 + DATA_KEY_BYTES);
      // The whole text is compared, so nothing may follow the algorithm.
      const whole = framed(dataKey, contentAlgorithm);
      const isWhole = text.length === whole.length && timingSafeEqual(text, whole);
      whole.fill(0);
      return isWhole ? dataKey : undefined;
    },
  });
}

/** The text that RSA encrypts: the length of the data key in a byte, the data key, the algorithm. */
function framed(dataKey: Uint8Array, contentAlgorithm: ContentAlgorithm): Buffer {
  return Buffer.concat([Uint8Array.of(dataKey.length), dataKey, Buffer.from(contentAlgorithm)]);
}

function requireRsa(key: unknown, type: "public" | "private"): asserts key is KeyObject {
  const isRsa = key instanceof KeyObject && key.type === type && key.asymmetricKeyType === "rsa";
  const bits = isRsa ? (key.asymmetricKeyDetails?.modulusLength ?? 0) : 0;
  if (bits < MIN_RSA_BITS) {
    throw new TypeError(`${type}Key must be a ${type} RSA KeyObject of at least 2048 bits`);
  }
}

interface RawWrap {
  wrap(dataKey: Uint8Array, contentAlgorithm: ContentAlgorithm): Buffer;
  /** Throws or returns `undefined` for what the key did not wrap. */
  unwrap(headers: ObjectHeaders): Buffer | undefined;
}

function rawKeyring(
  wrapAlgorithm: WrapAlgorithm,
  options: RawKeyringOptions,
  raw: RawWrap,
): S3Keyring {
  checkOptions(options, new Set(["materialDescription"]), "keyring");
  const description: TextMap = { ...options.materialDescription };
  return {
    wrapAlgorithm,
    bindsContext: false,
    async wrap(contentAlgorithm, _, { dataKey = new DataKey(randomKey()) }) {
      const wrappedKey = dataKey.use((bytes) => raw.wrap(bytes, contentAlgorithm));
      return { wrapAlgorithm, wrappedKey, description, dataKey };
    },
    async unwrap(headers) {
      const bytes = opened(() => raw.unwrap(headers));
      if (bytes?.length === DATA_KEY_BYTES) {
        const own: Bytes = new Uint8Array(bytes);
        bytes.fill(0);
        return new DataKey(own);
      }
      throw new EnvelopeError(
        "ERR_ENVELOPE_DECRYPT",
        `the keyring does not unwrap the data key (${headers.wrapAlgorithm}): another key wrapped it, ` +
          "or it was altered. Check which key the material description names",
      );
    },
  };
}

/** Every reason why a raw key does not unwrap is one answer. */
function opened(unwrap: () => Buffer | undefined): Buffer | undefined {
  try {
    return unwrap();
  } catch (error) {
    if (error instanceof EnvelopeError) throw error;
    return undefined;
  }
}

function randomKey(): Bytes {
  return new Uint8Array(randomBytes(DATA_KEY_BYTES));
}

function requireWrap(
  { wrapAlgorithm }: ObjectHeaders,
  ...known: readonly ObjectHeaders["wrapAlgorithm"][]
): void {
  if (known.includes(wrapAlgorithm)) return;
  throw new EnvelopeError(
    "ERR_ENVELOPE_NO_KEY",
    `the data key is wrapped with ${wrapAlgorithm}, which the keyring does not unwrap: pass a keyring for that`,
  );
}

function requireContext(stored: Context, expected: ExpectedContext): void {
  const names = Object.keys(stored);
  // A promise, which an asynchronous function returns, must not pass for consent.
  const agrees: unknown =
    typeof expected === "function"
      ? expected({ ...stored })
      : names.length === Object.keys(expected).length &&
        names.every((name) => Object.hasOwn(expected, name) && stored[name] === expected[name]);
  if (agrees === true) return;
  throw new EnvelopeError(
    "ERR_ENVELOPE_DECRYPT",
    `the object's encryption context is not the expected one: it has the names ${JSON.stringify(names.slice(0, 8)).slice(0, 200)}. ` +
      "Pass the same pairs in `context`, or a function that judges them",
  );
}
