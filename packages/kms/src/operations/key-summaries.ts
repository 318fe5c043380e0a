/**
 * The keys of a region with what a list of them shows, in one call. What the caller may not see of a key is absent, as
 * the operation that it is from would have been refused.
 *
 * @module
 */
import type { IamCall } from "../access/iam-access.ts";
import type { Access } from "../access/access.ts";
import type { KeyAction } from "../catalogue/actions.ts";
import { arnOf } from "../keys/key.ts";
import { decide } from "../policy/decide.ts";
import * as check from "../requests/check.ts";
import { fromMarker, toPage } from "../requests/page.ts";
import type { KeyMetadata, Page, PageRequest, Tag } from "../requests/shapes.ts";
import type { LastUseRecord } from "../store/iam-records.ts";
import type { KeyRecord } from "../store/key-record.ts";
import type { Store } from "../store/store.ts";
import { keyMetadata } from "./key-metadata.ts";
import { rotationStatus } from "./rotation.ts";
import { tagList } from "./tags.ts";

export interface KeySummariesResponse extends Page {
  readonly Keys: readonly KeySummary[];
}

/** A key in the list: needs `kms:ListKeys`, and what the caller may not see of a key is absent. */
export interface KeySummary {
  readonly KeyId: string;
  readonly KeyArn: string;
  /** Needs `kms:DescribeKey`. */
  readonly Metadata?: KeyMetadata;
  /** Names, such as `alias/app`: needs `kms:ListAliases`. */
  readonly Aliases?: readonly string[];
  /** Needs `kms:ListResourceTags`. */
  readonly Tags?: readonly Tag[];
  /** Needs `kms:GetKeyRotationStatus`. */
  readonly Rotation?: {
    readonly Enabled: boolean;
    readonly PeriodInDays?: number;
    readonly NextDate?: Date;
  };
  /** Needs `kms:GetKeyLastUsage`. `null`: it has never been used. */
  readonly LastUse?: {
    readonly Operation: string;
    readonly Time: Date;
    /** ARN, or a service's name; absent where the keystore was not told. */
    readonly Principal?: string;
  } | null;
}

/**
 * Lists the keys of the caller's region, oldest first, 100 in a page unless the request says otherwise.
 *
 * @throws {@link KmsError} `AccessDeniedException`, `ValidationException`, `InvalidMarkerException`.
 */
export function keySummaries(call: IamCall, { Limit, Marker }: PageRequest): KeySummariesResponse {
  const limit = check.integer(Limit ?? 100, "limit", 1, 1000);
  const after = Number(fromMarker(Marker, /^[0-9]{1,15}$/) ?? 0);
  call.authorizeOn({ on: "account", action: "ListKeys" });
  const { keys: access, directory } = call;
  const { store } = directory;
  const listing = access.resolve({ on: "account", action: "ListAliases" });
  const seesAliases = access.ask(listing, [], []).decision.allowed;
  const { items, next } = store.keys.list(access.realm.region, after, limit);
  return {
    Keys: items.map((key) => summaryOf(key, access, store, seesAliases)),
    ...toPage(next?.toString()),
  };
}

function summaryOf(key: KeyRecord, access: Access, store: Store, seesAliases: boolean): KeySummary {
  const { realm } = access;
  const may = (action: KeyAction): boolean => decide(access.requestOn(key, action)).allowed;
  const KeyArn = arnOf(key, realm);
  const rotation = key.origin === "EXTERNAL" ? undefined : rotationStatus(key, store);
  return {
    KeyId: key.keyId,
    KeyArn,
    ...(may("DescribeKey") ? { Metadata: keyMetadata(key, realm, store.now()) } : {}),
    ...(seesAliases ? { Aliases: key.aliases.map(({ name }) => name) } : {}),
    ...(may("ListResourceTags") ? { Tags: tagList(key.tags) } : {}),
    ...(rotation !== undefined && may("GetKeyRotationStatus")
      ? { Rotation: rotationOf(rotation) }
      : {}),
    ...(may("GetKeyLastUsage") ? { LastUse: lastUseOf(access.lastUse(KeyArn)) } : {}),
  };
}

function rotationOf(
  status: ReturnType<typeof rotationStatus>,
): NonNullable<KeySummary["Rotation"]> {
  const { KeyRotationEnabled, RotationPeriodInDays, NextRotationDate } = status;
  return {
    Enabled: KeyRotationEnabled,
    ...(RotationPeriodInDays === undefined ? {} : { PeriodInDays: RotationPeriodInDays }),
    ...(NextRotationDate === undefined ? {} : { NextDate: NextRotationDate }),
  };
}

function lastUseOf(use: LastUseRecord | undefined): NonNullable<KeySummary["LastUse"]> | null {
  if (use === undefined) return null;
  const { operation, time, principal } = use;
  return {
    Operation: operation,
    Time: new Date(time),
    ...(principal === undefined ? {} : { Principal: principal }),
  };
}
