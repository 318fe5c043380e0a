/**
 * Envelope encryption: data encrypted with a data key, the data key wrapped by customer master keys
 * (CMKs) that never leave their KMS, and the wrapped key stored with the data.
 *
 * @module
 */
export { Envelope } from "./envelope.ts";
export type { EnvelopeOptions } from "./envelope.ts";
export type { EnvelopeForContext } from "./for-context.ts";
export type { DataKeyCacheOptions } from "./cache.ts";
export type { EncryptOptions, EncryptStreamOptions } from "./encrypting.ts";
export { decryptMany } from "./decrypt-many.ts";
export type { DecryptManyOptions, MessageToDecrypt } from "./decrypt-many.ts";
export { fromHeader } from "./decrypting.ts";
export type { DecryptOptions, FromHeader } from "./decrypting.ts";
export type { FieldOptions, Fields, FieldsOptions } from "./fields.ts";
export type { RewrapOptions, RewrapResult } from "./rewrap.ts";
export type { RewrapReport } from "./rewrap-entries.ts";
export { attachKeyBlock, detachKeyBlock, inspect } from "./inspect.ts";
export type { MessageFacts } from "./inspect.ts";
export { decodeText, encodeText } from "./text.ts";
export { openCmk } from "./open-cmk.ts";
export type { CmkOpener, OpenCmkOptions } from "./open-cmk.ts";
export { Cmk } from "./cmk.ts";
export type { CmkCallOptions, CmkOptions } from "./cmk.ts";
export type { GeneratedDataKey, RewrappedEntry, WrappedDataKey } from "./cmk-calls.ts";
export type { Bytes } from "./bytes.ts";
export { encodeAad, encodeContext, encodeEncryptionContext } from "./context.ts";
export type { Aad, Context } from "./context.ts";
export type { Awaitable } from "./awaitable.ts";
export { DataKey } from "./data-key.ts";
export { closest, didYouMean } from "./closest.ts";
export { errorCodes, type ErrorCodeRow } from "./error-codes.ts";
export { EnvelopeError, isEnvelopeError } from "./error.ts";
export type { Attempt, EnvelopeErrorCode, EnvelopeErrorOptions } from "./error.ts";
export type { Entry } from "./key-block.ts";
export type {
  CacheEvent,
  EnvelopeEvent,
  EnvelopeMessageEvent,
  KmsCallEvent,
  Observer,
  Wrapping,
} from "./observer.ts";
