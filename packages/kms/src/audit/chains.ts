/**
 * The chains of the log: one in a file, and one for each process that writes at the same time elsewhere. For use inside the
 * store's `read` and `write`.
 *
 * @module
 */
import type { LastUseRecord } from "../store/iam-records.ts";
import type { Chain } from "./chain.ts";
import { LastUses } from "./last-uses.ts";
import { Rows, type AuditStore } from "./rows.ts";

/** What is kept of one chain. */
export interface LogChain {
  readonly number: number;
  readonly rows: Rows;
  readonly lastUses: LastUses;
}

export class Chains {
  readonly #store: AuditStore;
  readonly #chain: Chain;
  readonly #known = new Map<number, LogChain>();

  constructor(store: AuditStore, chain: Chain) {
    this.#store = store;
    this.#chain = chain;
  }

  /** The chain that this process writes, inside of `write`. */
  get own(): LogChain {
    const { chain } = this.#store;
    if (chain === undefined) throw new TypeError("must be called inside write");
    return this.of(chain);
  }

  /** The chain that this process writes at the moment, outside of `write`. */
  async current(): Promise<LogChain> {
    return this.#store.chain === undefined ? this.#store.write(() => this.own) : this.own;
  }

  /** The chains whose records this process may cut off, outside of `write`: in a file all, and elsewhere its own, which is the last. */
  async writable(): Promise<readonly LogChain[]> {
    if (this.#store.isShared) return [await this.current()];
    return this.#store.read(() => this.all().toReversed());
  }

  all(): readonly LogChain[] {
    return this.#store.chains().map((number) => this.of(number));
  }

  of(number: number): LogChain {
    const known = this.#known.get(number);
    if (known !== undefined) return known;
    const rows = new Rows(this.#store, this.#chain, number);
    const made = { number, rows, lastUses: new LastUses(this.#store, rows, number) };
    this.#known.set(number, made);
    return made;
  }

  /**
   * The last use of a key: what the chains have that is not written down, or else what is.
   *
   * @param arn - ARN of the key.
   */
  lastUse(arn: string): LastUseRecord | undefined {
    const uses = [
      ...this.all().map(({ lastUses }) => lastUses.recent(arn)),
      this.#store.lastUses.get(arn),
    ];
    return uses.reduce((latest, use) => ((use?.time ?? -1) > (latest?.time ?? -1) ? use : latest));
  }
}
