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
export type { EncryptOptions } from "./encrypting.ts";
export type { EncryptStreamOptions } from "./stream.ts";
export { fromHeader } from "./decrypting.ts";
export type { DecryptOptions, FromHeader } from "./decrypting.ts";
export type { FieldOptions, Fields, FieldsOptions } from "./fields.ts";
export type { RewrapOptions, RewrapResult } from "./rewrap.ts";
export type { RewrapReport } from "./cmk-set.ts";
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
export type { Aad, Context, KmsContext } from "./context.ts";
export type { Awaitable } from "./crypto.ts";
export { DataKey } from "./data-key.ts";
export type {
  CmkDriver,
  DriverRequest,
  Generated,
  Rewrapped,
  Unwrapped,
  UnwrapRequest,
  Wrapped,
  WrapRequest,
} from "./driver.ts";
export { closest, didYouMean } from "./closest.ts";
export { withDeadline } from "./deadline.ts";
export type { DeadlineOptions } from "./deadline.ts";
export { Learnt } from "./learnt.ts";
export type { LearntOptions } from "./learnt.ts";
export { checkOptions } from "./options.ts";
export { isLoopback, isPrivateOrigin, unverifiedTls } from "./transport.ts";
export { checkDoctorOptions } from "./doctor.ts";
export type { DoctorCheck, DoctorOptions, DoctorProblem, DoctorReport } from "./doctor.ts";
export { errorCodes, type ErrorCodeRow } from "./error-codes.ts";
export { EnvelopeError, isEnvelopeError } from "./error.ts";
export type { Attempt, EnvelopeErrorCode, EnvelopeErrorOptions, KmsFailureCode } from "./error.ts";
export type { Entry } from "./key-block.ts";
export type {
  CacheEvent,
  EnvelopeEvent,
  EnvelopeMessageEvent,
  KmsCallEvent,
  Observer,
  Wrapping,
} from "./observer.ts";
