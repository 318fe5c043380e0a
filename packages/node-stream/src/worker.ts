/**
 * A thread of the pool. It seals and opens the runs that it is sent, and segments of files, which it reads
 * and writes itself, so that their bytes never cross threads.
 *
 * An idle thread keeps only three buffers without plaintext: each task brings its keys, as something that the
 * crypto backend recognises, and they are dropped with it.
 *
 * @module
 */
import { parentPort, type MessagePort } from "node:worker_threads";
import type { Bytes } from "@env/core";
import { useCryptoBackend, type CryptoBackend } from "@env/core/crypto";
import { adoptKeys, type PayloadCodec } from "@env/core/message";
import { readFullySync, writeFullySync } from "./file-system.ts";
import { apply, outputLength, stepBytes, steps, uninitialised } from "./spans.ts";
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
    try {
      const run = await perform(task);
      if (run === undefined) port.postMessage({ id } satisfies Answer);
      else port.postMessage({ id, run } satisfies Answer, [run]);
    } catch (error) {
      port.postMessage({ id, failure: describe(error) } satisfies Answer);
    }
  });
  port.postMessage({} satisfies Answer);
}

interface BackendModule {
  readonly default: CryptoBackend;
}

/** The module of the crypto backend that this thread uses. */
let module: string | undefined;

async function perform(task: Task): Promise<ArrayBuffer | undefined> {
  const { keys } = task;
  if (keys.module !== undefined && keys.module !== module) {
    const loaded: BackendModule = await import(keys.module);
    useCryptoBackend(loaded.default);
    module = keys.module;
  }
  const codec = adoptKeys(keys);
  return task.kind === "run" ? applyToRun(codec, task) : applyToSegment(codec, task);
}

/** The input of the run before, which receives the output of the next one. */
let spare: Bytes | undefined;
/** How many bytes at the front of the spare buffer are plaintext. */
let unwiped = 0;

/** Seals or opens a run into the buffer of the run before it, so that none has to be allocated. */
async function applyToRun(codec: PayloadCodec, task: RunTask): Promise<ArrayBuffer> {
  const { operation, input, last } = task;
  const length = outputLength(operation, input.length, last);
  const output = takeSpare(length) ?? new Uint8Array(input.buffer.byteLength);
  try {
    await apply(codec, task, input, output.subarray(0, length));
  } catch (error) {
    output.fill(0);
    throw error;
  } finally {
    wipeSpare();
    spare = new Uint8Array(input.buffer);
    unwiped = operation === "seal" ? input.length : 0;
    // A run that follows at once overwrites the plaintext: to wipe it before would cost a fourth of the time.
    setImmediate(wipeSpare);
  }
  return output.buffer;
}

/** The spare buffer, if it has room for `length` bytes: behind them, it is without plaintext, which the caller would see. */
function takeSpare(length: number): Bytes | undefined {
  if (spare === undefined || spare.length < length) return undefined;
  const taken = spare.fill(0, length, unwiped);
  spare = undefined;
  unwiped = 0;
  return taken;
}

function wipeSpare(): void {
  spare?.fill(0, 0, unwiped);
  unwiped = 0;
}

let plaintext: Bytes | undefined;
let sealed: Bytes | undefined;

async function applyToSegment(codec: PayloadCodec, task: SegmentTask): Promise<undefined> {
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
