/**
 * What the author of an adapter needs: the contract of a driver, and what drivers have in common.
 * Applications need none of it.
 *
 * @module
 */
export type {
  CmkDriver,
  DriverRequest,
  Generated,
  Rewrapped,
  Unwrapped,
  UnwrapRequest,
  Wrapped,
  WrapRequest,
} from "../driver.ts";
export type { KmsContext } from "../context.ts";
export type { KmsFailureCode } from "../error.ts";
export { checkOptions } from "../options.ts";
export { withDeadline } from "./deadline.ts";
export type { DeadlineOptions } from "./deadline.ts";
export { Learnt } from "./learnt.ts";
export type { LearntOptions } from "./learnt.ts";
export { isLoopback, isPrivateOrigin, unverifiedTls } from "./transport.ts";
export { checkDoctorOptions } from "./doctor.ts";
export type { DoctorCheck, DoctorOptions, DoctorProblem, DoctorReport } from "./doctor.ts";
