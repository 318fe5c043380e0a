/**
 * GetPublicKey, DeriveSharedSecret, Encapsulate and Decapsulate: what else asymmetric keys are for. Their private
 * keys sign in sign.ts and decrypt in encrypt.ts.
 *
 * @module
 */
import { keyArn } from "../arn.ts";
import * as check from "../requests/check.ts";
import { KmsError } from "../catalogue/errors.ts";
import { currentVersion } from "../keys/key.ts";
import { deriveSharedSecret as derive } from "../material/agreement.ts";
import { decapsulateSecret, encapsulateSecret } from "../material/encapsulation.ts";
import { encodePublicKey } from "../material/material.ts";
import type { EncapsulateRequest } from "../requests/shapes.ts";
import { algorithms } from "./key-metadata.ts";
import { onKey, operation, type Implementations } from "./operation.ts";

const getPublicKey = operation("GetPublicKey", {
  ...onKey("GetPublicKey"),
  run: ({ realm }, _, { key }) => {
    const { keyId, keySpec, keyUsage } = key;
    return {
      KeyId: keyArn(realm, keyId),
      PublicKey: encodePublicKey(currentVersion(key).key),
      CustomerMasterKeySpec: keySpec,
      KeySpec: keySpec,
      KeyUsage: keyUsage,
      ...algorithms(key),
    };
  },
});

const agreements = ["ECDH"] as const;

const deriveSharedSecret = operation("DeriveSharedSecret", {
  parse: (request) =>
    check.all({
      keyId: () => check.requireKeyId(request.KeyId),
      algorithm: () =>
        check.requireOneOf(request.KeyAgreementAlgorithm, "keyAgreementAlgorithm", agreements),
      publicKey: () => check.bytes(request.PublicKey, "publicKey", 8192),
    }),
  questions: ({ keyId, algorithm }) => ({
    key: {
      on: "key",
      action: "DeriveSharedSecret",
      keyId,
      conditions: { "kms:KeyAgreementAlgorithm": algorithm },
    } as const,
  }),
  run: ({ realm }, { algorithm, publicKey }, { key }) => {
    const { keyId, keySpec, origin } = key;
    const SharedSecret = derive(currentVersion(key).key, keySpec, publicKey);
    if (SharedSecret === undefined) {
      throw new KmsError(
        "ValidationException",
        `PublicKey must be a DER-encoded public key of key spec ${keySpec}.`,
      );
    }
    return {
      KeyId: keyArn(realm, keyId),
      SharedSecret,
      KeyAgreementAlgorithm: algorithm,
      KeyOrigin: origin,
    };
  },
});

const encapsulations = ["ML_KEM"] as const;

const encapsulate = operation("Encapsulate", {
  parse: (request) => check.all(checks(request)),
  questions: ({ keyId }) => ({ key: { on: "key", action: "Encapsulate", keyId } as const }),
  run: ({ realm }, { algorithm }, { key }) => {
    const { secret, ciphertext } = encapsulateSecret(currentVersion(key).key);
    return {
      KeyId: keyArn(realm, key.keyId),
      SharedSecret: secret,
      SharedSecretCiphertextBlob: ciphertext,
      EncapsulationAlgorithm: algorithm,
    };
  },
});

const decapsulate = operation("Decapsulate", {
  parse: (request) =>
    check.all({
      ...checks(request),
      ciphertext: () =>
        check.bytes(request.SharedSecretCiphertextBlob, "sharedSecretCiphertextBlob", 6144),
    }),
  questions: ({ keyId }) => ({ key: { on: "key", action: "Decapsulate", keyId } as const }),
  run: ({ realm }, { algorithm, ciphertext }, { key }) => {
    const { keyId, keySpec } = key;
    const SharedSecret = decapsulateSecret(currentVersion(key).key, keySpec, ciphertext);
    if (SharedSecret === undefined) {
      throw new KmsError(
        "InvalidCiphertextException",
        `SharedSecretCiphertextBlob is invalid length for key spec ${keySpec}.`,
      );
    }
    return { KeyId: keyArn(realm, keyId), SharedSecret, EncapsulationAlgorithm: algorithm };
  },
});

export const implementations: Implementations<
  "GetPublicKey" | "DeriveSharedSecret" | "Encapsulate" | "Decapsulate"
> = { getPublicKey, deriveSharedSecret, encapsulate, decapsulate };

function checks(request: EncapsulateRequest): {
  readonly keyId: () => string;
  readonly algorithm: () => (typeof encapsulations)[number];
} {
  return {
    keyId: () => check.requireKeyId(request.KeyId),
    algorithm: () =>
      check.requireOneOf(request.EncapsulationAlgorithm, "encapsulationAlgorithm", encapsulations),
  };
}
