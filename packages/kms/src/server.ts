/**
 * What a server in front of a keystore has to know of the operations. Not for applications.
 *
 * @module
 */
import { operationRows } from "./catalogue/operations.ts";
import type { Row } from "./catalogue/row.ts";
import type { KmsOperations } from "./requests/operations.ts";

export { assumeRole, assumeRoleWithWebIdentity, sessionToken } from "./access/assume-role.ts";
export type { AssumedRole, AssumeRoleInput } from "./access/assume-role.ts";
export type {
  ConsoleSession,
  ConsoleSessions,
  OpenedSession,
  SessionTimes,
} from "./access/console-sessions.ts";
export type { FederatedCaller, IamAccess, IamCall, IamCaller } from "./access/iam-access.ts";
export { IamError } from "./access/iam-error.ts";
export { checkPrincipal } from "./access/principal-input.ts";
export { issuerName, providerArn } from "./access/provider-input.ts";
export { defaultText } from "./store/iam-records.ts";
export type { PolicyRecord, PrincipalRecord, ProviderRecord } from "./store/iam-records.ts";
export { keySummaries } from "./operations/key-summaries.ts";
export { memberKinds, type MemberKind } from "./requests/member-kinds.ts";
export type { KmsOperations } from "./requests/operations.ts";

/** An operation as it is asked for over a wire. */
export interface ServedOperation {
  /** AWS's name: `Encrypt`. */
  readonly name: string;
  /** The method of the client. */
  readonly method: keyof KmsOperations;
  /** The members of AWS's request, including those that the method refuses. */
  readonly members: ReadonlySet<string>;
}

function methodOf(name: string): keyof KmsOperations {
  // Each method has the name of its operation.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return (name.charAt(0).toLowerCase() + name.slice(1)) as keyof KmsOperations;
}

/** AWS's operations, by name. */
export const servedOperations: ReadonlyMap<string, ServedOperation> = new Map(
  Object.entries<Row>(operationRows).map(([name, { request, refused }]) => [
    name,
    {
      name,
      method: methodOf(name),
      members: new Set(`${request} ${refused ?? ""}`.trim().split(" ")),
    },
  ]),
);
