/**
 * A line on a terminal that is redrawn during long work and removed afterwards.
 *
 * @module
 */
import type { Writable } from "node:stream";

/** Work that takes less than this shows nothing, in ms. */
const PATIENCE_MS = 300;
const REDRAW_MS = 100;

export type Terminal = Writable & { readonly columns?: number };

const HIDE_CURSOR = "\u001B[?25l";
export const SHOW_CURSOR = "\u001B[?25h";
/** Goes to the beginning of the line and empties it. */
const ERASE = "\r\u001B[2K";

export class StatusLine implements Disposable {
  readonly #started = performance.now();
  readonly #terminal: Terminal;
  readonly #text: (columns: number, elapsedMs: number) => string;
  readonly #timer: NodeJS.Timeout;
  #shown = false;

  /** @param text - The line as it is now. What exceeds `columns - 1` characters is cut off. */
  constructor(terminal: Terminal, text: (columns: number, elapsedMs: number) => string) {
    this.#terminal = terminal;
    this.#text = text;
    this.#timer = setInterval(() => this.#draw(), REDRAW_MS);
    this.#timer.unref();
  }

  /** Removes the line and shows the cursor again, so that something else can be printed. */
  clear(): void {
    if (!this.#shown) return;
    this.#terminal.write(ERASE + SHOW_CURSOR);
    this.#shown = false;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.clear();
  }

  #draw(): void {
    const elapsedMs = performance.now() - this.#started;
    if (elapsedMs < PATIENCE_MS) return;
    const columns = this.#terminal.columns || 80;
    const line = this.#text(columns, elapsedMs).slice(0, columns - 1);
    this.#terminal.write((this.#shown ? "" : HIDE_CURSOR) + ERASE + line);
    this.#shown = true;
  }
}
