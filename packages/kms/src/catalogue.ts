/**
 * What AWS says of operations, actions and kinds of keys, for programs that show or check them without a keystore, such as
 * pages in a browser.
 *
 * @module
 */
export { actionRows, grantOperations, offeredRow } from "./catalogue/actions.ts";
export type { GrantOperation } from "./catalogue/actions.ts";
export { isOfKind, keySpecs, keyUsages } from "./catalogue/key-specs.ts";
export { operationRows } from "./catalogue/operations.ts";
export type { OperationName } from "./catalogue/operations.ts";
export type { OperationRow, Row } from "./catalogue/row.ts";
