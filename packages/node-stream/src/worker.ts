/**
 * A thread of the pool. It seals and opens the runs that it is sent, and segments of files, which it reads
 * and writes itself, so that their bytes never cross threads.
 *
 * From one task to the next it keeps only two wiped buffers: each task brings its keys, as KeyObjects,
 * and they are dropped with it.
 *
 * @module
 */
import { parentPort, type MessagePort } from "node:worker_threads";
import type { Bytes } from "@env/core";
import { CHUNK_BYTES, PayloadCodec, SEALED_CHUNK_BYTES } from "@env/core/message";
import { readFullySync, writeFullySync } from "./file-system.ts";
import { apply, inputChunkBytes, stepBytes, steps, uninitialised } from "./spans.ts";
import {
  describe,
  type Answer,
  type Request,
  type RunTask,
  type SegmentTask,
  type Task,
} from "./tasks.ts";

if (parentPort === null)
  throw new Error("worker.js runs as a thread of the pool and cannot be imported");
serve(parentPort);

function serve(port: MessagePort): void {
  port.on("message", async ({ id, task }: Request) => {
    const output = task.kind === "run" ? { run: task.input.buffer } : {};
    const moved = Object.values(output);
    try {
      await perform(task);
      port.postMessage({ id, ...output } satisfies Answer, moved);
    } catch (error) {
      port.postMessage({ id, ...output, failure: describe(error) } satisfies Answer, moved);
    }
  });
  port.postMessage({} satisfies Answer);
}

async function perform(task: Task): Promise<void> {
  const codec = new PayloadCodec(task.keys);
  await (task.kind === "run" ? run(codec, task) : segment(codec, task));
}

/**
 * Seals or opens a run in place: its buffer stays in the cache, and no other memory is needed. A sealed
 * chunk overlaps the plaintext of the next one, so sealing goes from the last chunk to the first.
 */
async function run(codec: PayloadCodec, { operation, index, input }: RunTask): Promise<void> {
  const size = inputChunkBytes(operation);
  const count = input.length / size;
  const { buffer } = input;
  for (let i = 0; i < count; i++) {
    const k = operation === "seal" ? count - 1 - i : i;
    const chunk = input.subarray(k * size, (k + 1) * size);
    const done =
      operation === "seal"
        ? codec.sealChunk(
            index + k,
            chunk,
            new Uint8Array(buffer, k * SEALED_CHUNK_BYTES, SEALED_CHUNK_BYTES),
          )
        : codec.openChunk(index + k, chunk, new Uint8Array(buffer, k * CHUNK_BYTES, CHUNK_BYTES));
    if (done instanceof Promise) await done;
  }
}

let plaintext: Bytes | undefined;
let sealed: Bytes | undefined;

async function segment(codec: PayloadCodec, task: SegmentTask): Promise<void> {
  const { operation, bytes, source, target } = task;
  plaintext ??= uninitialised(stepBytes.plaintext);
  sealed ??= uninitialised(stepBytes.sealed);
  const [from, to] = operation === "seal" ? [plaintext, sealed] : [sealed, plaintext];
  try {
    for (const { index, last, inputAt, inputBytes, outputAt, outputBytes } of steps(task, bytes)) {
      const input = from.subarray(0, inputBytes);
      const output = to.subarray(0, outputBytes);
      readFullySync(source.fd, input, source.position + inputAt);
      await apply(codec, { operation, index, last }, input, output);
      if (target !== undefined) writeFullySync(target.fd, output, target.position + outputAt);
    }
  } finally {
    plaintext.fill(0);
  }
}
