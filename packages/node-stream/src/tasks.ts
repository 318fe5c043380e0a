/**
 * The messages between the pool and its threads.
 *
 * @module
 */
import { EnvelopeError, errorCodes, type Bytes, type EnvelopeErrorCode } from "@env/core";
import type { Chunks } from "./spans.ts";

/** A run: whole chunks in a buffer, which moves to the thread; another one returns with the output. */
export interface RunTask extends Chunks {
  readonly kind: "run";
  /** The input, at the front of a buffer that has room for the output of another run like this. */
  readonly input: Bytes;
}

/** A segment: chunks in files, which stay open until the answer. */
export interface SegmentTask extends Chunks {
  readonly kind: "segment";
  /** Bytes to read from `source`. */
  readonly bytes: number;
  readonly source: Place;
  /** Where the output is written; if absent, it is dropped. */
  readonly target: Place | undefined;
}

/** A place in an open file. */
interface Place {
  readonly fd: number;
  readonly position: number;
}

export type Task = RunTask | SegmentTask;

export interface Request {
  readonly id: number;
  readonly task: Task;
}

/** The members of an error. A structured clone of the error would keep neither its class nor its code. */
export interface Failure {
  readonly message: string;
  readonly code: string | undefined;
  readonly errno: number | undefined;
  readonly syscall: string | undefined;
}

/** An answer of a thread. Without an id, it says that the thread is ready. */
export interface Answer {
  readonly id?: number;
  /** A buffer with the output of a run at its front. */
  readonly run?: ArrayBuffer;
  readonly failure?: Failure;
}

/** Turns an error into something that can be sent. */
export function describe(error: unknown): Failure {
  const { message, code, errno, syscall }: NodeJS.ErrnoException =
    error instanceof Error ? error : new Error(String(error));
  return { message, code, errno, syscall };
}

/** Restores an error: an EnvelopeError, or an error of the system with its members. */
export function revive({ message, code, errno, syscall }: Failure): Error {
  if (code !== undefined && isEnvelopeErrorCode(code)) return new EnvelopeError(code, message);
  return Object.assign(new Error(message), { code, errno, syscall });
}

function isEnvelopeErrorCode(code: string): code is EnvelopeErrorCode {
  return Object.hasOwn(errorCodes, code);
}
