/**
 * What the author of an adapter needs: the contract of a driver, and what drivers have in common.
 * Applications need none of it.
 *
 * @module
 */
export type {
  CmkDriver,
  Diagnostics,
  DriverRequest,
  Generated,
  KeyReport,
  ProbedOperation,
  Rewrapped,
  Unwrapped,
  UnwrapRequest,
  Wrapped,
  WrapRequest,
} from "../driver.ts";
export type { KmsContext } from "../context.ts";
export type { KmsFailureCode } from "../error.ts";
export { DATA_KEY_BYTES } from "../data-key.ts";
export { withExactContext } from "../exact-context.ts";
export type { ExactContextCalls } from "../exact-context.ts";
export { keyBlockLimits } from "../key-block.ts";
export { checkOptions } from "../options.ts";
export { adapterOf } from "./adapter.ts";
export type { Adapter, AdapterParts, OpenOptions } from "./adapter.ts";
export {
  codesOf,
  failuresOf,
  hintIfDenied,
  isTlsCode,
  KmsCallError,
  networkCodes,
} from "./call-error.ts";
export type { Failures, KmsCallFacts } from "./call-error.ts";
export { boundedCall, ClientCalls, ownClient, readAnswer, wipePlaintext } from "./calls.ts";
export type { BoundedCall, ClientCallsOptions, OwnClient } from "./calls.ts";
export { withDeadline } from "./deadline.ts";
export type { DeadlineOptions } from "./deadline.ts";
export { doctor } from "./doctor.ts";
export type { Doctor, DoctorCheck, DoctorOptions, DoctorProblem, DoctorReport } from "./doctor.ts";
export { Learnt } from "./learnt.ts";
export type { LearntOptions } from "./learnt.ts";
export { memberOf, membersOf, textMatching } from "./members.ts";
export {
  checkOrigin,
  checkSettings,
  flag,
  list,
  milliseconds,
  misuse,
  oneOf,
  text,
  wholeNumber,
} from "./settings.ts";
export type {
  AnyOptionTable,
  Checked,
  Either,
  Fault,
  SettingRow,
  OptionRule,
  OptionTable,
} from "./settings.ts";
export { isLoopback, isPrivateOrigin, unverifiedTls } from "./transport.ts";
export { decodePart, readOptions, readUri, uriFault } from "./uri.ts";
export type { ParameterKind, UriOptions, UriParts, UriSyntax } from "./uri.ts";
