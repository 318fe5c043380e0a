/**
 * Users, roles and groups as IAM's actions find, make, describe, list and delete them.
 *
 * Source: the IAM API reference
 *
 * @module
 */
import { checkPrincipal, IamError, type IamCall, type PrincipalRecord } from "@env/kms/server";
import type { Action, Result } from "./action.ts";
import type { Form } from "./form.ts";
import {
  conditionsOf,
  encodeDocument,
  nameOf,
  noSuch,
  pageSize,
  pathOf,
  requireName,
  tagMember,
} from "./resources.ts";
import type { Xml } from "./xml.ts";

export type Type = PrincipalRecord["type"];
export const Kinds = { user: "User", role: "Role", group: "Group" } as const;

/** Finds a principal by its name, and asks whether the caller may do this with it. */
export function found(call: IamCall, form: Form, type: Type): PrincipalRecord {
  const name = nameFor(call, form, type);
  const record = call.directory.principalNamed(type, name);
  call.authorize(`iam:${form.action}`, record?.arn ?? arnOf(call, type, "/", name), {
    tags: record?.tags,
    conditions: { "iam:PermissionsBoundary": boundaryName(record), ...conditionsOf(form) },
  });
  if (record !== undefined) return record;
  throw noSuch(`The ${type} with name ${name} cannot be found.`);
}

/** The name in the form; for a user who calls about themselves it may be left out. */
function nameFor({ caller }: IamCall, form: Form, type: Type): string {
  const given = form.get(`${Kinds[type]}Name`);
  if (given === undefined && type === "user" && caller.type === "user") return nameOf(caller.arn);
  return requireName(form.required(`${Kinds[type]}Name`));
}

function isOwn({ directory }: IamCall, arn: string): boolean {
  return arn.startsWith(`arn:aws:iam::${directory.realm.accountId}:`);
}

function arnOf({ directory }: IamCall, type: string, path: string, name: string): string {
  return `arn:aws:iam::${directory.realm.accountId}:${type}${path}${name}`;
}

/** Changes a principal: everything that is said of it is checked anew. */
export function change(
  call: IamCall,
  record: PrincipalRecord,
  part: Partial<PrincipalRecord>,
): undefined {
  call.directory.putPrincipal(checkPrincipal({ ...record, ...part }));
}

export function create(type: Type): Action["run"] {
  return (call, form) => {
    const name = requireName(form.required(`${Kinds[type]}Name`));
    const path = form.get("Path") ?? "/";
    const arn = arnOf(call, type, path, name);
    const tags = form.tags();
    call.authorize(`iam:${form.action}`, arn, { conditions: conditionsOf(form) });
    if (call.directory.principalNamed(type, name) !== undefined) throw alreadyExists(type, name);
    const role = type === "role" ? { role: roleOf(form) } : {};
    const boundary = form.get("PermissionsBoundary");
    const record = call.directory.putPrincipal(checkPrincipal({ arn, tags, boundary, ...role }));
    return { [Kinds[type]]: describe(record) };
  };
}

function roleOf(form: Form): {
  trust: string;
  maxSession: number | undefined;
  description: string;
} {
  return {
    trust: form.required("AssumeRolePolicyDocument"),
    maxSession: form.integer("MaxSessionDuration"),
    description: form.get("Description") ?? "",
  };
}

/** Deletes a principal that nothing belongs to any more. */
export function remove(type: Type): Action["run"] {
  return (call, form) => {
    const record = found(call, form, type);
    const { arn, policies, attached, groups } = record;
    const { directory } = call;
    const reason =
      policies.length > 0
        ? "must delete policies first."
        : attached.length > 0
          ? "must detach all policies first."
          : type === "user" && directory.accessKeysOf(arn).length > 0
            ? "must delete access keys first."
            : groups.some((group) => directory.store.principals.get(group) !== undefined)
              ? "must remove users from group first."
              : type === "group" && membersOf(call, arn).length > 0
                ? "must remove users from group first."
                : undefined;
    if (reason !== undefined) {
      throw new IamError("DeleteConflict", `Cannot delete entity, ${reason}`, 409);
    }
    directory.deletePrincipal(arn);
    return undefined;
  };
}

/** Gives a user or a group another name or path: the caller needs permission for both ARNs. */
export function rename(type: "user" | "group"): Action["run"] {
  return (call, form) => {
    const record = found(call, form, type);
    const name = requireName(form.get(`New${Kinds[type]}Name`) ?? nameOf(record.arn));
    const arn = arnOf(call, type, form.get("NewPath") ?? pathOf(record.arn), name);
    call.authorize(`iam:${form.action}`, arn, {
      tags: record.tags,
      conditions: { "iam:PermissionsBoundary": boundaryName(record) },
    });
    const other = call.directory.principalNamed(type, name);
    if (other !== undefined && other.arn !== record.arn) throw alreadyExists(type, name);
    call.directory.renamePrincipal(record.arn, checkPrincipal({ ...record, arn }));
    return undefined;
  };
}

function alreadyExists(type: Type, name: string): IamError {
  return new IamError(
    "EntityAlreadyExists",
    `${Kinds[type]} with name ${name} already exists.`,
    409,
  );
}

/** The managed policy that bounds a principal, or the name of the document that does. */
function boundaryName(record: PrincipalRecord | undefined): string | undefined {
  const boundary = record?.boundary;
  return typeof boundary === "object" ? boundary.name : boundary;
}

export function membersOf({ directory }: IamCall, group: string): readonly PrincipalRecord[] {
  return directory.principalsWith(({ groups }) => groups.includes(group));
}

/** A principal as AWS describes it. */
export function describe(record: PrincipalRecord): Result {
  const { arn, type, userId, created, tags, role } = record;
  const boundary = boundaryName(record);
  const kind = Kinds[type];
  return {
    Path: pathOf(arn),
    [`${kind}Name`]: nameOf(arn),
    [`${kind}Id`]: userId,
    Arn: arn,
    CreateDate: new Date(created),
    ...(role === undefined
      ? {}
      : {
          AssumeRolePolicyDocument:
            role.trust === undefined ? undefined : encodeDocument(role.trust),
          Description: role.description === "" ? undefined : role.description,
          MaxSessionDuration: role.maxSession,
        }),
    PermissionsBoundary:
      boundary === undefined
        ? undefined
        : { PermissionsBoundaryType: "Policy", PermissionsBoundaryArn: boundary },
    ...(type === "group" ? {} : tagMember(tags)),
  };
}

export function listAll(type: Type): Action["run"] {
  return (call, form) => {
    call.authorize(`iam:${form.action}`, "*");
    const prefix = form.get("PathPrefix") ?? "/";
    const records = call.directory.principalsWith(
      ({ arn, type: other }) =>
        other === type && isOwn(call, arn) && pathOf(arn).startsWith(prefix),
    );
    return page(form, `${Kinds[type]}s`, records);
  };
}

/** Part of a list in the order of ARNs: a marker is the last one of the page before. */
function page(form: Form, name: string, records: readonly PrincipalRecord[]): Result {
  const limit = pageSize(form);
  const marker = form.get("Marker") ?? "";
  const rest = records.filter(({ arn }) => arn > marker);
  const shown = rest.slice(0, limit);
  const isTruncated = rest.length > limit;
  return {
    [name]: shown.map(describe),
    IsTruncated: isTruncated,
    ...(isTruncated ? { Marker: shown.at(-1)?.arn } : {}),
  };
}

export function whole(name: string, items: readonly Xml[]): Result {
  return { [name]: items, IsTruncated: false };
}
