/**
 * A progress line for long work: on a terminal's stderr only, and only once the work has taken a while.
 *
 * @module
 */
import { StatusLine, type Terminal } from "./status-line.ts";
import { endOf, fixedBytes, formatBytes, formatDuration, padTo, printableLine } from "./text.ts";

export interface ProgressState {
  readonly label: string;
  readonly doneBytes: number;
  /** `undefined` where it is not known, as for a pipe. */
  readonly totalBytes: number | undefined;
  readonly elapsedMs: number;
}

/** Counts bytes and shows them until it is disposed. Nothing is shown without a terminal. */
export class Progress implements Disposable {
  readonly #line: StatusLine | undefined;
  /** Bytes of all work, where that is known. */
  total: number | undefined;
  #label = "";
  #doneBytes = 0;

  constructor(terminal: Terminal | undefined, totalBytes?: number) {
    this.total = totalBytes;
    if (terminal === undefined) return;
    this.#line = new StatusLine(terminal, (columns, elapsedMs) => {
      const [label, doneBytes] = [this.#label, this.#doneBytes];
      return progressLine({ label, doneBytes, totalBytes: this.total, elapsedMs }, columns);
    });
  }

  /** What is being worked on, as for several files one after another. */
  set label(label: string) {
    this.#label = label;
  }

  add(bytes: number): void {
    this.#doneBytes += bytes;
  }

  /** An `onProgress` for node-stream, which counts plaintext or payload, for a file of `size` bytes. */
  follow(size: number): (at: { readonly bytes: number; readonly total: number }) => void {
    let seen = 0;
    return ({ bytes, total }) => {
      const now = total === 0 ? size : Math.round((bytes / total) * size);
      this.add(now - seen);
      seen = now;
    };
  }

  /** Removes the line, so that something else can be printed. */
  clear(): void {
    this.#line?.clear();
  }

  [Symbol.dispose](): void {
    this.#line?.[Symbol.dispose]();
  }
}

/** The widest that the figures get: `100%`, `999.9 MB of 999.9 MB`, `999.9 MB/s`, `99:59:59 left`. */
const WIDTHS = { share: 4, bytes: 20, rate: 10, left: 13 };
const GAP = "  ";
const MIN_BAR = 8;
const MAX_BAR = 24;
const MIN_NAME = 8;
const MAX_NAME = 32;

/**
 * One line, narrower than `columns`: name, bar, share, bytes, rate, time left. What there is no room for is left
 * out by the width of the terminal alone, and figures have a fixed width, so that nothing moves while they change.
 */
export function progressLine(state: ProgressState, columns: number): string {
  const { label, doneBytes, totalBytes, elapsedMs } = state;
  const room = columns - 1;
  const rate = `${fixedBytes((doneBytes * 1000) / Math.max(elapsedMs, 1))}/s`;
  if (totalBytes === undefined || totalBytes === 0) {
    const figures = [fixedBytes(doneBytes), rate].join(GAP);
    const name = room - figures.length - GAP.length;
    return [...nameCell(label, name), figures].join(GAP).slice(0, room);
  }

  const share = Math.min(doneBytes / totalBytes, 1);
  const percent = `${Math.floor(share * 100)}%`.padStart(WIDTHS.share);
  const bytes = `${fixedBytes(doneBytes)} of ${formatBytes(totalBytes)}`.padEnd(WIDTHS.bytes);
  const left = timeLeft(doneBytes, totalBytes, elapsedMs);
  const candidates = [
    { figures: [percent, bytes, rate], name: true },
    { figures: [percent, bytes, rate], name: false },
    { figures: [percent, rate], name: false },
    { figures: [percent], name: false },
  ];
  for (const { figures, name } of candidates) {
    const facts = figures.join(GAP) + GAP;
    const free = room - facts.length - WIDTHS.left - GAP.length;
    const forName = name ? Math.min(MAX_NAME, Math.floor((free - GAP.length) / 2)) : 0;
    if (name ? forName < MIN_NAME : free < MIN_BAR) continue;
    const width = Math.min(MAX_BAR, name ? free - GAP.length - forName : free);
    const filled = Math.round(share * width);
    const bar = `${"█".repeat(filled)}${"░".repeat(width - filled)}`;
    return [...nameCell(label, forName), bar, `${facts}${left}`].join(GAP).trimEnd();
  }
  return percent.slice(0, room);
}

function timeLeft(doneBytes: number, totalBytes: number, elapsedMs: number): string {
  // Writing to the disk may take a while longer than reading.
  if (doneBytes >= totalBytes) return "finishing";
  if (doneBytes === 0) return "";
  return `${formatDuration(((totalBytes - doneBytes) * elapsedMs) / doneBytes)} left`;
}

function nameCell(label: string, width: number): string[] {
  if (width < MIN_NAME) return [];
  const name = Math.min(width, MAX_NAME);
  return [padTo(endOf(printableLine(label), name), name)];
}
