/**
 * Deadlines for drivers: a KMS that never answers must not block its caller indefinitely.
 *
 * @module
 */
import { untilAborted } from "../until-aborted.ts";

export interface DeadlineOptions<T> {
  /** The caller's signal; its reason is thrown unchanged. */
  readonly signal: AbortSignal | undefined;
  /** Milliseconds until the deadline: 1 to 2^31 - 1. */
  readonly timeout: number;
  /**
   * Creates the error that is thrown after the deadline. Called only when needed: creating a stack is
   * expensive.
   */
  readonly late: () => Error;
  /** Receives a result that arrived too late, to wipe the secrets in it. */
  readonly drop?: (result: T) => void;
}

/**
 * Runs `work` and waits until it ends, the caller aborts or the deadline passes, whether or not `work`
 * obeys its signal.
 *
 * @param work - Receives a signal that aborts in either case. Anything it throws after that is ignored:
 * an SDK would turn the abort into its own error.
 * @throws what `work` throws, the reason of `signal`, or the error that `late` creates.
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
