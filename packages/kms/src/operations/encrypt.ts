/**
 * Encrypt, Decrypt and ReEncrypt: up to 4096 bytes under a key itself.
 *
 * Symmetric keys give blobs that name their key. What an RSA key encrypts is bare, so to decrypt it the
 * request has to name key and algorithm; there is no encryption context either.
 *
 * @module
 */
import type { Bytes, Context } from "@env/core";
import { invalidCiphertext } from "../access/access.ts";
import type { BlobQuestion, KeyQuestion } from "../access/question.ts";
import { keyArn, uuidOf } from "../arn.ts";
import { defaultOf } from "../catalogue/actions.ts";
import { openBlob, readBlob, sealBlob, type ReadBlob } from "../keys/blob.ts";
import * as check from "../requests/check.ts";
import type { DecryptRequest, ReEncryptRequest } from "../requests/shapes.ts";
import { KmsError } from "../catalogue/errors.ts";
import { currentMaterialId, currentVersion, materialIdOf, versionOf } from "../keys/key.ts";
import type { KeyRecord } from "../store/key-record.ts";
import { keySpecs, type EncryptionAlgorithm } from "../catalogue/key-specs.ts";
import { decryptRsa, encryptRsa, maxRsaPlaintextBytes } from "../material/rsa-encryption.ts";
import { operation, type Implementations } from "./operation.ts";

const algorithms = [
  defaultOf("Encrypt", "kms:EncryptionAlgorithm"),
  "RSAES_OAEP_SHA_1",
  "RSAES_OAEP_SHA_256",
] as const;

const encrypt = operation("Encrypt", {
  parse: (request) =>
    check.all({
      keyId: () => check.requireKeyId(request.KeyId),
      context: () => check.encryptionContext(request.EncryptionContext),
      algorithm: () => check.oneOf(request.EncryptionAlgorithm, "encryptionAlgorithm", algorithms),
      plaintext: () => check.plaintext(request.Plaintext),
    }),
  questions: ({ keyId, context, algorithm }) => ({
    key: {
      on: "key",
      action: "Encrypt",
      keyId,
      encryptionContext: context,
      conditions: { "kms:EncryptionAlgorithm": algorithm },
    } as const,
  }),
  run: ({ realm }, { plaintext, context, algorithm }, { key }) => {
    requireAlgorithm(key, algorithm, context);
    return {
      CiphertextBlob: encryptUnder(key, algorithm, plaintext, context),
      KeyId: keyArn(realm, key.keyId),
      EncryptionAlgorithm: algorithm,
    };
  },
  wipe: ({ plaintext }) => plaintext.fill(0),
});

const decrypt = operation("Decrypt", {
  parse: (request) => {
    const { bytes, algorithm, ...rest } = check.all({
      keyId: () => check.optionalKeyId(request.KeyId),
      bytes: () => ciphertextOf(request),
      context: () => check.encryptionContext(request.EncryptionContext),
      algorithm: () => check.oneOf(request.EncryptionAlgorithm, "encryptionAlgorithm", algorithms),
    });
    return { ...rest, ciphertext: toCiphertext(bytes, algorithm) };
  },
  questions: ({ keyId, ciphertext, context }) => ({
    key: source("Decrypt", keyId, ciphertext, context),
  }),
  run: ({ realm }, { ciphertext, context }, { key }) => {
    const { algorithm } = ciphertext;
    requireAlgorithm(key, algorithm, context);
    const { plaintext, materialId } = decryptUnder(key, ciphertext, context);
    return {
      Plaintext: plaintext,
      KeyId: keyArn(realm, key.keyId),
      EncryptionAlgorithm: algorithm,
      ...(materialId === undefined ? {} : { KeyMaterialId: materialId }),
    };
  },
});

/** Decrypts and encrypts anew: another key, the key's newest version, another context. */
const reEncrypt = operation("ReEncrypt", {
  parse: (request) => {
    const { bytes, fromAlgorithm, ...rest } = check.all({
      bytes: () => ciphertextOf(request),
      sourceId: () => check.optionalKeyId(request.SourceKeyId, "sourceKeyId"),
      destinationId: () => check.requireKeyId(request.DestinationKeyId, "destinationKeyId"),
      from: () => check.encryptionContext(request.SourceEncryptionContext),
      to: () => check.encryptionContext(request.DestinationEncryptionContext),
      fromAlgorithm: () =>
        check.oneOf(request.SourceEncryptionAlgorithm, "sourceEncryptionAlgorithm", algorithms),
      toAlgorithm: () =>
        check.oneOf(
          request.DestinationEncryptionAlgorithm,
          "destinationEncryptionAlgorithm",
          algorithms,
        ),
    });
    return { ...rest, ciphertext: toCiphertext(bytes, fromAlgorithm) };
  },
  questions: ({ ciphertext, sourceId, destinationId, from, to, toAlgorithm }) => ({
    source: source("ReEncryptFrom", sourceId, ciphertext, from),
    destination: {
      on: "key",
      action: "ReEncryptTo",
      keyId: destinationId,
      encryptionContext: to,
      conditions: { "kms:EncryptionAlgorithm": toAlgorithm },
    } as const,
  }),
  run: ({ realm }, input, keys) => {
    const { ciphertext, from, to, toAlgorithm } = input;
    requireAlgorithm(keys.source, ciphertext.algorithm, from);
    requireAlgorithm(keys.destination, toAlgorithm, to);
    const opened = decryptUnder(keys.source, ciphertext, from);
    try {
      const symmetric = toAlgorithm === "SYMMETRIC_DEFAULT";
      return {
        CiphertextBlob: encryptUnder(keys.destination, toAlgorithm, opened.plaintext, to),
        SourceKeyId: keyArn(realm, keys.source.keyId),
        KeyId: keyArn(realm, keys.destination.keyId),
        SourceEncryptionAlgorithm: ciphertext.algorithm,
        DestinationEncryptionAlgorithm: toAlgorithm,
        ...(opened.materialId === undefined ? {} : { SourceKeyMaterialId: opened.materialId }),
        ...(symmetric ? { DestinationKeyMaterialId: currentMaterialId(keys.destination) } : {}),
      };
    } finally {
      opened.plaintext.fill(0);
    }
  },
});

