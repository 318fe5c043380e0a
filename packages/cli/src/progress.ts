/**
 * A progress line for long work: on a terminal's stderr only, and only once the work has taken a while.
 *
 * @module
 */
import type { Writable } from "node:stream";
import { createLogUpdate } from "log-update";
import { formatBytes, formatDuration, formatRate, printableLine } from "./text.ts";

/** Work that takes less than this shows nothing, in ms. */
const PATIENCE_MS = 300;
const REDRAW_MS = 100;
const BAR_WIDTH = 24;

export interface ProgressState {
  readonly label: string;
  readonly doneBytes: number;
  /** `undefined` where it is not known, as for a pipe. */
  readonly totalBytes: number | undefined;
  readonly elapsedMs: number;
}

/** Counts bytes, and shows them while it is open. Nothing is shown without a terminal. */
export class Progress implements Disposable {
  readonly #started = performance.now();
  readonly #totalBytes: number | undefined;
  readonly #log: ReturnType<typeof createLogUpdate> | undefined;
  readonly #columns: () => number;
  readonly #timer: NodeJS.Timeout | undefined;
  #label = "";
  #doneBytes = 0;
  #shown = false;

  constructor(terminal: (Writable & { columns?: number }) | undefined, totalBytes?: number) {
    this.#totalBytes = totalBytes;
    this.#columns = () => terminal?.columns || 80;
    if (terminal === undefined) return;
    this.#log = createLogUpdate(terminal);
    this.#timer = setInterval(() => this.#draw(), REDRAW_MS);
    this.#timer.unref();
  }

  /** What is being worked on, as for several files one after another. */
  set label(label: string) {
    this.#label = label;
  }

  add(bytes: number): void {
    this.#doneBytes += bytes;
  }

  /** For a file of `size` bytes: the `onProgress` of node-stream, which counts plaintext or payload. */
  follow(size: number): (at: { readonly bytes: number; readonly total: number }) => void {
    let seen = 0;
    return ({ bytes, total }) => {
      const now = total === 0 ? size : Math.round((bytes / total) * size);
      this.add(now - seen);
      seen = now;
    };
  }

  /** Takes the line away and gives the cursor back, so that something else can be printed. */
  clear(): void {
    if (!this.#shown) return;
    this.#log?.clear();
    this.#log?.done();
    this.#shown = false;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.clear();
  }

  #draw(): void {
    const elapsedMs = performance.now() - this.#started;
    if (elapsedMs < PATIENCE_MS) return;
    const state = {
      label: this.#label,
      doneBytes: this.#doneBytes,
      totalBytes: this.#totalBytes,
      elapsedMs,
    };
    this.#shown = true;
    this.#log?.(progressLine(state, this.#columns()));
  }
}

/** One line, not wider than `columns`: label, bar, share, bytes, rate, time left. */
export function progressLine(state: ProgressState, columns: number): string {
  const { label, doneBytes, totalBytes, elapsedMs } = state;
  const bytesPerMs = doneBytes / Math.max(elapsedMs, 1);
  const parts: string[] = [];
  if (totalBytes === undefined || totalBytes === 0) {
    parts.push(formatBytes(doneBytes), formatRate(doneBytes, elapsedMs));
  } else {
    const share = Math.min(doneBytes / totalBytes, 1);
    const filled = Math.round(share * BAR_WIDTH);
    parts.push(
      `${"█".repeat(filled)}${"░".repeat(BAR_WIDTH - filled)}`,
      `${Math.floor(share * 100)}%`.padStart(4),
      `${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`,
      formatRate(doneBytes, elapsedMs),
    );
    // The disk may take its time with what it was given.
    if (doneBytes >= totalBytes) parts.push("finishing");
    else if (bytesPerMs > 0) {
      parts.push(`${formatDuration((totalBytes - doneBytes) / bytesPerMs)} left`);
    }
  }
  const facts = parts.join("  ");
  const name = printableLine(label);
  const room = columns - 1 - facts.length - 2;
  if (room < 8) return facts.slice(0, columns - 1);
  return `${name.length > room ? `…${name.slice(1 - room)}` : name}  ${facts}`;
}
