/**
 * Waiting with an end, for drivers: a KMS that is silent must not hold its caller for ever.
 *
 * @module
 */
import { untilAborted } from "./until-aborted.ts";

export interface DeadlineOptions<T> {
  /** Of the caller; its reason is thrown as it is. */
  readonly signal: AbortSignal | undefined;
  /** Milliseconds until the deadline: 1 to 2^31 - 1. */
  readonly timeout: number;
  /** Makes what is thrown past it. Called then only: an error costs its stack. */
  readonly late: () => Error;
  /** Gets a result that came too late, to wipe what is secret in it. */
  readonly drop?: (result: T) => void;
}

/**
 * Runs `work` until it ends, the caller aborts or the deadline is past, and waits no longer than that,
 * whether or not `work` heeds its signal.
 *
 * @param work - Gets a signal that aborts with either. What it throws after that is not told: an SDK would
 * make an error of its own of an abort.
 * @throws what `work` throws, the reason of `signal`, or what `late` makes.
 */
export async function withDeadline<T>(
  work: (ending: AbortSignal) => Promise<T>,
  { signal, timeout, late, drop }: DeadlineOptions<T>,
): Promise<T> {
  const controller = new AbortController();
  const leave = (): void => controller.abort(signal?.reason);
  const deadline = setTimeout(() => controller.abort(late()), timeout);
  signal?.addEventListener("abort", leave, { once: true });
  if (signal?.aborted === true) leave();
  try {
    return await untilAborted(work(controller.signal), controller.signal, drop);
  } catch (error) {
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    clearTimeout(deadline);
    signal?.removeEventListener("abort", leave);
  }
}
