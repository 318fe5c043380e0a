/**
 * The threads that seal and open chunks beside the calling one.
 *
 * One pool serves the process. It starts when the first long payload comes, and its threads do not
 * keep the process alive but while they work. Each has at most two tasks, one to do next, and further
 * tasks wait in line.
 *
 * What must stay true: a task is answered exactly once. A thread that dies rejects what it had with
 * {@link ThreadLost}, after its last system call, and is replaced where it had ever worked.
 *
 * @module
 */
import { availableParallelism } from "node:os";
import { Worker, type Transferable } from "node:worker_threads";
import type { Bytes } from "@env/core";
import { SEALED_CHUNK_BYTES } from "@env/core/message";
import { revive, type Answer, type RunTask, type SegmentTask, type Task } from "./tasks.ts";

/** What of a `Worker` the pool uses. */
export interface PoolThread {
  postMessage(value: unknown, transfer?: readonly Transferable[]): void;
  on(event: "message", listener: (answer: Answer) => void): unknown;
  on(event: "error" | "messageerror", listener: (error: Error) => void): unknown;
  on(event: "exit", listener: (code: number) => void): unknown;
  terminate(): Promise<number>;
  ref(): void;
  unref(): void;
}

/** A thread died under its task. What it had written by then is unknown. */
export class ThreadLost extends Error {
  override readonly name = "ThreadLost";
}

/** One to do and one to do next. */
const TASKS_PER_THREAD = 2;

/** More would be bound by memory, not by cores, and each costs some MiB. */
const MOST_THREADS = 8;

let shared: WorkerPool | undefined;

/** The process's pool, `undefined` where there is one core: then the calling thread does as well alone. */
export function sharedPool(): WorkerPool | undefined {
  const cores = availableParallelism();
  if (cores < 2) return undefined;
  shared ??= new WorkerPool(Math.min(cores, MOST_THREADS), startWorker);
  return shared;
}

/** What one message may use of a pool. */
export interface PoolShare {
  readonly pool: WorkerPool;
  /** Most tasks it may have there at once. */
  readonly tasks: number;
  /** How many threads that takes. */
  readonly threads: number;
}

/**
 * The share of a message that was given `concurrency`, `undefined` where it gets none.
 *
 * @throws RangeError for anything but a number of tasks.
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

/** {@link shareOf} for a calling thread that works as well: by default, one core is left to that. */
export function shareBeside(
  concurrency: number | undefined,
  pool: WorkerPool | undefined,
): PoolShare | undefined {
  const threads = Math.max(1, (pool?.size ?? 0) - 1);
  return shareOf(concurrency ?? threads * TASKS_PER_THREAD, pool);
}

interface Job {
  readonly task: Task;
  readonly resolve: (slot: Bytes | undefined) => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  readonly worker: PoolThread;
  readonly jobs: Map<number, Job>;
  ready: boolean;
  failure: Error | undefined;
}

/** Chunks that are sent to a thread at a time, at most: 1 MiB of plaintext. */
export const RUN_CHUNKS = 64;

export class WorkerPool {
  /** Most threads it has. */
  readonly size: number;
  /** For runs. */
  readonly slots: Slots;
  readonly #spawn: () => PoolThread;
  readonly #threads = new Set<Thread>();
  readonly #waiting: Job[] = [];
  #starting: Promise<boolean> | undefined;
  #started: ((ready: boolean) => void) | undefined;
  #unavailable = false;
  #lastId = 0;

  constructor(size: number, spawn: () => PoolThread) {
    this.size = size;
    this.slots = new Slots(size * TASKS_PER_THREAD);
    this.#spawn = spawn;
  }

