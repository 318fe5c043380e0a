/**
 * Objects in the formats of the Amazon S3 Encryption Client: decrypts what its versions, and SES, have written, and
 * writes what they read.
 *
 * @module
 */
export { s3EncryptionClient } from "./client.ts";
export type {
  DecryptedObject,
  GetToFileOptions,
  S3EncryptionClient,
  UnauthenticatedObject,
} from "./client.ts";
export { aesKeyring, kmsKeyring, rsaKeyring } from "./keyrings.ts";
export type { ExpectedContext, RawKeyringOptions, RsaKeyPair, S3Keyring } from "./keyrings.ts";
export type { CommitmentPolicy, S3EncryptionClientOptions } from "./options.ts";
export type { ByteRange } from "./range.ts";
export type { ObjectEncryption, ObjectFacts, ObjectInput, ReadOptions } from "./reading.ts";
export type { RewrapOptions } from "./rewrap.ts";
export type { Body, PutInput, PutOptions } from "./writing.ts";
