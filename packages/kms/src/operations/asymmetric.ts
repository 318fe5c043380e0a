/**
 * GetPublicKey and DeriveSharedSecret: what else asymmetric keys are for. Their private keys sign in
 * sign.ts and decrypt in encrypt.ts.
 *
 * @module
 */
import { keyArn } from "../arn.ts";
import * as check from "../requests/check.ts";
import { KmsError } from "../catalogue/errors.ts";
import { currentVersion } from "../keys/key.ts";
import type { KeyRecord } from "../store/key-record.ts";
import { deriveSharedSecret as derive } from "../material/agreement.ts";
import { keySpecs } from "../catalogue/key-specs.ts";
import { encodePublicKey } from "../material/material.ts";
import type { GetPublicKeyResponse } from "../requests/shapes.ts";
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

export const implementations: Implementations<"GetPublicKey" | "DeriveSharedSecret"> = {
  getPublicKey,
  deriveSharedSecret,
};

function algorithms({ keySpec, keyUsage }: KeyRecord): Partial<GetPublicKeyResponse> {
  const { encryption, signing, agreement } = keySpecs[keySpec];
  if (keyUsage === "ENCRYPT_DECRYPT") return { EncryptionAlgorithms: [...encryption] };
  if (keyUsage === "SIGN_VERIFY") return { SigningAlgorithms: [...signing] };
  return { KeyAgreementAlgorithms: [...agreement] };
}
