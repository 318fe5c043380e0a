/**
 * Grants: permissions on one key for one principal, given and taken back without touching a policy.
 *
 * @module
 */
import type { Context } from "@env/core";
import { notFoundGrant } from "../access/access.ts";
import {
  grantFacts,
  parseConstraints,
  parseOperations,
  parseParty,
  requireParty,
  requireServiceTerms,
  type GrantParty,
} from "../access/wanted-grant.ts";
import { accountRoot, keyArn, type Realm } from "../arn.ts";
import * as check from "../requests/check.ts";
import { KmsError } from "../catalogue/errors.ts";
import {
  constraintType,
  newGrantId,
  newGrantToken,
  requireFittingOperations,
  withGrant,
  withoutGrant,
  withToken,
} from "../keys/grant-records.ts";
import { fromMarker, toPage } from "../requests/page.ts";
import type { Grant } from "../policy/request.ts";
import type { GrantConstraints, GrantListEntry } from "../requests/shapes.ts";
import type { KeyRecord } from "../store/key-record.ts";
import { operation, type Implementations } from "./operation.ts";

/** Keys that one call of ListRetirableGrants looks through: there is no index of grants. */
const SCANNED_KEYS = 1000;

/** Creates a grant. A request with a name that is repeated gets the same grant and another token. */
const createGrant = operation("CreateGrant", {
  parse: (request) => {
    const { GranteePrincipal, GranteeServicePrincipal } = request;
    const { RetiringPrincipal, RetiringServicePrincipal } = request;
    const wanted = check.all({
      keyId: () => check.requireKeyId(request.KeyId),
      grantee: () => requireParty({ GranteePrincipal, GranteeServicePrincipal }),
      retiring: () => parseParty({ RetiringPrincipal, RetiringServicePrincipal }),
      operations: () => parseOperations(request.Operations),
      constraints: () => parseConstraints(request.Constraints),
      name: () => check.grantName(request.Name),
    });
    requireServiceTerms(wanted);
    return wanted;
  },
  questions: ({ keyId, ...wanted }) => ({
    key: {
      on: "key",
      action: "CreateGrant",
      keyId,
      ...grantFacts(wanted),
    } as const,
  }),
  run: (call, input, { key }) => {
    const { store, access, now, grantDelay } = call;
    const { name, grantee, retiring, operations, constraints } = input;
    requireFittingOperations(key, operations);
    if (constraintType(constraints) !== undefined && key.keySpec !== "SYMMETRIC_DEFAULT") {
      throw new KmsError(
        "ValidationException",
        "Encryption context constraints are only for symmetric encryption keys.",
      );
    }
    const wanted: Grant = {
      grantId: newGrantId(),
      ...(name === undefined ? {} : { name }),
      created: now,
      effective: now + grantDelay,
      grantee: grantee.name,
      ...(grantee.isService ? { granteeIsService: true } : {}),
      ...(retiring === undefined ? {} : { retiring: retiring.name }),
      ...(retiring?.isService === true ? { retiringIsService: true } : {}),
      issuingAccount: accountRoot(access.caller.accountId),
      operations,
      ...(constraints === undefined ? {} : { constraints }),
      tokenHashes: [],
    };
    const grant = key.grants.find((one) => isSameRequest(one, wanted)) ?? wanted;
    const GrantToken = newGrantToken(key, grant.grantId);
    store.keys.update(withGrant(key, withToken(grant, GrantToken)));
    return { GrantId: grant.grantId, GrantToken };
  },
});

/** Lists the grants of a key, oldest first. */
const listGrants = operation("ListGrants", {
  parse: (request) =>
    check.all({
      keyId: () => check.requireKeyId(request.KeyId),
      grantId: () =>
        request.GrantId === undefined ? undefined : check.text(request.GrantId, "grantId", 1, 128),
      grantee: () => parseParty({ GranteePrincipal: request.GranteePrincipal }),
      service: () => parseParty({ GranteeServicePrincipal: request.GranteeServicePrincipal }),
      limit: () => check.integer(request.Limit ?? 50, "limit", 1, 100),
      after: () => fromMarker(request.Marker, GRANT_POSITION) ?? "",
    }),
  questions: ({ keyId }) => ({
    key: { on: "key", action: "ListGrants", keyId } as const,
  }),
  run: ({ realm }, { grantId, grantee, service, limit, after }, { key }) => {
    const left = key.grants
      .filter((grant) => grantId === undefined || grant.grantId === grantId)
      .filter((grant) => [grantee, service].every((one) => one === undefined || isFor(grant, one)))
      .filter((grant) => positionOf(grant) > after)
      .toSorted((a, b) => (positionOf(a) < positionOf(b) ? -1 : 1));
    const grants = left.slice(0, limit);
    const last = left.length > limit ? grants.at(-1) : undefined;
    return {
      Grants: grants.map((grant) => grantEntry(key, grant, realm)),
      ...toPage(last && positionOf(last)),
    };
  },
});

