/**
 * What is said between the pool and its threads.
 *
 * @module
 */
import { EnvelopeError, errorCodes, type Bytes, type EnvelopeErrorCode } from "@env/core";
import type { Chunks } from "./segments.ts";

/** Whole chunks in a slot of the pool, which moves to the thread and comes back with the output. */
export interface RunTask extends Chunks {
  readonly kind: "run";
  /** The front of the slot. */
  readonly input: Bytes;
}

/** Chunks in files, which stay open until the answer. */
export interface SegmentTask extends Chunks {
  readonly kind: "segment";
  /** Bytes to read from `source`. */
  readonly bytes: number;
  readonly source: Place;
  /** Absent: what was opened is dropped. */
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

/** An error, taken apart: a clone would keep neither its class nor its code. */
export interface Failure {
  readonly message: string;
  readonly code: string | undefined;
  readonly errno: number | undefined;
  readonly syscall: string | undefined;
}

/** What a thread says. Without an id: that it is ready. */
export interface Answer {
  readonly id?: number;
  /** The slot a run came in, with what was made of it at the front. */
  readonly slot?: ArrayBuffer;
  readonly failure?: Failure;
}

/** Takes an error apart. */
export function describe(error: unknown): Failure {
  const { message, code, errno, syscall }: NodeJS.ErrnoException =
    error instanceof Error ? error : new Error(String(error));
  return { message, code, errno, syscall };
}

/** Puts an error together again: an EnvelopeError, or the system's with its members. */
export function revive({ message, code, errno, syscall }: Failure): Error {
  if (code !== undefined && isEnvelopeErrorCode(code)) return new EnvelopeError(code, message);
  return Object.assign(new Error(message), { code, errno, syscall });
}

/** For a source that ends before its time. */
export function endedEarly(): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_TRUNCATED", "the source became shorter while it was read");
}

function isEnvelopeErrorCode(code: string): code is EnvelopeErrorCode {
  return Object.hasOwn(errorCodes, code);
}
