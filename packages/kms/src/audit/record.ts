/**
 * Turns an event into a record: CloudTrail's members, and the bytes that are kept and hashed.
 *
 * Source: the CloudTrail record contents reference, version 1.11; spec/audit-v1.md#record
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import type { Bytes } from "@env/core";
import type { Realm } from "../arn.ts";
import { canonicalJson, type Json } from "./canonical.ts";
import { usesKeys } from "../catalogue/operations.ts";
import type { LastUseRecord } from "../store/iam-records.ts";
import type { AuditEvent } from "./event.ts";
import {
  formMembers,
  materialMembers,
  requestMembers,
  responseMembers,
  textUpTo,
} from "./members.ts";

/** The most bytes of a record, as in CloudTrail. A request that would exceed them is left out of the record. */
export const MAX_RECORD_BYTES = 262_144;

// Together they stay below that, even if every character is an escape of six bytes.
const MAX_DECISIONS = 8;
const MAX_RESOURCES = 8;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

const boundWord = textUpTo(128);
const boundText = textUpTo(1024);
const boundMessage = textUpTo(2048);

/** A record as CloudTrail writes it. Text is bounded, and members without a value are absent. */
export interface AuditRecord {
  readonly eventVersion: "1.11";
  /** ISO 8601 with milliseconds, in UTC. */
  readonly eventTime: string;
  /** `envelope`: a call that AWS does not have. */
  readonly eventSource: `${"kms" | "iam" | "sts"}.amazonaws.com` | "envelope";
  readonly eventName: string;
  /** `AwsServiceEvent`: the keystore did it by itself. */
  readonly eventType: "AwsApiCall" | "AwsServiceEvent";
  readonly eventCategory: "Management";
  readonly managementEvent: true;
  /** UUID. */
  readonly eventID: string;
  readonly requestID?: string | undefined;
  readonly awsRegion: string;
  /** The account whose keystore it is. */
  readonly recipientAccountId: string;
  readonly sourceIPAddress?: string | undefined;
  readonly userAgent?: string | undefined;
  readonly userIdentity: UserIdentity;
  readonly readOnly: boolean;
  readonly requestParameters: Readonly<Record<string, Json>> | null;
  readonly responseElements: Readonly<Record<string, Json>> | null;
  readonly resources: readonly {
    readonly ARN: string;
    readonly accountId: string;
    readonly type: "AWS::KMS::Key" | "AWS::KMS::Alias";
  }[];
  readonly errorCode?: string | undefined;
  readonly errorMessage?: string | undefined;
  readonly additionalEventData: {
    /** What decided each question. */
    readonly decisions: readonly {
      readonly action: string;
      /** ARN, or `*`; absent if it is the first of `resources`. */
      readonly resource?: string | undefined;
      readonly allowed: boolean;
      readonly because: string;
      readonly deciding?: string | undefined;
    }[];
    readonly dryRun?: true | undefined;
    readonly keyMaterialId?: string | undefined;
    readonly sourceKeyMaterialId?: string | undefined;
    readonly destinationKeyMaterialId?: string | undefined;
    /** The request and the answer were too long to be kept. */
    readonly omitted?: true | undefined;
  };
}

export interface UserIdentity {
  readonly type:
    | "Root"
    | "IAMUser"
    | "Role"
    | "AssumedRole"
    | "FederatedUser"
    | "WebIdentityUser"
    | "AWSService"
    | "Unknown";
  readonly principalId?: string | undefined;
  readonly arn?: string | undefined;
  readonly accountId?: string | undefined;
  readonly userName?: string | undefined;
  /** ARN of the provider whose token the caller has. */
  readonly identityProvider?: string | undefined;
  readonly invokedBy?: string | undefined;
  readonly sessionContext?: {
    readonly sessionIssuer: {
      readonly type: "Role";
      readonly arn: string;
      readonly accountId: string;
      readonly userName: string;
    };
    /** Who began the session, or the first one of its chain. */
    readonly sourceIdentity?: string | undefined;
  };
}

/** A record on its way to the file. */
export interface EncodedRecord {
  /** Milliseconds since 1970: `eventTime`. */
  readonly time: number;
  /** Canonical JSON in UTF-8. */
  readonly bytes: Bytes;
  /** One for each key that the call used. */
  readonly uses: readonly KeyUse[];
}

/** What a record says of the last use of a key; `use` is `undefined` where the key was deleted. */
export interface KeyUse {
  readonly arn: string;
  readonly use: LastUseRecord | undefined;
}

/** The caller of what the keystore does by itself. A client cannot have this name. */
const ITSELF = "kms.amazonaws.com";

/** The record of an event. It does not share objects with `event`. */
export function toRecord(event: AuditEvent, realm: Realm): AuditRecord {
  const { source = "kms", operation, error, response, encryptionContext } = event;
  const request =
    encryptionContext === undefined
      ? event.parameters
      : { ...event.parameters, EncryptionContext: encryptionContext };
  // In the order of the canonical form, so that it does not have to sort them.
  return {
    additionalEventData: {
      decisions: event.decisions
        .slice(0, MAX_DECISIONS)
        .map((decision) => toDecision(decision, event.resources[0])),
      dryRun: event.dryRun === true ? true : undefined,
      ...(response === undefined ? null : materialMembers(response)),
    },
    awsRegion: event.region ?? realm.region,
    errorCode: boundWord(error?.code),
    errorMessage: boundMessage(error?.message),
    eventCategory: "Management",
    eventID: event.eventId ?? randomUUID(),
    eventName: word(operation),
    eventSource: source === "envelope" ? source : `${source}.amazonaws.com`,
    eventTime: new Date(event.time).toISOString(),
    eventType: event.principal === ITSELF ? "AwsServiceEvent" : "AwsApiCall",
    eventVersion: "1.11",
    managementEvent: true,
    readOnly: event.readOnly,
    recipientAccountId: realm.accountId,
    requestID: boundText(event.requestId),
    requestParameters:
      source === "iam" || source === "sts"
        ? formMembers(request)
        : requestMembers(operation, request),
    resources: event.resources.slice(0, MAX_RESOURCES).map(toResource),
    responseElements: response === undefined ? null : responseMembers(operation, response),
    sourceIPAddress: boundText(event.sourceIp),
    userAgent: boundText(event.userAgent),
    userIdentity: userIdentity(event),
  };
}

