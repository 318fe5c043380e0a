/**
 * The actions of AWS KMS as policies write them: in any case, on keys or aliases, from other accounts or not.
 *
 * @module
 */
import { actionRows } from "../catalogue/actions.ts";
import type { Row } from "../catalogue/row.ts";
import { lowerCase } from "./values.ts";

export interface Action {
  /** `Decrypt`, as written after `kms:`. */
  readonly name: string;
  /** What it is asked for. None: the account as a whole, `*`. */
  readonly resources: readonly ("key" | "alias")[];
  readonly row: Row;
}

const resources: Readonly<Record<Row["on"], Action["resources"]>> = {
  account: [],
  alias: ["alias", "key"],
  grant: ["key"],
  key: ["key"],
};

/** All actions, by name in lower case with `kms:` before it: the most used first, which are open to other accounts. */
export const actions: ReadonlyMap<string, Action> = new Map(
  [...actionRows]
    .map(([name, row]) => ({ name, resources: resources[row.on], row }))
    .toSorted((a, b) => rank(a.row) - rank(b.row) || (a.name < b.name ? -1 : 1))
    .map((action) => [`kms:${lowerCase(action.name)}`, action]),
);

function rank({ on, open = [] }: Row): number {
  return open.includes("accounts") ? 0 : ["grant", "key", "alias", "account"].indexOf(on);
}

/** Whether callers of other accounts than the key's may be allowed an action. */
export function isCrossAccount(action: string): boolean {
  return actions.get(lowerAction(action))?.row.open?.includes("accounts") ?? false;
}

const lowered: ReadonlyMap<string, string> = new Map(
  [...actions].map(([lower, { name }]) => [`kms:${name}`, lower]),
);

/** A request's action in lower case. Every statement asks, so those that there are lie ready. */
export function lowerAction(action: string): string {
  return lowered.get(action) ?? lowerCase(action);
}
