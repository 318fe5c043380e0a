/**
 * Encrypted objects in S3: the data is encrypted under a data key, and the wrapped key is stored with the object.
 *
 * @module
 */
export { encryptedS3 } from "./encrypted-s3.ts";
export type { EncryptedS3 } from "./encrypted-s3.ts";
export type {
  ContextOf,
  CopyInput,
  EncryptedS3Options,
  GetOptions,
  ObjectFacts,
  ObjectRewrapOptions,
  OpenedObject,
  PutOptions,
  PutResult,
  ReencryptInput,
  ReencryptOptions,
} from "./options.ts";
export { reportBucket, rewrapBucket } from "./bucket.ts";
export type {
  BucketFailure,
  BucketInput,
  BucketOptions,
  BucketResult,
  BucketRewrapOptions,
} from "./bucket.ts";
export type { BucketProgress, CmkUse } from "./checkpoint.ts";
export { ownerOfSidecar } from "./layout.ts";
export type { Placement } from "./layout.ts";
export type { ListedObject, ListInput, ListOptions } from "./listing.ts";
export type { CustomerKey, ObjectInput, ObjectName } from "./object-front.ts";
export type { DecryptedObject } from "./opened-object.ts";
export { encryptedS3Plugin } from "./plugin.ts";
export type { EncryptedS3PluginOptions } from "./plugin.ts";
export type { Plaintext, PutInput, SealedObject } from "./sealed-object.ts";
export type { RewrapOptions, RewrapResult } from "./rewrap-object.ts";
export type { Stored, UploadOptions } from "./upload.ts";
