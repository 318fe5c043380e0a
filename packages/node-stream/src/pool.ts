/**
 * The threads that seal and open chunks beside the calling one.
 *
 * One pool serves the process. It starts with the first long payload, and its threads keep the process
 * alive only while they work. Each thread has at most two tasks, one in progress and one to do next;
 * further tasks wait in a queue.
 *
 * What must stay true: a task is answered exactly once. If a thread dies, its tasks reject with
 * {@link ThreadLost}, after its last system call; it is replaced if it had become ready.
 *
 * @module
 */
import { availableParallelism } from "node:os";
import { Worker, type Transferable } from "node:worker_threads";
import type { Bytes } from "@env/core";
import { cryptoBackend } from "@env/core/crypto";
import { revive, type Answer, type RunTask, type SegmentTask, type Task } from "./tasks.ts";

/** The part of `Worker` that the pool uses. */
export interface PoolThread {
  postMessage(value: unknown, transfer?: readonly Transferable[]): void;
  on(event: "message", listener: (answer: Answer) => void): unknown;
  on(event: "error" | "messageerror", listener: (error: Error) => void): unknown;
  on(event: "exit", listener: (code: number) => void): unknown;
  terminate(): Promise<number>;
  ref(): void;
  unref(): void;
}

/** A thread died during its task. How much it had written is unknown. */
export class ThreadLost extends Error {
  override readonly name = "ThreadLost";
}

/** One task in progress and one to do next. */
const TASKS_PER_THREAD = 2;

/** The most threads of a pool: more would be limited by memory, not by cores, and each costs some MiB. */
const MOST_THREADS = 8;

let shared: WorkerPool | undefined;

/**
 * The pool of the process; `undefined` on a single core, where the calling thread is as fast alone, and with a
 * crypto backend that works in one thread.
 */
export function sharedPool(): WorkerPool | undefined {
  const cores = availableParallelism();
  if (cores < 2 || cryptoBackend().share === undefined) return undefined;
  shared ??= new WorkerPool(Math.min(cores, MOST_THREADS), startWorker);
  return shared;
}

/** The part of a pool that one message may use. */
export interface PoolShare {
  readonly pool: WorkerPool;
  /** The most tasks that the message may have in the pool at once. */
  readonly tasks: number;
  /** The number of threads for these tasks. */
  readonly threads: number;
}

/**
 * The share of a message whose option `concurrency` has this value; `undefined` if it uses no threads.
 *
 * @throws RangeError if `concurrency` is not an integer of 0 or more.
 */
export function shareOf(
  concurrency: number | undefined,
  pool: WorkerPool | undefined,
): PoolShare | undefined {
  if (concurrency !== undefined && !(Number.isSafeInteger(concurrency) && concurrency >= 0)) {
    throw new RangeError("concurrency must be a number of tasks, 0 or more");
  }
  if (pool === undefined || concurrency === 0) return undefined;
  const most = pool.size * TASKS_PER_THREAD;
  const tasks = Math.min(concurrency ?? most, most);
  return { pool, tasks, threads: Math.ceil(tasks / TASKS_PER_THREAD) };
}

/** Like {@link shareOf}, for a calling thread that works as well: by default, one core is left to it. */
export function shareBeside(
  concurrency: number | undefined,
  pool: WorkerPool | undefined,
): PoolShare | undefined {
  const threads = Math.max(1, (pool?.size ?? 0) - 1);
  return shareOf(concurrency ?? threads * TASKS_PER_THREAD, pool);
}

interface Job {
  readonly task: Task;
  readonly resolve: (output: Bytes | undefined) => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  readonly worker: PoolThread;
  readonly jobs: Map<number, Job>;
  ready: boolean;
  failure: Error | undefined;
}

export class WorkerPool {
  /** The most threads that it starts. */
  readonly size: number;
  readonly #spawn: () => PoolThread;
  readonly #threads = new Set<Thread>();
  readonly #waiting: Job[] = [];
  #starting: Promise<boolean> | undefined;
  #started: ((ready: boolean) => void) | undefined;
  #unavailable = false;
  #lastId = 0;

  constructor(size: number, spawn: () => PoolThread) {
    this.size = size;
    this.#spawn = spawn;
  }

