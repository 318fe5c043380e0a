/**
 * The condition keys there are: of which type, in which policies, for which actions. What is evaluated
 * does not depend on this table; the linter and the explanation do.
 *
 * Source: "Condition keys for AWS KMS" in the AWS KMS developer guide; "AWS global condition context
 * keys" in the IAM user guide; the service authorization reference
 *
 * @module
 */
import { hasContext } from "../catalogue/actions.ts";
import type { Action } from "./actions.ts";

export interface ConditionKey {
  /** The name as AWS writes it; families end in `:` or `/`, and what follows is the user's. */
  readonly name: string;
  readonly type: "String" | "Arn" | "Bool" | "Numeric" | "Date" | "IpAddress";
  /** May have several values, so its operators need ForAnyValue or ForAllValues. */
  readonly multi: boolean;
  /** Whether it is always absent in key policies. */
  readonly identityOnly: boolean;
  /** There with every request that it applies to. */
  readonly always: boolean;
  /** Whether requests for this action can have it. */
  readonly appliesTo: (action: Action) => boolean;
}

type Scope = (action: Action) => boolean;

const everywhere: Scope = () => true;
/** Only where the row of the operation lists the key. */
const listed: Scope = () => false;
const onKeys: Scope = ({ resources }) => resources.includes("key");
const byAlias: Scope = ({ row }) => row.open?.includes("alias") === true;
const withContext: Scope = ({ row }) => hasContext(row);
const attested: Scope = ({ row }) => row.refused?.split(" ").includes("Recipient") === true;

interface Traits {
  readonly multi?: true;
  readonly identityOnly?: true;
  readonly always?: true;
}

function key(
  name: string,
  type: ConditionKey["type"],
  scope: Scope,
  { multi, identityOnly, always }: Traits = {},
): ConditionKey {
  return {
    name,
    type,
    appliesTo: (action) => scope(action) || Object.hasOwn(action.row.conditions ?? {}, name),
    multi: multi ?? false,
    identityOnly: identityOnly ?? false,
    always: always ?? false,
  };
}

/** All of them, AWS KMS's own first. */
export const conditionKeys: readonly ConditionKey[] = [
  key("kms:BypassPolicyLockoutSafetyCheck", "Bool", listed),
  key("kms:CallerAccount", "String", everywhere, { always: true }),
  key("kms:CustomerMasterKeySpec", "String", onKeys),
  key("kms:CustomerMasterKeyUsage", "String", onKeys),
  key("kms:DataKeyPairSpec", "String", listed),
  key("kms:EncryptionAlgorithm", "String", listed),
  key("kms:EncryptionContext:", "String", withContext),
  key("kms:EncryptionContextKeys", "String", withContext, { multi: true }),
  key("kms:ExpirationModel", "String", listed),
  key("kms:GrantConstraintSourceArn", "Arn", listed),
  key("kms:GrantConstraintType", "String", listed),
  key("kms:GrantIsForAWSResource", "Bool", listed),
  key("kms:GrantOperations", "String", listed, { multi: true }),
  key("kms:GranteePrincipal", "String", listed),
  key("kms:GranteeServicePrincipal", "String", listed),
  key("kms:KeyAgreementAlgorithm", "String", listed),
  key("kms:KeyOrigin", "String", onKeys, { always: true }),
  key("kms:KeySpec", "String", onKeys, { always: true }),
  key("kms:KeyUsage", "String", onKeys, { always: true }),
  key("kms:MacAlgorithm", "String", listed),
  key("kms:MessageType", "String", listed),
  key("kms:MultiRegion", "Bool", onKeys, { always: true }),
  key("kms:MultiRegionKeyType", "String", onKeys),
  key("kms:PrimaryRegion", "String", listed),
  key("kms:ReEncryptOnSameKey", "Bool", listed),
  key("kms:RecipientAttestation:", "String", attested),
  key("kms:ReplicaRegion", "String", listed),
  key("kms:RequestAlias", "String", byAlias),
  key("kms:ResourceAliases", "String", onKeys, { multi: true, identityOnly: true }),
  key("kms:RetiringPrincipal", "String", listed),
  key("kms:RetiringServicePrincipal", "String", listed),
  key("kms:RotationPeriodInDays", "Numeric", listed),
  key("kms:ScheduleKeyDeletionPendingWindowInDays", "Numeric", listed),
  key("kms:SigningAlgorithm", "String", listed),
  key("kms:TrailingDaysWithoutKeyUsage", "Numeric", listed),
  key("kms:ValidTo", "Date", listed),
  key("kms:ViaService", "String", onKeys),
  key("kms:WrappingAlgorithm", "String", listed),
  key("kms:WrappingKeySpec", "String", listed),

  key("aws:CurrentTime", "Date", everywhere, { always: true }),
  key("aws:EpochTime", "Date", everywhere, { always: true }),
  key("aws:FederatedProvider", "String", everywhere),
  key("aws:MultiFactorAuthPresent", "Bool", everywhere),
  key("aws:PrincipalAccount", "String", everywhere),
  key("aws:PrincipalArn", "Arn", everywhere),
  key("aws:PrincipalIsAWSService", "Bool", everywhere, { always: true }),
  key("aws:PrincipalServiceName", "String", everywhere),
  key("aws:PrincipalTag/", "String", everywhere),
  key("aws:PrincipalType", "String", everywhere),
  key("aws:RequestTag/", "String", listed),
  key("aws:RequestedRegion", "String", everywhere),
  key("aws:ResourceAccount", "String", everywhere, { always: true }),
  key("aws:ResourceTag/", "String", onKeys, { identityOnly: true }),
  key("aws:SecureTransport", "Bool", everywhere),
  key("aws:SourceAccount", "String", everywhere),
  key("aws:SourceArn", "Arn", everywhere),
  key("aws:SourceIp", "IpAddress", everywhere),
  key("aws:TagKeys", "String", listed, { multi: true }),
  key("aws:TokenIssueTime", "Date", everywhere),
  key("aws:UserAgent", "String", everywhere),
  key("aws:userid", "String", everywhere),
  key("aws:username", "String", everywhere),
];

const byName: ReadonlyMap<string, ConditionKey> = new Map(
  conditionKeys.map((each) => [each.name.toLowerCase(), each]),
);

/** @param name - In lower case. Of a family it has the member's name behind it. */
export function conditionKey(name: string): ConditionKey | undefined {
  const known = byName.get(name);
  if (known !== undefined) return isFamily(known) ? undefined : known;
  const [, prefix = ""] = /^([^:]*:[^:/]*[:/])./s.exec(name) ?? [];
  const family = byName.get(prefix);
  return family !== undefined && isFamily(family) ? family : undefined;
}

/** Whether what follows the name is the user's: `kms:EncryptionContext:`, `aws:PrincipalTag/`. */
export function isFamily({ name }: ConditionKey): boolean {
  return /[:/]$/.test(name);
}
