/**
 * Reads the body of a request, and never more of it than is allowed.
 *
 * @module
 */
import type { IncomingMessage } from "node:http";
import { WireError } from "./wire-error.ts";

/**
 * Reads a body.
 *
 * @returns Bytes of the caller's own. Chunks that were joined are wiped.
 * @throws {@link WireError} `RequestEntityTooLargeException`, as soon as the body is longer than `max` bytes or announces that
 * it will be; what the connection fails with.
 */
export function readBody(request: IncomingMessage, max: number): Promise<Buffer> {
  if (announcesMore(request, max)) return Promise.reject(tooLarge(max));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > max) {
        request.pause();
        reject(tooLarge(max));
      } else chunks.push(chunk);
    });
    request.on("end", () => resolve(joined(chunks)));
    request.on("error", reject);
    request.on("close", () => {
      if (!request.complete) reject(new Error("the client has gone"));
    });
  });
}

/** Whether a request says that its body is longer than `max` bytes. */
export function announcesMore({ headers }: IncomingMessage, max: number): boolean {
  return Number(headers["content-length"] ?? 0) > max;
}

function joined(chunks: readonly Buffer[]): Buffer {
  const [only] = chunks;
  if (only !== undefined && chunks.length === 1) return only;
  const body = Buffer.concat(chunks);
  for (const chunk of chunks) chunk.fill(0);
  return body;
}

function tooLarge(max: number): WireError {
  return new WireError(
    "RequestEntityTooLargeException",
    `The body of a request has at most ${max} bytes.`,
    413,
  );
}