export const implementations: Implementations<"Encrypt" | "Decrypt" | "ReEncrypt"> = {
  encrypt,
  decrypt,
  reEncrypt,
};

/**
 * What is to be decrypted: a blob of ours, which is taken apart once, the bare bytes of RSA, or in a dry run that does not
 * look at it, nothing.
 */
type Ciphertext =
  | { readonly algorithm: "SYMMETRIC_DEFAULT"; readonly blob: ReadBlob | undefined }
  | {
      readonly algorithm: Exclude<EncryptionAlgorithm, "SYMMETRIC_DEFAULT">;
      readonly bytes: Uint8Array;
    }
  | { readonly algorithm: EncryptionAlgorithm; readonly ignored: true };

/** `undefined`: a dry run that does not look at it. */
function ciphertextOf(request: DecryptRequest | ReEncryptRequest): Bytes | undefined {
  return check.ignoresCiphertext(request)
    ? undefined
    : check.ciphertextBlob(request.CiphertextBlob);
}

function toCiphertext(bytes: Bytes | undefined, algorithm: EncryptionAlgorithm): Ciphertext {
  if (bytes === undefined) return { algorithm, ignored: true };
  return algorithm === "SYMMETRIC_DEFAULT"
    ? { algorithm, blob: readBlob(bytes) }
    : { algorithm, bytes };
}

/** The key to decrypt with: that of the blob, or where the ciphertext does not tell, the one that is named. */
function source(
  action: "Decrypt" | "ReEncryptFrom",
  keyId: string | undefined,
  ciphertext: Ciphertext,
  encryptionContext: Context,
): BlobQuestion | KeyQuestion {
  const { algorithm } = ciphertext;
  const conditions = { "kms:EncryptionAlgorithm": algorithm };
  if ("blob" in ciphertext) {
    const named = ciphertext.blob?.keyId;
    return { on: "blob", action, keyId, named, encryptionContext, conditions };
  }
  const field = action === "Decrypt" ? "keyId" : "sourceKeyId";
  return {
    on: "key",
    action,
    keyId: check.requireKeyId(keyId, field),
    encryptionContext,
    conditions,
  };
}

function requireAlgorithm(
  { keySpec }: KeyRecord,
  algorithm: EncryptionAlgorithm,
  context: Context,
): void {
  if (!keySpecs[keySpec].encryption.includes(algorithm)) {
    throw new KmsError(
      "InvalidKeyUsageException",
      `Algorithm ${algorithm} is incompatible with key spec ${keySpec}.`,
    );
  }
  if (algorithm !== "SYMMETRIC_DEFAULT" && Object.keys(context).length > 0) {
    throw new KmsError(
      "ValidationException",
      `Algorithm ${algorithm} takes no encryption context.`,
    );
  }
}

function encryptUnder(
  record: KeyRecord,
  algorithm: EncryptionAlgorithm,
  plaintext: Uint8Array,
  context: Context,
): Bytes {
  const version = currentVersion(record);
  if (algorithm === "SYMMETRIC_DEFAULT") return sealBlob(version, plaintext, context);
  const { keySpec } = record;
  const most = maxRsaPlaintextBytes(keySpec, algorithm);
  if (plaintext.length > most) {
    throw new KmsError(
      "ValidationException",
      `Algorithm ${algorithm} and key spec ${keySpec} cannot encrypt data larger than ${most} bytes.`,
    );
  }
  return encryptRsa(version.key, algorithm, plaintext);
}

/** The plaintext, and the material that a blob names. The blob has to name this key. */
function decryptUnder(
  record: KeyRecord,
  ciphertext: Ciphertext,
  context: Context,
): { readonly plaintext: Bytes; readonly materialId: string | undefined } {
  // A dry run, whose answer is given to nobody.
  if ("ignored" in ciphertext) return { plaintext: new Uint8Array(1), materialId: undefined };
  if ("bytes" in ciphertext) {
    const { algorithm, bytes } = ciphertext;
    const plaintext = decryptRsa(currentVersion(record).key, algorithm, bytes);
    if (plaintext === undefined) throw invalidCiphertext();
    return { plaintext, materialId: undefined };
  }
  const { blob } = ciphertext;
  if (blob === undefined) throw invalidCiphertext();
  if (blob.keyId !== uuidOf(record.keyId)) {
    throw new KmsError(
      "IncorrectKeyException",
      "The key ID in the request does not identify a CMK that can perform this operation.",
    );
  }
  const version = versionOf(record, blob.keyVersion);
  const plaintext = version === undefined ? undefined : openBlob(version, blob, context);
  if (plaintext === undefined) throw invalidCiphertext();
  return { plaintext, materialId: materialIdOf(record, blob.keyVersion) };
}
