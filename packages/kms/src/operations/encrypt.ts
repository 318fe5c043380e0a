/**
 * Encrypt, Decrypt and ReEncrypt: up to 4096 bytes under a key itself.
 *
 * Symmetric keys give blobs that name their key. What an RSA key encrypts is bare, so to decrypt it the
 * request has to name key and algorithm; there is no encryption context either.
 *
 * @module
 */
import type { Bytes, Context } from "@env/core";
import { invalidCiphertext, type BlobQuestion, type KeyQuestion } from "../access/access.ts";
import { keyArn, keyIdFromBytes, keyIdToBytes } from "../arn.ts";
import { defaultOf } from "../catalogue/actions.ts";
import { describeCiphertextBlob, openBlob, sealBlob } from "../keys/blob.ts";
import * as check from "../requests/check.ts";
import { KmsError } from "../catalogue/errors.ts";
import { currentMaterialId, currentVersion, materialIdOf, versionOf } from "../keys/key.ts";
import type { KeyRecord } from "../store/key-record.ts";
import { keySpecs, type EncryptionAlgorithm } from "../catalogue/key-specs.ts";
import { decryptRsa, encryptRsa, maxRsaPlaintextBytes } from "../material/rsa-encryption.ts";
import type {
  DecryptRequest,
  DecryptResponse,
  EncryptRequest,
  EncryptResponse,
  ReEncryptRequest,
  ReEncryptResponse,
} from "../requests/shapes.ts";
import { operation, type Operation } from "./operation.ts";

const algorithms = [
  defaultOf("Encrypt", "kms:EncryptionAlgorithm"),
  "RSAES_OAEP_SHA_1",
  "RSAES_OAEP_SHA_256",
] as const;

export const encrypt: Operation<EncryptRequest, EncryptResponse> = operation({
  name: "Encrypt",
  parse: (request: EncryptRequest) =>
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
  run: ({ realm }, { plaintext, context, algorithm }, { key }): EncryptResponse => {
    requireAlgorithm(key, algorithm, context);
    return {
      CiphertextBlob: encryptUnder(key, algorithm, plaintext, context),
      KeyId: keyArn(realm, key.keyId),
      EncryptionAlgorithm: algorithm,
    };
  },
  wipe: ({ plaintext }) => plaintext.fill(0),
});

export const decrypt: Operation<DecryptRequest, DecryptResponse> = operation({
  name: "Decrypt",
  parse: (request: DecryptRequest) =>
    check.all({
      keyId: () => check.optionalKeyId(request.KeyId),
      blob: () => check.ciphertextBlob(request.CiphertextBlob),
      context: () => check.encryptionContext(request.EncryptionContext),
      algorithm: () => check.oneOf(request.EncryptionAlgorithm, "encryptionAlgorithm", algorithms),
    }),
  questions: ({ keyId, blob, context, algorithm }) => ({
    key: source("Decrypt", keyId, blob, context, algorithm),
  }),
  run: ({ realm }, { blob, context, algorithm }, { key }): DecryptResponse => {
    requireAlgorithm(key, algorithm, context);
    const { plaintext, materialId } = decryptUnder(key, algorithm, blob, context);
    return {
      Plaintext: plaintext,
      KeyId: keyArn(realm, key.keyId),
      EncryptionAlgorithm: algorithm,
      ...(materialId === undefined ? {} : { KeyMaterialId: materialId }),
    };
  },
});

/** Decrypts and encrypts anew: another key, the key's newest version, another context. */
export const reEncrypt: Operation<ReEncryptRequest, ReEncryptResponse> = operation({
  name: "ReEncrypt",
  parse: (request: ReEncryptRequest) =>
    check.all({
      blob: () => check.ciphertextBlob(request.CiphertextBlob),
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
    }),
  questions: ({ blob, sourceId, destinationId, from, to, fromAlgorithm, toAlgorithm }) => ({
    source: source("ReEncryptFrom", sourceId, blob, from, fromAlgorithm),
    destination: {
      on: "key",
      action: "ReEncryptTo",
      keyId: destinationId,
      encryptionContext: to,
      conditions: { "kms:EncryptionAlgorithm": toAlgorithm },
    } as const,
  }),
  run: ({ realm }, input, keys): ReEncryptResponse => {
    const { blob, from, to, fromAlgorithm, toAlgorithm } = input;
    requireAlgorithm(keys.source, fromAlgorithm, from);
    requireAlgorithm(keys.destination, toAlgorithm, to);
    const opened = decryptUnder(keys.source, fromAlgorithm, blob, from);
    try {
      const symmetric = toAlgorithm === "SYMMETRIC_DEFAULT";
      return {
        CiphertextBlob: encryptUnder(keys.destination, toAlgorithm, opened.plaintext, to),
        SourceKeyId: keyArn(realm, keys.source.keyId),
        KeyId: keyArn(realm, keys.destination.keyId),
        SourceEncryptionAlgorithm: fromAlgorithm,
        DestinationEncryptionAlgorithm: toAlgorithm,
        ...(opened.materialId === undefined ? {} : { SourceKeyMaterialId: opened.materialId }),
        ...(symmetric ? { DestinationKeyMaterialId: currentMaterialId(keys.destination) } : {}),
      };
    } finally {
      opened.plaintext.fill(0);
    }
  },
});

/** The key to decrypt with: that of the blob, or for bare RSA ciphertext the one that is named. */
function source(
  action: "Decrypt" | "ReEncryptFrom",
  keyId: string | undefined,
  blob: Uint8Array,
  encryptionContext: Context,
  algorithm: EncryptionAlgorithm,
): BlobQuestion | KeyQuestion {
  const conditions = { "kms:EncryptionAlgorithm": algorithm };
  if (algorithm === "SYMMETRIC_DEFAULT") {
    return { on: "blob", action, keyId, blob, encryptionContext, conditions };
  }
  const field = action === "Decrypt" ? "keyId" : "sourceKeyId";
  const named = check.requireKeyId(keyId, field);
  return { on: "key", action, keyId: named, encryptionContext, conditions };
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

/** The plaintext of a blob that names this key, and the material that it names. */
function decryptUnder(
  record: KeyRecord,
  algorithm: EncryptionAlgorithm,
  blob: Uint8Array,
  context: Context,
): { readonly plaintext: Bytes; readonly materialId: string | undefined } {
  if (algorithm !== "SYMMETRIC_DEFAULT") {
    const plaintext = decryptRsa(currentVersion(record).key, algorithm, blob);
    if (plaintext === undefined) throw invalidCiphertext();
    return { plaintext, materialId: undefined };
  }
  const facts = describeCiphertextBlob(blob);
  if (facts === undefined) throw invalidCiphertext();
  if (facts.keyId !== keyIdFromBytes(keyIdToBytes(record.keyId))) {
    throw new KmsError(
      "IncorrectKeyException",
      "The key ID in the request does not identify a CMK that can perform this operation.",
    );
  }
  const version = versionOf(record, facts.keyVersion);
  const plaintext = version === undefined ? undefined : openBlob(version, blob, context);
  if (plaintext === undefined) throw invalidCiphertext();
  return { plaintext, materialId: materialIdOf(record, facts.keyVersion) };
}
