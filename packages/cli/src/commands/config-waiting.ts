/**
 * A line that names the KMSs that have not answered yet: only on a terminal, and only once that takes
 * a while.
 *
 * @module
 */
import type { Writable } from "node:stream";
import { createLogUpdate } from "log-update";

/** Less than this shows nothing, in ms. */
const PATIENCE_MS = 300;
const REDRAW_MS = 100;

export class Waiting implements Disposable {
  readonly #started = performance.now();
  readonly #missing: string[];
  readonly #terminal: Writable & { readonly columns?: number };
  readonly #log: ReturnType<typeof createLogUpdate> | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  #shown = false;

  /** @param providers - The providers whose answers are awaited. */
  constructor(
    terminal: Writable & { readonly isTTY?: boolean; readonly columns?: number },
    quiet: boolean,
    providers: readonly string[],
  ) {
    this.#missing = [...providers];
    this.#terminal = terminal;
    if (terminal.isTTY !== true || quiet) return;
    this.#log = createLogUpdate(terminal);
    this.#timer = setInterval(() => this.#draw(), REDRAW_MS);
    this.#timer.unref();
  }

  answered(provider: string): void {
    const at = this.#missing.indexOf(provider);
    if (at !== -1) this.#missing.splice(at, 1);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    if (!this.#shown) return;
    this.#log?.clear();
    this.#log?.done();
  }

  #draw(): void {
    const elapsedMs = performance.now() - this.#started;
    if (elapsedMs < PATIENCE_MS) return;
    const line = `waiting for ${this.#missing.join(", ")}  ${Math.floor(elapsedMs / 1000)} s`;
    this.#shown = true;
    this.#log?.(line.slice(0, (this.#terminal.columns || 80) - 1));
  }
}
