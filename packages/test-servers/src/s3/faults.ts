/**
 * What may go wrong between a client and S3. A test's hook sees each request and may answer with one of these.
 *
 * @module
 */
import type { S3ErrorCode } from "./error.ts";
import type { S3Operation } from "./operations.ts";

export type S3Fault =
  /** Answers with an error. */
  | {
      readonly kind: "answer";
      readonly code: S3ErrorCode;
      /** `handled`: what the request asks for is done all the same. Default: `arrived`. */
      readonly at?: "arrived" | "handled";
      /** 200 is what S3 begins a copy with that fails later. Default: the status of the code. */
      readonly status?: number;
    }
  /** Resets the connection. */
  | ({ readonly kind: "reset" } & Moment)
  /** Neither reads nor writes from then on, and keeps the connection open. */
  | ({ readonly kind: "hang" } & Moment);

/**
 * `arrived`: nothing of the body is read. `receiving`: after so many bytes of the request's body, of which nothing is
 * kept. `handled`: what the request asks for is done, and the answer is not sent. `sending`: after so many bytes of
 * the answer's body.
 */
export type Moment =
  | { readonly at: "arrived" | "handled" }
  | { readonly at: "receiving" | "sending"; readonly bytes: number };

/** A request, for hooks and for tests to count. */
export interface S3Request {
  /** `undefined` if it is not served here. */
  readonly operation: S3Operation | undefined;
  readonly method: string;
  readonly bucket: string;
  readonly key: string;
  readonly query: Readonly<Record<string, string>>;
  /** The `range` header. */
  readonly range: string | undefined;
  /** Headers by lower-case name, as they arrived. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes of the body that have arrived so far, with its framing. */
  readonly received: number;
  /** The answer's status; `undefined` before there is one, or where it is never sent. */
  readonly status: number | undefined;
  /** Bytes of the answer's body that were handed to the connection. */
  readonly sent: number;
}

/** Sees a request before it is handled. May change what is stored, and may wait. */
export type S3Hook = (
  request: S3Request,
) => S3Fault | undefined | void | Promise<S3Fault | undefined | void>;
