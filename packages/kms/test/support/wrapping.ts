/** Wraps key material as its owner does before it is imported. */
import {
  constants,
  createCipheriv,
  createPublicKey,
  publicEncrypt,
  randomBytes,
} from "node:crypto";
import type { KmsClient } from "../../src/index.ts";
import type { WrappingAlgorithm } from "../../src/material/unwrap.ts";
import type {
  ImportKeyMaterialRequest,
  ImportKeyMaterialResponse,
} from "../../src/requests/shapes.ts";

/** @param publicKey - SubjectPublicKeyInfo in DER. */
export function wrapMaterial(
  publicKey: Uint8Array,
  algorithm: WrappingAlgorithm,
  material: Uint8Array,
  kek: Uint8Array = randomBytes(32),
): Uint8Array {
  const scheme = {
    key: createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" }),
    padding: constants.RSA_PKCS1_OAEP_PADDING,
    oaepHash: algorithm.endsWith("SHA_1") ? "sha1" : "sha256",
  };
  if (!algorithm.startsWith("RSA_AES")) return publicEncrypt(scheme, material);
  const cipher = createCipheriv(
    `id-aes${kek.length * 8}-wrap-pad`,
    kek,
    Buffer.from("a65959a6", "hex"),
  );
  return Buffer.concat([publicEncrypt(scheme, kek), cipher.update(material), cipher.final()]);
}

/** Wraps and imports, never to expire unless `members` say so. */
export async function importInto(
  client: KmsClient,
  KeyId: string,
  material: Uint8Array,
  members: Partial<ImportKeyMaterialRequest> = {},
  WrappingAlgorithm: WrappingAlgorithm = "RSA_AES_KEY_WRAP_SHA_256",
): Promise<ImportKeyMaterialResponse> {
  const WrappingKeySpec = "RSA_2048";
  const parameters = { KeyId, WrappingAlgorithm, WrappingKeySpec };
  const { ImportToken, PublicKey } = await client.getParametersForImport(parameters);
  return client.importKeyMaterial({
    KeyId,
    ImportToken,
    EncryptedKeyMaterial: wrapMaterial(PublicKey, WrappingAlgorithm, material),
    ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE",
    ...members,
  });
}
