/**
 * Requests and responses, named and shaped as in AWS KMS (PascalCase members, as in the SDK's
 * aggregated client), so that one structural client type fits both.
 *
 * Requests allow `undefined` wherever a member may be left out. Response bytes are the caller's own.
 *
 * @module
 */
export type {
  DataKeyPairSpec,
  EncapsulationAlgorithm,
  EncryptionAlgorithm,
  KeyAgreementAlgorithm,
  KeySpec,
  KeyUsage,
  MacAlgorithm,
  SigningAlgorithm,
} from "../catalogue/key-specs.ts";
export type * from "./common-shapes.ts";
export type * from "./custom-key-store-shapes.ts";
export type * from "./encryption-shapes.ts";
export type * from "./import-shapes.ts";
export type * from "./key-shapes.ts";
export type * from "./message-shapes.ts";
export type * from "./permission-shapes.ts";
