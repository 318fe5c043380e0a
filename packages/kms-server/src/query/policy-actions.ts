/**
 * The actions on managed policies.
 *
 * @module
 */
import { IamError, type IamCall, type PolicyRecord, type PrincipalRecord } from "@env/kms/server";
import { reads, writes, type Action, type Result } from "./action.ts";
import type { Form } from "./form.ts";
import {
  conditionsOf,
  encodeDocument,
  nameOf,
  noSuch,
  pageSize,
  pathOf,
  requireName,
  tagList,
  tagMember,
  untagged,
} from "./resources.ts";

/** Finds a policy by its ARN, and asks whether the caller may do this with it. */
function found(call: IamCall, form: Form): PolicyRecord {
  const arn = form.required("PolicyArn");
  const record = call.directory.store.policies.get(arn);
  call.authorize(`iam:${form.action}`, arn, {
    tags: record?.tags,
    conditions: conditionsOf(form),
  });
  if (record !== undefined) return record;
  throw noSuch(`Policy ${arn.slice(0, 600)} was not found.`);
}

const USES = ["PermissionsPolicy", "PermissionsBoundary"] as const;
type Use = (typeof USES)[number];

/** The policies that a principal refers to in some way. */
function usedBy({ attached, boundary }: PrincipalRecord, use: Use): readonly string[] {
  if (use === "PermissionsPolicy") return attached;
  return typeof boundary === "string" ? [boundary] : [];
}

function users(call: IamCall, arn: string, uses: readonly Use[]): readonly PrincipalRecord[] {
  return call.directory.principalsWith((one) => uses.some((use) => usedBy(one, use).includes(arn)));
}

/** How often each policy is used in some way. */
type Counts = Readonly<Record<Use, ReadonlyMap<string, number>>>;

/** Counts after one look at all principals. */
function counted(call: IamCall): Counts {
  const all = call.directory.principalsWith(() => true);
  const of = (use: Use): ReadonlyMap<string, number> => {
    const counts = new Map<string, number>();
    for (const arn of all.flatMap((one) => usedBy(one, use))) {
      counts.set(arn, (counts.get(arn) ?? 0) + 1);
    }
    return counts;
  };
  return {
    PermissionsPolicy: of("PermissionsPolicy"),
    PermissionsBoundary: of("PermissionsBoundary"),
  };
}

function describe(record: PolicyRecord, counts?: Counts): Result {
  const { arn, policyId, created, updated, description, tags, defaultVersion } = record;
  return {
    PolicyName: nameOf(arn),
    PolicyId: policyId,
    Arn: arn,
    Path: pathOf(arn),
    DefaultVersionId: `v${defaultVersion}`,
    AttachmentCount: counts?.PermissionsPolicy.get(arn) ?? 0,
    PermissionsBoundaryUsageCount: counts?.PermissionsBoundary.get(arn) ?? 0,
    IsAttachable: true,
    Description: description === "" ? undefined : description,
    CreateDate: new Date(created),
    UpdateDate: new Date(updated),
    ...tagMember(tags),
  };
}

type Version = PolicyRecord["versions"][number];

function describeVersion({ defaultVersion }: PolicyRecord, { number, created }: Version): Result {
  return {
    VersionId: `v${number}`,
    IsDefaultVersion: number === defaultVersion,
    CreateDate: new Date(created),
  };
}

function versionOf({ versions }: PolicyRecord, form: Form): Version {
  const id = form.required("VersionId");
  const version = versions.find(({ number }) => `v${number}` === id);
  if (version === undefined) throw noSuch(`Policy version ${id.slice(0, 20)} was not found.`);
  return version;
}

function conflict(message: string): IamError {
  return new IamError("DeleteConflict", message, 409);
}