  /** Whether a task would start now, or would wait only for other tasks. */
  get ready(): boolean {
    for (const thread of this.#threads) if (thread.ready) return true;
    return false;
  }

  /** Whether another task would only wait. */
  get busy(): boolean {
    return this.pending >= this.size * TASKS_PER_THREAD;
  }

  /** The number of tasks that are not answered yet. */
  get pending(): number {
    let count = this.#waiting.length;
    for (const { jobs } of this.#threads) count += jobs.size;
    return count;
  }

  /**
   * Starts threads until there are `threads` of them.
   *
   * @returns Resolves with `true` once one is {@link ready}, and with `false` if no thread can be started.
   */
  start(threads: number = this.size): Promise<boolean> {
    const most = Math.min(threads, this.size);
    while (!this.#unavailable && this.#threads.size < most) this.#addThread();
    if (this.ready) return Promise.resolve(true);
    this.#starting ??= new Promise<boolean>((resolve) => {
      this.#started = (ready) => {
        this.#starting = undefined;
        resolve(ready);
      };
    });
    const starting = this.#starting;
    if (this.#unavailable) this.#started?.(false);
    return starting;
  }

  /**
   * Has a thread perform `task`.
   *
   * @param task - The buffer of a run moves to the thread: the caller cannot use it any longer.
   * @returns For a run, a buffer with the output at its front; for a segment, nothing.
   * @throws what the codec and the file system throw; {@link ThreadLost} if the thread died or none is
   * {@link ready}. If it throws, the buffer has been wiped.
   */
  run(task: RunTask): Promise<Bytes>;
  run(task: SegmentTask): Promise<undefined>;
  run(task: Task): Promise<Bytes | undefined> {
    if (!this.ready) {
      if (task.kind === "run") task.input.fill(0);
      return Promise.reject(new ThreadLost("no thread is running"));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ task, resolve, reject });
      this.#assign();
    });
  }

  /** Ends the threads. Tasks in progress reject with {@link ThreadLost}; {@link start} works again afterwards. */
  async close(): Promise<void> {
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()));
  }

  #addThread(): void {
    let worker: PoolThread;
    try {
      worker = this.#spawn();
    } catch {
      this.#unavailable = true; // For example, where the permission model forbids threads.
      return;
    }
    const thread: Thread = { worker, jobs: new Map(), ready: false, failure: undefined };
    this.#threads.add(thread);
    worker.on("message", (answer) => this.#answered(thread, answer));
    worker.on("error", (error) => {
      thread.failure = error;
    });
    worker.on("messageerror", (error) => {
      thread.failure = error;
      void worker.terminate();
    });
    // Before this event, it may still be writing to files.
    worker.on("exit", () => this.#lost(thread));
    worker.unref();
  }

  #answered(thread: Thread, { id, run, failure }: Answer): void {
    if (id === undefined) {
      thread.ready = true;
      this.#started?.(true);
    } else {
      const job = thread.jobs.get(id);
      thread.jobs.delete(id);
      if (thread.jobs.size === 0) thread.worker.unref();
      if (failure === undefined) job?.resolve(run && new Uint8Array(run));
      else job?.reject(revive(failure));
    }
    this.#assign();
  }

  #lost(thread: Thread): void {
    this.#threads.delete(thread);
    const lost = new ThreadLost("a worker thread died", { cause: thread.failure });
    for (const job of thread.jobs.values()) job.reject(lost);
    if (thread.ready) {
      if (thread.failure !== undefined) this.#addThread();
    } else {
      if (thread.failure !== undefined) this.#unavailable = true; // The next one would not start either.
      if (this.#threads.size === 0) this.#started?.(false);
    }
    if (this.ready) return;
    for (const job of this.#waiting.splice(0)) {
      if (job.task.kind === "run") job.task.input.fill(0);
      job.reject(lost);
    }
  }

  #assign(): void {
    for (;;) {
      const thread = this.#idlest();
      if (thread === undefined) return;
      const job = this.#waiting.shift();
      if (job === undefined) return;
      const id = ++this.#lastId;
      if (thread.jobs.size === 0) thread.worker.ref();
      thread.jobs.set(id, job);
      const { task } = job;
      thread.worker.postMessage({ id, task }, task.kind === "run" ? [task.input.buffer] : []);
    }
  }

  #idlest(): Thread | undefined {
    let best: Thread | undefined;
    for (const thread of this.#threads) {
      if (!thread.ready || thread.jobs.size >= TASKS_PER_THREAD) continue;
      if (best === undefined || thread.jobs.size < best.jobs.size) best = thread;
    }
    return best;
  }
}

function startWorker(): PoolThread {
  // When run from source, Node strips the types and needs the condition. The built worker needs neither
  // the condition nor the loaders and inspector flags of the calling process.
  const source = import.meta.url.endsWith(".ts");
  return new Worker(new URL(source ? "./worker.ts" : "./worker.js", import.meta.url), {
    name: "@env/node-stream",
    execArgv: source ? ["--conditions=@env/source"] : [],
    // Chunks die young: with a small nursery, their garbage stays in the cache, and each thread needs
    // 10 MiB less.
    resourceLimits: { maxYoungGenerationSizeMb: 2 },
  });
}
