/** Pools for tests: real threads whose answers can be held back, and threads that fail on demand. */
import { EventEmitter } from "node:events";
import { Worker } from "node:worker_threads";
import { WorkerPool, type PoolThread } from "../../src/pool.ts";
import type { Answer } from "../../src/tasks.ts";

const file = new URL("../../src/worker.ts", import.meta.url);

/** A thread as the pool starts it. */
export function realThread(): Worker {
  return new Worker(file, { execArgv: ["--conditions=@env/source"] });
}

/** A pool of real threads, started. */
export async function startedPool(
  size = 2,
  spawn: () => PoolThread = realThread,
): Promise<WorkerPool> {
  const pool = new WorkerPool(size, spawn);
  if (!(await pool.start())) throw new Error("no thread came up");
  return pool;
}

/** A thread whose answers, but for that it is ready, are `relay`'s to deliver. */
export function relayedThread(relay: (deliver: () => void) => void): PoolThread {
  const worker = realThread();
  const events = new EventEmitter();
  worker.on("message", (answer: Answer) => {
    const deliver = (): void => void events.emit("message", answer);
    if (answer.id === undefined) deliver();
    else relay(deliver);
  });
  for (const event of ["error", "messageerror", "exit"]) {
    worker.on(event, (value: unknown) => events.emit(event, value));
  }
  return {
    postMessage: (value, moved) => worker.postMessage(value, moved),
    on: (event: string, listener: (value: never) => void) =>
      events.on(event, listener as () => void),
    terminate: () => worker.terminate(),
    ref: () => worker.ref(),
    unref: () => worker.unref(),
  };
}

/** A thread whose answers come in an order of `delayMs`'s making, and late. */
export function shuffledThread(delayMs: () => number): PoolThread {
  return relayedThread((deliver) => setTimeout(deliver, delayMs()));
}
