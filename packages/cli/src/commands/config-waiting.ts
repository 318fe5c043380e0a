/**
 * A line that names the KMSs that have not answered yet: only on a terminal, and only once that takes
 * a while.
 *
 * @module
 */
import { StatusLine, type Terminal } from "../status-line.ts";

export class Waiting implements Disposable {
  readonly #missing: string[];
  readonly #line: StatusLine | undefined;

  /** @param providers - The providers whose answers are awaited. */
  constructor(
    terminal: Terminal & { readonly isTTY?: boolean },
    quiet: boolean,
    providers: readonly string[],
  ) {
    this.#missing = [...providers];
    if (terminal.isTTY !== true || quiet) return;
    this.#line = new StatusLine(
      terminal,
      (_, elapsedMs) =>
        `waiting for ${this.#missing.join(", ")}  ${Math.floor(elapsedMs / 1000)} s`,
    );
  }

  answered(provider: string): void {
    const at = this.#missing.indexOf(provider);
    if (at !== -1) this.#missing.splice(at, 1);
  }

  [Symbol.dispose](): void {
    this.#line?.[Symbol.dispose]();
  }
}
