/**
 * Key material that is brought along.
 *
 * @module
 */
import type { Bytes } from "@env/core";
import type { KeyRequest } from "./common-shapes.ts";

/** Operations that import key material. */
export interface ImportOperations {
  /** What it takes to wrap key material for importKeyMaterial. */
  getParametersForImport(
    request: GetParametersForImportRequest,
  ): Promise<GetParametersForImportResponse>;

  importKeyMaterial(request: ImportKeyMaterialRequest): Promise<ImportKeyMaterialResponse>;

  /** The key cannot be used until the same material is imported again. */
  deleteImportedKeyMaterial(
    request: DeleteImportedKeyMaterialRequest,
  ): Promise<DeleteImportedKeyMaterialResponse>;
}

export interface GetParametersForImportRequest extends KeyRequest {
  readonly WrappingAlgorithm: string | undefined;
  /** `RSA_2048`, `RSA_3072` or `RSA_4096`. */
  readonly WrappingKeySpec: string | undefined;
}

export interface GetParametersForImportResponse {
  readonly KeyId: string;
  readonly ImportToken: Bytes;
  /** The key to wrap the material with: SubjectPublicKeyInfo in DER. */
  readonly PublicKey: Bytes;
  /** 24 hours from now. */
  readonly ParametersValidTo: Date;
}

export interface ImportKeyMaterialRequest extends KeyRequest {
  readonly ImportToken: Uint8Array | undefined;
  /** Raw for secrets, PKCS #8 in DER for private keys; wrapped as the token says. */
  readonly EncryptedKeyMaterial: Uint8Array | undefined;
  /** Within 365 days. Required where the material expires. */
  readonly ValidTo?: Date | undefined;
  /** Default: `KEY_MATERIAL_EXPIRES`. */
  readonly ExpirationModel?: string | undefined;
  /** The last three only for symmetric keys. Default: new the first time, existing afterwards. */
  readonly ImportType?: string | undefined;
  /** At most 256 characters. Default: as it was. */
  readonly KeyMaterialDescription?: string | undefined;
  /** Which of the existing materials is imported again. */
  readonly KeyMaterialId?: string | undefined;
}

export interface ImportKeyMaterialResponse {
  readonly KeyId: string;
  /** Only for symmetric keys. */
  readonly KeyMaterialId?: string;
}

export interface DeleteImportedKeyMaterialRequest extends KeyRequest {
  /** Default: the current material. */
  readonly KeyMaterialId?: string | undefined;
}

export type DeleteImportedKeyMaterialResponse = ImportKeyMaterialResponse;
