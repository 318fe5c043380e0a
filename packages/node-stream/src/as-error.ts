/** Returns what a stream is destroyed with: Node takes only an `Error`, and a signal can have any reason. */
export function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error("the stream was aborted", { cause: reason });
}