/** Lists the grants of all keys that a principal may retire. A page may be short, or even empty. */
const listRetirableGrants = operation("ListRetirableGrants", {
  parse: ({ RetiringPrincipal, RetiringServicePrincipal, Limit, Marker }) => {
    const { position, ...rest } = check.all({
      retiring: () => requireParty({ RetiringPrincipal, RetiringServicePrincipal }),
      limit: () => check.integer(Limit ?? 50, "limit", 1, 100),
      position: () => fromMarker(Marker, /^[0-9]{1,15}\.[0-9]{1,6}$/),
    });
    const [seq = "0", skip = "0"] = position?.split(".") ?? [];
    return { ...rest, after: Number(seq), skip: Number(skip) };
  },
  questions: ({ retiring }) => ({
    account: { on: "account", action: "ListRetirableGrants", resource: retiring.name } as const,
  }),
  run: ({ store, access, realm }, { retiring, limit, after, skip }) => {
    if (retiring.isService && access.caller.arn !== retiring.name) {
      throw new KmsError(
        "ValidationException",
        "RetiringServicePrincipal can be used only by the service itself.",
      );
    }
    const Grants: GrantListEntry[] = [];
    let position = after;
    let passed = skip;
    for (let scanned = 0; scanned < SCANNED_KEYS; scanned++) {
      const { items, next } = store.keys.list(realm.region, position, 1);
      for (const record of items) {
        const found = record.grants.filter((grant) => mayRetire(grant, retiring)).slice(passed);
        const taken = found.slice(0, limit - Grants.length);
        Grants.push(...taken.map((grant) => grantEntry(record, grant, realm)));
        if (taken.length < found.length) {
          return { Grants, ...toPage(`${position}.${passed + taken.length}`) };
        }
      }
      if (next === undefined) return { Grants, ...toPage(undefined) };
      position = next;
      passed = 0;
    }
    return { Grants, ...toPage(`${position}.0`) };
  },
});

/** Retires a grant: for its retiring principal, its grantee if it may, and the account that issued it. */
const retireGrant = operation("RetireGrant", {
  parse: ({ GrantToken, KeyId, GrantId }) => {
    const byToken = GrantToken !== undefined;
    if (byToken === (KeyId !== undefined || GrantId !== undefined)) {
      throw new KmsError(
        "ValidationException",
        "You must specify either a grant token, or both a key ARN and a grant ID.",
      );
    }
    if (byToken) return { token: check.text(GrantToken, "grantToken", 1, 8192) };
    return check.all({
      keyId: () => check.requireKeyId(KeyId),
      grantId: () => check.text(GrantId, "grantId", 1, 128),
    });
  },
  questions: (grant) => ({ held: { on: "grant", action: "RetireGrant", grant } as const }),
  run: ({ store }, _, { held: { key, grant } }): void => {
    store.keys.update(withoutGrant(key, grant.grantId));
  },
});

/** Revokes a grant, for whoever may do so with the key. */
const revokeGrant = operation("RevokeGrant", {
  parse: ({ KeyId, GrantId }) =>
    check.all({
      keyId: () => check.requireKeyId(KeyId),
      grantId: () => check.text(GrantId, "grantId", 1, 128),
    }),
  questions: ({ keyId }) => ({
    key: { on: "key", action: "RevokeGrant", keyId } as const,
  }),
  run: ({ store }, { grantId }, { key }): void => {
    if (!key.grants.some((grant) => grant.grantId === grantId)) throw notFoundGrant(grantId);
    store.keys.update(withoutGrant(key, grantId));
  },
});

export const implementations: Implementations<
  "CreateGrant" | "ListGrants" | "ListRetirableGrants" | "RetireGrant" | "RevokeGrant"
> = { createGrant, listGrants, listRetirableGrants, retireGrant, revokeGrant };

const GRANT_POSITION = /^[0-9]{15}\.[0-9a-f]{64}$/;

/** Sorts by time of creation, and distinguishes grants of one millisecond. */
function positionOf({ created, grantId }: Grant): string {
  return `${String(created).padStart(15, "0")}.${grantId}`;
}

/** Whether a named grant was made by a request with the same members. */
function isSameRequest(grant: Grant, wanted: Grant): boolean {
  if (wanted.name === undefined || grant.name !== wanted.name) return false;
  return identity(grant) === identity(wanted);
}

/** Whether the party is the grantee, by the same member. */
function isFor({ grantee, granteeIsService }: Grant, party: GrantParty): boolean {
  return grantee === party.name && (granteeIsService ?? false) === party.isService;
}

function mayRetire({ retiring, retiringIsService }: Grant, party: GrantParty): boolean {
  return retiring === party.name && (retiringIsService ?? false) === party.isService;
}

function identity(grant: Grant): string {
  const { grantee, granteeIsService, retiring, retiringIsService } = grant;
  const { issuingAccount, operations, constraints } = grant;
  return JSON.stringify([
    grantee,
    granteeIsService,
    retiring,
    retiringIsService,
    issuingAccount,
    operations.toSorted(),
    pairs(constraints?.encryptionContextEquals),
    pairs(constraints?.encryptionContextSubset),
    constraints?.sourceArn,
  ]);
}

function pairs(context: Context | undefined): unknown {
  return context && Object.entries(context).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** A grant as it is listed. */
function grantEntry(record: KeyRecord, grant: Grant, realm: Realm): GrantListEntry {
  const { grantee, granteeIsService, retiring, retiringIsService, constraints } = grant;
  return {
    KeyId: keyArn(realm, record.keyId),
    GrantId: grant.grantId,
    Name: grant.name ?? "",
    CreationDate: new Date(grant.created),
    [granteeIsService === true ? "GranteeServicePrincipal" : "GranteePrincipal"]: grantee,
    ...(retiring === undefined
      ? {}
      : {
          [retiringIsService === true ? "RetiringServicePrincipal" : "RetiringPrincipal"]: retiring,
        }),
    IssuingAccount: grant.issuingAccount,
    Operations: [...grant.operations],
    ...(constraints === undefined ? {} : { Constraints: listed(constraints) }),
  };
}

function listed(constraints: NonNullable<Grant["constraints"]>): GrantConstraints {
  const { encryptionContextEquals: equals, encryptionContextSubset: subset } = constraints;
  const { sourceArn: SourceArn } = constraints;
  return {
    ...(equals === undefined ? {} : { EncryptionContextEquals: { ...equals } }),
    ...(subset === undefined ? {} : { EncryptionContextSubset: { ...subset } }),
    ...(SourceArn === undefined ? {} : { SourceArn }),
  };
}
