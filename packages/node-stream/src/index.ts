/**
 * Large payloads on Node: streams, files, ranges, in as many threads as there are cores.
 *
 * @module
 */
export { decryptStream, encryptStream } from "./streams.ts";
export type { DecryptStreamOptions, EncryptStreamOptions, StreamOptions } from "./streams.ts";
export { decryptFile, encryptFile, verifyFile } from "./file.ts";
export type {
  DecryptFileOptions,
  EncryptFileOptions,
  EncryptFileResult,
  FileOptions,
  FileResult,
  TargetOptions,
  VerifyFileOptions,
} from "./file.ts";
export { removeTemporaries, writeFileWhole } from "./output.ts";
export type { WriteFileOptions } from "./output.ts";
export type { Progress } from "./transcode.ts";
export { ThreadLost } from "./pool.ts";
export { openEncrypted } from "./seek.ts";
export type {
  EncryptedReader,
  OpenEncryptedOptions,
  RangeStreamOptions,
  ReadOptions,
} from "./seek.ts";
export type { RangeSource } from "./range-source.ts";
export { rewrapFile } from "./rewrap-file.ts";
export type { RewrapFileOptions, RewrapFileResult } from "./rewrap-file.ts";
export { openMessageFile } from "./message-file.ts";
export type { MessageFile, MessageStreamOptions } from "./message-file.ts";
export { recoverFile } from "./recovery.ts";
export type { Recovery } from "./recovery.ts";
