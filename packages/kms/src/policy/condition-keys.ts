/**
 * The condition keys there are: of which type, in which policies, for which actions. What is evaluated
 * does not depend on this table; the linter and the explanation do.
 *
 * Source: "Condition keys for AWS KMS" in the AWS KMS developer guide; "AWS global condition context
 * keys" in the IAM user guide; the service authorization reference
 *
 * @module
 */
import { takesAlias, type Action } from "./actions.ts";

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
const onKeys: Scope = ({ resources }) => resources.includes("key");
const only =
  (...names: readonly string[]): Scope =>
  ({ name }) =>
    names.includes(name);

const DATA_KEYS = [
  "GenerateDataKey",
  "GenerateDataKeyPair",
  "GenerateDataKeyPairWithoutPlaintext",
  "GenerateDataKeyWithoutPlaintext",
];
const ENCRYPTING = ["Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", ...DATA_KEYS];
const SIGNING = ["Sign", "Verify"];
const MACS = ["GenerateMac", "VerifyMac"];
const withContext = only(...ENCRYPTING, "CreateGrant", "RetireGrant");
const ofKeyOrNew: Scope = (action) => onKeys(action) || action.name === "CreateKey";
const attested = only(
  "Decrypt",
  "DeriveSharedSecret",
  "GenerateDataKey",
  "GenerateDataKeyPair",
  "GenerateRandom",
);

interface Traits {
  readonly multi?: true;
  readonly identityOnly?: true;
  readonly always?: true;
}

function key(
  name: string,
  type: ConditionKey["type"],
  appliesTo: Scope,
  { multi, identityOnly, always }: Traits = {},
): ConditionKey {
  return {
    name,
    type,
    appliesTo,
    multi: multi ?? false,
    identityOnly: identityOnly ?? false,
    always: always ?? false,
  };
}

/** All of them, AWS KMS's own first. */
export const conditionKeys: readonly ConditionKey[] = [
  key("kms:BypassPolicyLockoutSafetyCheck", "Bool", only("CreateKey", "PutKeyPolicy")),
  key("kms:CallerAccount", "String", everywhere, { always: true }),
  key("kms:CustomerMasterKeySpec", "String", ofKeyOrNew),
  key("kms:CustomerMasterKeyUsage", "String", ofKeyOrNew),
  key(
    "kms:DataKeyPairSpec",
    "String",
    only("GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"),
  ),
  key("kms:EncryptionAlgorithm", "String", only(...ENCRYPTING)),
  key("kms:EncryptionContext:", "String", withContext),
  key("kms:EncryptionContextKeys", "String", withContext, { multi: true }),
  key("kms:ExpirationModel", "String", only("ImportKeyMaterial")),
  key("kms:GrantConstraintSourceArn", "Arn", only("CreateGrant")),
  key("kms:GrantConstraintType", "String", only("CreateGrant", "RetireGrant")),
  key("kms:GrantIsForAWSResource", "Bool", only("CreateGrant", "ListGrants", "RevokeGrant")),
  key("kms:GrantOperations", "String", only("CreateGrant"), { multi: true }),
  key("kms:GranteePrincipal", "String", only("CreateGrant")),
  key("kms:GranteeServicePrincipal", "String", only("CreateGrant")),
  key("kms:KeyAgreementAlgorithm", "String", only("DeriveSharedSecret")),
  key("kms:KeyOrigin", "String", ofKeyOrNew, { always: true }),
  key("kms:KeySpec", "String", ofKeyOrNew, { always: true }),
  key("kms:KeyUsage", "String", ofKeyOrNew, { always: true }),
  key("kms:MacAlgorithm", "String", only(...MACS)),
  key("kms:MessageType", "String", only(...SIGNING)),
  key("kms:MultiRegion", "Bool", ofKeyOrNew, { always: true }),
  key("kms:MultiRegionKeyType", "String", ofKeyOrNew),
  key("kms:PrimaryRegion", "String", only("UpdatePrimaryRegion")),
  key("kms:ReEncryptOnSameKey", "Bool", only("ReEncryptFrom", "ReEncryptTo")),
  key("kms:RecipientAttestation:", "String", attested),
  key("kms:ReplicaRegion", "String", only("ReplicateKey")),
  key("kms:RequestAlias", "String", ({ name }) => takesAlias(name)),
  key("kms:ResourceAliases", "String", onKeys, { multi: true, identityOnly: true }),
  key("kms:RetiringPrincipal", "String", only("CreateGrant")),
  key("kms:RetiringServicePrincipal", "String", only("CreateGrant")),
  key("kms:RotationPeriodInDays", "Numeric", only("EnableKeyRotation")),
  key("kms:ScheduleKeyDeletionPendingWindowInDays", "Numeric", only("ScheduleKeyDeletion")),
  key("kms:SigningAlgorithm", "String", only(...SIGNING)),
  key("kms:TrailingDaysWithoutKeyUsage", "Numeric", only("DisableKey", "ScheduleKeyDeletion")),
  key("kms:ValidTo", "Date", only("ImportKeyMaterial")),
  key("kms:ViaService", "String", ofKeyOrNew),
  key("kms:WrappingAlgorithm", "String", only("GetParametersForImport")),
  key("kms:WrappingKeySpec", "String", only("GetParametersForImport")),

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
  key("aws:RequestTag/", "String", only("CreateKey", "TagResource")),
  key("aws:RequestedRegion", "String", everywhere),
  key("aws:ResourceAccount", "String", everywhere, { always: true }),
  key("aws:ResourceTag/", "String", onKeys, { identityOnly: true }),
  key("aws:SecureTransport", "Bool", everywhere),
  key("aws:SourceAccount", "String", everywhere),
  key("aws:SourceArn", "Arn", everywhere),
  key("aws:SourceIp", "IpAddress", everywhere),
  key("aws:TagKeys", "String", only("CreateKey", "TagResource", "UntagResource"), { multi: true }),
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
