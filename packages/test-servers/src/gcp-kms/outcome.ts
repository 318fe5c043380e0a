/**
 * The outcome of a call, before either interface encodes it.
 *
 * @module
 */
import type { Message } from "./methods.ts";
import type { GcpStatus } from "./status.ts";

export type Outcome =
  | { readonly kind: "answer"; readonly answer: Message }
  | { readonly kind: "status"; readonly status: GcpStatus; readonly message: string }
  | { readonly kind: "stall" }
  | { readonly kind: "reset" };

/** @param routing - The client's routing header, `x-goog-request-params`. */
export type Dispatch = (method: string, request: Message, routing?: string) => Outcome;