export const policyActions: readonly (readonly [string, Action])[] = [
  [
    "CreatePolicy",
    writes("PolicyName Path PolicyDocument Description Tags", (call, form) => {
      const { store, realm } = call.directory;
      const name = requireName(form.required("PolicyName"));
      const arn = `arn:aws:iam::${realm.accountId}:policy${form.get("Path") ?? "/"}${name}`;
      call.authorize("iam:CreatePolicy", arn, { conditions: conditionsOf(form) });
      if (store.policies.get(arn) !== undefined) {
        throw new IamError(
          "EntityAlreadyExists",
          `A policy called ${name} already exists. Duplicate names are not allowed.`,
          409,
        );
      }
      const facts = { description: form.get("Description") ?? "", tags: form.tags() };
      const record = call.directory.createPolicy(arn, facts, form.required("PolicyDocument"));
      return { Policy: describe(record) };
    }),
  ],
  [
    "GetPolicy",
    reads("PolicyArn", (call, form) => ({
      Policy: describe(found(call, form), counted(call)),
    })),
  ],
  [
    "ListPolicies",
    reads("Scope Marker MaxItems", (call, form) => {
      call.authorize("iam:ListPolicies", "*");
      // There are no policies of AWS.
      if (form.get("Scope") === "AWS") return { Policies: [], IsTruncated: false };
      const { items, next } = call.directory.store.policies.list(
        form.get("Marker") ?? "",
        pageSize(form),
      );
      const counts = counted(call);
      return {
        Policies: items.map((record) => describe(record, counts)),
        IsTruncated: next !== undefined,
        Marker: next,
      };
    }),
  ],
  [
    "DeletePolicy",
    writes("PolicyArn", (call, form) => {
      const { arn, versions } = found(call, form);
      if (users(call, arn, USES).length > 0)
        throw conflict("Cannot delete a policy attached to entities.");
      if (versions.length > 1) {
        throw conflict(
          "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
        );
      }
      call.directory.store.policies.delete(arn);
      return undefined;
    }),
  ],
  [
    "CreatePolicyVersion",
    writes("PolicyArn PolicyDocument SetAsDefault", (call, form) => {
      const { arn } = found(call, form);
      const record = call.directory.createPolicyVersion(
        arn,
        form.required("PolicyDocument"),
        form.get("SetAsDefault") === "true",
      );
      const version = record.versions.at(-1);
      return version && { PolicyVersion: describeVersion(record, version) };
    }),
  ],
  [
    "GetPolicyVersion",
    reads("PolicyArn VersionId", (call, form) => {
      const record = found(call, form);
      const version = versionOf(record, form);
      return {
        PolicyVersion: {
          Document: encodeDocument(version.text),
          ...describeVersion(record, version),
        },
      };
    }),
  ],
  [
    "ListPolicyVersions",
    reads("PolicyArn Marker MaxItems", (call, form) => {
      const record = found(call, form);
      return {
        Versions: record.versions.toReversed().map((one) => describeVersion(record, one)),
        IsTruncated: false,
      };
    }),
  ],
  [
    "SetDefaultPolicyVersion",
    writes("PolicyArn VersionId", (call, form) => {
      const record = found(call, form);
      call.directory.putPolicy({ ...record, defaultVersion: versionOf(record, form).number });
      return undefined;
    }),
  ],
  [
    "DeletePolicyVersion",
    writes("PolicyArn VersionId", (call, form) => {
      const record = found(call, form);
      const gone = versionOf(record, form);
      if (gone.number === record.defaultVersion)
        throw conflict("Cannot delete the default version of a policy.");
      call.directory.putPolicy({
        ...record,
        versions: record.versions.filter((one) => one !== gone),
      });
      return undefined;
    }),
  ],
  [
    "ListEntitiesForPolicy",
    reads("PolicyArn PolicyUsageFilter Marker MaxItems", (call, form) => {
      const { arn } = found(call, form);
      const filter = form.get("PolicyUsageFilter");
      const all = users(
        call,
        arn,
        USES.filter((use) => filter === undefined || use === filter),
      );
      const of = (type: PrincipalRecord["type"], kind: string): Result[] =>
        all
          .filter((one) => one.type === type)
          .map((one) => ({ [`${kind}Name`]: nameOf(one.arn), [`${kind}Id`]: one.userId }));
      return {
        PolicyGroups: of("group", "Group"),
        PolicyUsers: of("user", "User"),
        PolicyRoles: of("role", "Role"),
        IsTruncated: false,
      };
    }),
  ],
  [
    "TagPolicy",
    writes("PolicyArn Tags", (call, form) => {
      const record = found(call, form);
      call.directory.putPolicy({ ...record, tags: { ...record.tags, ...form.tags() } });
      return undefined;
    }),
  ],
  [
    "UntagPolicy",
    writes("PolicyArn TagKeys", (call, form) => {
      const record = found(call, form);
      call.directory.putPolicy({ ...record, tags: untagged(record.tags, form) });
      return undefined;
    }),
  ],
  [
    "ListPolicyTags",
    reads("PolicyArn Marker MaxItems", (call, form) => ({
      Tags: tagList(found(call, form).tags),
      IsTruncated: false,
    })),
  ],
];
