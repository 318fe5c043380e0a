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
export type { ObjectInput } from "../object-front.ts";
export type { ObjectEncryption, ObjectFacts, ReadOptions } from "./reading.ts";
export type { RewrapOptions } from "./rewrap.ts";
export type { Plaintext, PutInput } from "../sealed-object.ts";
export type { Stored, UploadOptions } from "../upload.ts";
export type { PutOptions } from "./writing.ts";