/** The record's bytes: what is sealed, hashed and archived. */
export function encodeRecord(record: AuditRecord): EncodedRecord {
  const time = Date.parse(record.eventTime);
  const bytes = utf8(record);
  const uses = usesIn(record);
  if (bytes.length <= MAX_RECORD_BYTES) return { time, bytes, uses };
  const additionalEventData = { ...record.additionalEventData, omitted: true as const };
  return {
    time,
    uses,
    bytes: utf8({
      ...record,
      requestParameters: null,
      responseElements: null,
      additionalEventData,
    }),
  };
}

/** What a record says of the last use of keys. */
export function usesIn({
  errorCode,
  eventName,
  eventID: eventId,
  eventSource,
  eventTime,
  eventType,
  requestID: requestId,
  resources,
  userIdentity: { arn: principal, invokedBy },
}: AuditRecord): readonly KeyUse[] {
  const deletes = eventName === "DeleteKey" && eventType === "AwsServiceEvent";
  const uses = eventSource === "kms.amazonaws.com" && usesKeys(eventName);
  if (errorCode !== undefined || !(uses || deletes)) return [];
  const facts = {
    operation: eventName,
    time: Date.parse(eventTime),
    eventId,
    requestId,
    principal: principal ?? invokedBy,
  };
  return resources
    .filter(({ type }) => type === "AWS::KMS::Key")
    .map(({ ARN: arn }) => ({ arn, use: deletes ? undefined : { arn, ...facts } }));
}

/** Reads a record from authentic bytes. `undefined`: {@link encodeRecord} would not write them. */
export function decodeRecord(bytes: Uint8Array): AuditRecord | undefined {
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes));
    return isAuditRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function utf8(record: AuditRecord): Bytes {
  return encoder.encode(canonicalJson(record));
}

type Decision = AuditRecord["additionalEventData"]["decisions"][number];

function toDecision(
  decision: AuditEvent["decisions"][number],
  first: string | undefined,
): Decision {
  return {
    action: word(decision.action),
    allowed: decision.allowed,
    because: word(decision.because),
    deciding: boundText(decision.deciding),
    resource: decision.resource === first ? undefined : bounded(decision.resource),
  };
}

function toResource(arn: string): AuditRecord["resources"][number] {
  const [, , , , accountId = "", name = ""] = arn.split(":");
  return {
    ARN: bounded(arn),
    accountId: word(accountId),
    type: name.startsWith("alias/") ? "AWS::KMS::Alias" : "AWS::KMS::Key",
  };
}

/** Matches the account, the type and the name: `user/path/alice`, `assumed-role/app/session`, `root`. */
const PRINCIPAL = /^arn:[a-z-]+:(?:iam|sts)::([0-9]{12}):([a-z-]+)(?:\/(.+))?$/s;

/** Who called, as far as the ARN says. */
function userIdentity(event: AuditEvent): UserIdentity {
  const { principal, principalId, accountId, invokedBy, roleArn } = event;
  const arn = bounded(principal);
  const [, account, kind = "", path = ""] = PRINCIPAL.exec(principal) ?? [];
  if (account === undefined) return { accountId, invokedBy: arn, type: "AWSService" };
  const identity = {
    accountId: account,
    arn,
    invokedBy: boundText(invokedBy),
    principalId: boundText(principalId),
  };
  const userName = bounded(path.slice(path.lastIndexOf("/") + 1));
  switch (kind) {
    case "root":
      return { ...identity, type: "Root", principalId: account };
    case "user":
      return { ...identity, type: "IAMUser", userName };
    case "role":
      return { ...identity, type: "Role", userName };
    case "federated-user":
      return { ...identity, type: "FederatedUser", userName };
    case "oidc-provider":
      return {
        accountId: account,
        identityProvider: arn,
        principalId: boundText(principalId),
        type: "WebIdentityUser",
        userName: boundText(event.userName),
      };
    case "assumed-role": {
      const role = bounded(path.split("/")[0] ?? "");
      return {
        ...identity,
        sessionContext: {
          sessionIssuer: {
            accountId: account,
            arn: bounded(roleArn ?? `arn:aws:iam::${account}:role/${role}`),
            type: "Role",
            userName: role,
          },
          sourceIdentity: boundText(event.sourceIdentity),
        },
        type: "AssumedRole",
      };
    }
    default:
      return { ...identity, type: "Unknown" };
  }
}

/** Text that is always there. */
function bounded(text: string): string {
  return boundText(text) ?? "";
}

function word(text: string): string {
  return boundWord(text) ?? "";
}

function isAuditRecord(value: unknown): value is AuditRecord {
  return (
    isMap(value) &&
    typeof value["eventName"] === "string" &&
    typeof value["eventTime"] === "string" &&
    isMap(value["userIdentity"]) &&
    Array.isArray(value["resources"]) &&
    isMap(value["additionalEventData"])
  );
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
