/**
 * Messages that fewer CMKs wrapped than are configured, which `minWrapped` allows: never in silence.
 *
 * @module
 */
import type { EnvelopeEvent, Wrapping } from "@env/core";
import type { Ui } from "./ui.ts";

/** So many messages are named. */
const MAX_NAMED = 10;

/** Observes an envelope, for one message after another. */
export class WrappingWatch {
  #last: Wrapping | undefined;
  #few = 0;
  readonly #named: string[] = [];
  readonly #failures = new Set<string>();

  /** The observer of the envelope. */
  readonly observe = (event: EnvelopeEvent): void => {
    if (event.type === "kms-call") {
      const { operation, outcome, provider, keyId } = event;
      if (outcome === "ok" || outcome === "aborted" || operation === "unwrap") return;
      this.#failures.add(`${provider} ${keyId}: ${outcome}`);
    } else if (event.type === "encrypt" || event.type === "rewrap") {
      const { wrapped, cmks } = event;
      if (wrapped !== undefined && cmks !== undefined) this.#last = { wrapped, cmks };
    }
  };

  /** How the message that is done now was wrapped. Nothing where no event told. */
  take(path: string): Partial<Wrapping> {
    const wrapping = this.#last;
    this.#last = undefined;
    if (wrapping === undefined) return {};
    const { wrapped, cmks } = wrapping;
    if (wrapped < cmks) {
      this.#few++;
      if (this.#named.length < MAX_NAMED) this.#named.push(`${path} (by ${wrapped} of ${cmks})`);
    }
    return { wrapped, cmks };
  }

  /** Warns once about all of them. */
  report(ui: Ui): void {
    if (this.#few === 0) return;
    const more = this.#few > MAX_NAMED ? `, and ${this.#few - MAX_NAMED} more` : "";
    const messages = this.#few === 1 ? "this message" : `these ${this.#few} messages`;
    const why = this.#failures.size === 0 ? "" : ` (${[...this.#failures].join(", ")})`;
    ui.warn(
      `fewer CMKs than configured wrapped ${messages}: ${this.#named.join(", ")}${more}${why}; use \`envelope rewrap\` once all CMKs work`,
    );
  }
}
