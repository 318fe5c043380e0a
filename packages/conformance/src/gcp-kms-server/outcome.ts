/**
 * What becomes of a call, before either interface puts it into its form.
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

/** @param routing - Where to look for the key, as the client says. */
export type Dispatch = (method: string, request: Message, routing?: string) => Outcome;
