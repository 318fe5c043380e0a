/**
 * The catalogue by permission: an action is what a policy names after `kms:`. It has the name and the row of
 * its operation, except that ReEncrypt needs two, and that one action has no operation.
 *
 * @module
 */
import { operationRows, operations, type OperationName } from "./operations.ts";
import type { OperationRow, Row } from "./row.ts";

type Rows = typeof operations;

/** The actions of an operation. */
type ActionsOf<Name extends OperationName> = Rows[Name] extends {
  readonly permissions: readonly (infer Action)[];
}
  ? Action
  : Name;

/** The actions of the operations whose rows have these facts. */
type ActionsWith<Facts> = {
  [Name in OperationName]: Rows[Name] extends Facts ? ActionsOf<Name> : never;
}[OperationName];

/** Actions on keys, those on aliases and grants among them. */
export type KeyAction = ActionsWith<{ readonly states: string }>;
export type AliasAction = ActionsWith<{ readonly on: "alias" }>;
/** Actions on no key: only IAM decides. */
export type GeneralAction = ActionsWith<{ readonly on: "account" }>;

/** What a grant can allow. */
export type GrantOperation = {
  [Name in OperationName]: Rows[Name] extends { readonly open: readonly (infer To)[] }
    ? "grant" extends To
      ? ActionsOf<Name>
      : never
    : never;
}[OperationName];

const offered: ReadonlyMap<string, OperationRow> = new Map(
  Object.entries(operationRows).flatMap(([name, row]) =>
    (row.permissions ?? [name]).map((action) => [action, row] as const),
  ),
);

/** The rows of all of AWS's actions, by name. */
export const actionRows: ReadonlyMap<string, Row> = new Map<string, Row>([
  ...offered,
  // AWS asks for it when it copies what replicas share. Policies may name it.
  ["SynchronizeMultiRegionKey", { on: "key", request: "KeyId" }],
]);

export function isKeyAction(name: string): name is KeyAction {
  return offered.get(name)?.states !== undefined;
}

export function isAliasAction(name: string): name is AliasAction {
  return offered.get(name)?.on === "alias";
}

export function isGeneralAction(name: string): name is GeneralAction {
  return offered.get(name)?.on === "account";
}

export function isGrantOperation(name: string): name is GrantOperation {
  return offered.get(name)?.open?.includes("grant") === true;
}

/** The row of an action that this KMS offers. */
export function offeredRow(action: KeyAction | GeneralAction): OperationRow {
  const row = offered.get(action);
  if (row === undefined) throw new RangeError(`there is no action ${action}`);
  return row;
}

/** Sorted by name, as they are listed. */
export const grantOperations: readonly GrantOperation[] = [...offered.keys()].filter(
  isGrantOperation,
);

/** Whether the request has an encryption context, which may be empty. */
export function hasContext({ request }: Row): boolean {
  return /EncryptionContext\b/.test(request);
}

/** What a call has where its request leaves a member out, by the condition key that policies see it under. */
export function defaultOf<Name extends WithConditions, Key extends keyof Rows[Name]["conditions"]>(
  operation: Name,
  key: Key,
): Rows[Name]["conditions"][Key] {
  const { conditions }: Pick<Rows[Name], "conditions"> = operations[operation];
  return conditions[key];
}

type WithConditions = {
  [Name in OperationName]: Rows[Name] extends { readonly conditions: object } ? Name : never;
}[OperationName];