  /** Whether a task given now is begun at once, or waits for others only. */
  get ready(): boolean {
    for (const thread of this.#threads) if (thread.ready) return true;
    return false;
  }

  /** Tasks given and not answered. */
  get pending(): number {
    let count = this.#waiting.length;
    for (const { jobs } of this.#threads) count += jobs.size;
    return count;
  }

  /**
   * Starts threads until there are `threads`, and resolves once one is {@link ready}; `false` where none
   * can be had.
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
   * Has a thread do `task`.
   *
   * @param task - The input of a run is the front of a borrowed slot, which is not to be used again.
   * @returns For a run, a borrowed slot with the output at its front; nothing for a segment.
   * @throws what the codec and the file system throw; {@link ThreadLost} where the thread died, or
   * none is {@link ready}. The slot went back then.
   */
  run(task: RunTask): Promise<Bytes>;
  run(task: SegmentTask): Promise<undefined>;
  run(task: Task): Promise<Bytes | undefined> {
    if (!this.ready) {
      if (task.kind === "run") this.slots.giveBack(task.input);
      return Promise.reject(new ThreadLost("no thread is running"));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ task, resolve, reject });
      this.#assign();
    });
  }

  /** Ends the threads. Tasks under way reject with {@link ThreadLost}; a later start begins anew. */
  async close(): Promise<void> {
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()));
  }

  #addThread(): void {
    let worker: PoolThread;
    try {
      worker = this.#spawn();
    } catch {
      this.#unavailable = true; // As under a permission model without threads.
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
    // Only then has it surely stopped writing to files.
    worker.on("exit", () => this.#lost(thread));
    worker.unref();
  }

  #answered(thread: Thread, { id, slot, failure }: Answer): void {
    if (id === undefined) {
      thread.ready = true;
      this.#started?.(true);
    } else {
      const job = thread.jobs.get(id);
      thread.jobs.delete(id);
      if (thread.jobs.size === 0) thread.worker.unref();
      const returned = slot && new Uint8Array(slot);
      if (failure === undefined) job?.resolve(returned);
      else {
        if (returned !== undefined) this.slots.giveBack(returned);
        job?.reject(revive(failure));
      }
    }
    this.#assign();
  }

  #lost(thread: Thread): void {
    this.#threads.delete(thread);
    const lost = new ThreadLost("a worker thread died", { cause: thread.failure });
    for (const job of thread.jobs.values()) {
      if (job.task.kind === "run") this.slots.lose();
      job.reject(lost);
    }
    if (thread.ready) {
      if (thread.failure !== undefined) this.#addThread();
    } else {
      if (thread.failure !== undefined) this.#unavailable = true; // The next would not come up either.
      if (this.#threads.size === 0) this.#started?.(false);
    }
    if (this.ready) return;
    for (const job of this.#waiting.splice(0)) {
      if (job.task.kind === "run") this.slots.giveBack(job.task.input);
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

/**
 * The buffers that carry runs to threads, each for one run at a time. Made as needed. What was secret in
 * them is overwritten by the next run, or wiped as soon as none is lent.
 */
export class Slots {
  readonly #most: number;
  readonly #free: Bytes[] = [];
  readonly #secret = new Set<Bytes>();
  #made = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** How many are lent. */
  get lent(): number {
    return this.#made - this.#free.length;
  }

  /** @returns A slot for {@link RUN_CHUNKS} chunks, sealed or not; `undefined` where all are lent. */
  borrow(): Bytes | undefined {
    const free = this.#free.pop();
    if (free !== undefined) {
      this.#secret.delete(free);
      return free;
    }
    if (this.#made === this.#most) return undefined;
    this.#made++;
    return new Uint8Array(RUN_CHUNKS * SEALED_CHUNK_BYTES);
  }

  /** Takes back a slot, or the front of one. */
  giveBack(front: Bytes, secret = true): void {
    const slot = new Uint8Array(front.buffer);
    this.#free.push(slot);
    if (secret) this.#secret.add(slot);
    this.#wipe();
  }

  /** For a slot that went down with its thread. */
  lose(): void {
    this.#made--;
    this.#wipe();
  }

  #wipe(): void {
    if (this.lent > 0) return;
    for (const slot of this.#secret) slot.fill(0);
    this.#secret.clear();
  }
}

function startWorker(): PoolThread {
  // From source, Node strips the types and needs the condition; built, neither it nor the loaders and
  // inspector flags of the calling process.
  const source = import.meta.url.endsWith(".ts");
  return new Worker(new URL(source ? "./worker.ts" : "./worker.js", import.meta.url), {
    name: "@env/node-stream",
    execArgv: source ? ["--conditions=@env/source"] : [],
    // Chunks die young: a small nursery keeps what they leave behind in the cache, and 10 MiB per
    // thread smaller.
    resourceLimits: { maxYoungGenerationSizeMb: 2 },
  });
}
