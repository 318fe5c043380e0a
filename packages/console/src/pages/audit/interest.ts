/**
 * What of the log somebody wants to see. All that only looks at keys is in it too, and whoever looks at this page adds to that.
 *
 * @module
 */
import { operationRows, type OperationRow } from "@env/kms/catalogue";

const rows: readonly (readonly [string, OperationRow])[] = Object.entries(operationRows);
const uses = rows.filter(([, { usage }]) => usage !== undefined).map(([name]) => name);
const changes = rows.filter(([, { mode }]) => mode === "write").map(([name]) => name);

export const interests = {
  "uses and changes": [...uses, ...changes],
  uses,
  changes,
  everything: undefined,
} as const satisfies Readonly<Record<string, readonly string[] | undefined>>;

export type Interest = keyof typeof interests;

export function isInterest(text: string): text is Interest {
  return Object.hasOwn(interests, text);
}
