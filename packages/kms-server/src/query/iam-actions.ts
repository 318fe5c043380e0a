/**
 * The actions of IAM that decide who may use keys: users, roles and groups, their policies, managed policies and access keys.
 *
 * Every action is permitted by the policies of whoever calls, on the ARN of what it is about. What is not there is
 * refused after that, so nobody learns more than they may.
 *
 * Source: the IAM API reference
 *
 * @module
 */
import { checkPrincipal, type IamCall, type PrincipalRecord } from "@env/kms/server";
import { reads, writes, type Action, type Result } from "./action.ts";
import type { Form } from "./form.ts";
import { policyActions } from "./policy-actions.ts";
import { QueryError } from "./query-error.ts";
import { encodeDocument, pathOf, nameOf, requireName, tagList } from "./resources.ts";
import type { Xml } from "./xml.ts";

type Type = PrincipalRecord["type"];
const Kinds = { user: "User", role: "Role", group: "Group" } as const;

/** Finds a principal by its name, and asks whether the caller may do this with it. */
function found(call: IamCall, form: Form, type: Type): PrincipalRecord {
  const name = nameFor(call, form, type);
  const { store } = call.directory;
  const plain = arnOf(call, type, "/", name);
  // A principal with a path has another ARN, and its name is unique all the same.
  const record = store.principals.get(plain) ?? byName(call, type, name);
  call.authorize(`iam:${form.action}`, record?.arn ?? plain, {
    tags: record?.tags,
    conditions: { "iam:PolicyARN": form.get("PolicyArn") },
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

function byName(call: IamCall, type: Type, name: string): PrincipalRecord | undefined {
  const isIt = ({ arn, type: other }: PrincipalRecord): boolean =>
    other === type && nameOf(arn) === name && isOwn(call, arn);
  return call.directory.principalsWith(isIt)[0];
}

function isOwn({ directory }: IamCall, arn: string): boolean {
  return arn.startsWith(`arn:aws:iam::${directory.realm.accountId}:`);
}

function arnOf({ directory }: IamCall, type: string, path: string, name: string): string {
  return `arn:aws:iam::${directory.realm.accountId}:${type}${path}${name}`;
}

/** Changes a principal: everything that is said of it is checked anew. */
function change(call: IamCall, record: PrincipalRecord, part: Partial<PrincipalRecord>): undefined {
  call.directory.putPrincipal(checkPrincipal({ ...record, ...part }));
}

function create(type: Type): Action["run"] {
  return (call, form) => {
    const name = requireName(form.required(`${Kinds[type]}Name`));
    const path = form.get("Path") ?? "/";
    const arn = arnOf(call, type, path, name);
    const tags = form.tags();
    call.authorize(`iam:${form.action}`, arn, { conditions: tagConditions(tags) });
    const { store } = call.directory;
    if (store.principals.get(arn) !== undefined || byName(call, type, name) !== undefined) {
      throw new QueryError(
        "EntityAlreadyExists",
        `${Kinds[type]} with name ${name} already exists.`,
        409,
      );
    }
    const role = type === "role" ? { role: roleOf(form) } : {};
    const record = call.directory.putPrincipal(checkPrincipal({ arn, tags, ...role }));
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

function tagConditions(tags: Readonly<Record<string, string>>): Record<string, string | string[]> {
  const entries = Object.entries(tags);
  if (entries.length === 0) return {};
  return {
    ...Object.fromEntries(entries.map(([name, value]) => [`aws:RequestTag/${name}`, value])),
    "aws:TagKeys": entries.map(([name]) => name),
  };
}

/** Deletes a principal that nothing belongs to any more. */
function remove(type: Type): Action["run"] {
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
      throw new QueryError("DeleteConflict", `Cannot delete entity, ${reason}`, 409);
    }
    directory.deletePrincipal(arn);
    return undefined;
  };
}

function membersOf({ directory }: IamCall, group: string): readonly PrincipalRecord[] {
  return directory.principalsWith(({ groups }) => groups.includes(group));
}

/** A principal as AWS describes it. */
function describe({ arn, type, userId, created, tags, role }: PrincipalRecord): Result {
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
    ...(type === "group" || Object.keys(tags).length === 0 ? {} : { Tags: tagList(tags) }),
  };
}

function listAll(type: Type): Action["run"] {
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
  const limit = Math.min(Math.max(form.integer("MaxItems") ?? 100, 1), 1000);
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

function whole(name: string, items: readonly Xml[]): Result {
  return { [name]: items, IsTruncated: false };
}

/** What users, roles and groups have alike. */
function actionsOf(type: Type): [string, Action][] {
  const kind = Kinds[type];
  const name = `${kind}Name`;
  return [
    [
      `Get${kind}`,
      reads(`${name} Marker MaxItems`, (call, form) => {
        const record = found(call, form, type);
        if (type !== "group") return { [kind]: describe(record) };
        return {
          Group: describe(record),
          ...whole("Users", membersOf(call, record.arn).map(describe)),
        };
      }),
    ],
    [`List${kind}s`, reads("PathPrefix Marker MaxItems", listAll(type))],
    [`Delete${kind}`, writes(name, remove(type))],
    [
      `Put${kind}Policy`,
      writes(`${name} PolicyName PolicyDocument`, (call, form) => {
        const record = found(call, form, type);
        const policy = { name: form.required("PolicyName"), text: form.required("PolicyDocument") };
        const others = record.policies.filter((one) => one.name !== policy.name);
        return change(call, record, { policies: [...others, policy] });
      }),
    ],
    [
      `Get${kind}Policy`,
      reads(`${name} PolicyName`, (call, form) => {
        const { arn, policies } = found(call, form, type);
        const { name: policy, text } = inline(policies, form);
        return { [name]: nameOf(arn), PolicyName: policy, PolicyDocument: encodeDocument(text) };
      }),
    ],
    [
      `List${kind}Policies`,
      reads(`${name} Marker MaxItems`, (call, form) =>
        whole(
          "PolicyNames",
          found(call, form, type)
            .policies.map((one) => one.name)
            .toSorted(),
        ),
      ),
    ],
    [
      `Delete${kind}Policy`,
      writes(`${name} PolicyName`, (call, form) => {
        const record = found(call, form, type);
        const gone = inline(record.policies, form);
        return change(call, record, { policies: record.policies.filter((one) => one !== gone) });
      }),
    ],
    [
      `Attach${kind}Policy`,
      writes(`${name} PolicyArn`, (call, form) => {
        const record = found(call, form, type);
        return change(call, record, { attached: [...record.attached, form.required("PolicyArn")] });
      }),
    ],
    [
      `Detach${kind}Policy`,
      writes(`${name} PolicyArn`, (call, form) => {
        const record = found(call, form, type);
        const policy = form.required("PolicyArn");
        if (!record.attached.includes(policy)) throw noSuch(`Policy ${policy} was not found.`);
        return change(call, record, { attached: record.attached.filter((one) => one !== policy) });
      }),
    ],
    [
      `ListAttached${kind}Policies`,
      reads(`${name} PathPrefix Marker MaxItems`, (call, form) =>
        whole(
          "AttachedPolicies",
          found(call, form, type).attached.map((arn) => ({
            PolicyName: nameOf(arn),
            PolicyArn: arn,
          })),
        ),
      ),
    ],
  ];
}

/** What users and roles have, and groups do not. */
function tagActionsOf(type: "user" | "role"): [string, Action][] {
  const kind = Kinds[type];
  const name = `${kind}Name`;
  return [
    [
      `Tag${kind}`,
      writes(`${name} Tags`, (call, form) => {
        const record = found(call, form, type);
        return change(call, record, { tags: { ...record.tags, ...form.tags() } });
      }),
    ],
    [
      `Untag${kind}`,
      writes(`${name} TagKeys`, (call, form) => {
        const record = found(call, form, type);
        const gone = new Set(form.list("TagKeys"));
        const tags = Object.entries(record.tags).filter(([key]) => !gone.has(key));
        return change(call, record, { tags: Object.fromEntries(tags) });
      }),
    ],
    [
      `List${kind}Tags`,
      reads(`${name} Marker MaxItems`, (call, form) =>
        whole("Tags", tagList(found(call, form, type).tags)),
      ),
    ],
  ];
}

function inline(
  policies: PrincipalRecord["policies"],
  form: Form,
): PrincipalRecord["policies"][number] {
  const name = form.required("PolicyName");
  const policy = policies.find((one) => one.name === name);
  if (policy === undefined)
    throw noSuch(`The policy with name ${name.slice(0, 128)} cannot be found.`);
  return policy;
}

/** The user and the group of a membership. Permission is asked for the group. */
function membership(call: IamCall, form: Form): { user: PrincipalRecord; group: string } {
  const { arn: group } = found(call, form, "group");
  const name = requireName(form.required("UserName"));
  const user =
    call.directory.store.principals.get(arnOf(call, "user", "/", name)) ??
    byName(call, "user", name);
  if (user === undefined) throw noSuch(`The user with name ${name} cannot be found.`);
  return { user, group };
}

/** An access key of the user in the form. */
function accessKeyOf(call: IamCall, form: Form): string {
  const { arn } = found(call, form, "user");
  const id = form.required("AccessKeyId");
  if (call.directory.accessKeysOf(arn).some((key) => key.accessKeyId === id)) return id;
  throw noSuch(`The Access Key with id ${id.slice(0, 128)} cannot be found.`);
}

function noSuch(message: string): QueryError {
  return new QueryError("NoSuchEntity", message, 404);
}

export const iamActions: ReadonlyMap<string, Action> = new Map<string, Action>([
  ...(["user", "role", "group"] as const).flatMap(actionsOf),
  ...(["user", "role"] as const).flatMap(tagActionsOf),
  ...policyActions,
  ["CreateUser", writes("UserName Path Tags", create("user"))],
  ["CreateGroup", writes("GroupName Path", create("group"))],
  [
    "CreateRole",
    writes(
      "RoleName Path AssumeRolePolicyDocument Description MaxSessionDuration Tags",
      create("role"),
    ),
  ],
  [
    "UpdateAssumeRolePolicy",
    writes("RoleName PolicyDocument", (call, form) => {
      const record = found(call, form, "role");
      const { maxSession, description } = record.role ?? { maxSession: undefined, description: "" };
      const trust = form.required("PolicyDocument");
      call.directory.putPrincipal(
        checkPrincipal({ ...record, role: { trust, maxSession, description } }),
      );
      return undefined;
    }),
  ],
  [
    "UpdateRole",
    writes("RoleName Description MaxSessionDuration", (call, form) => {
      const record = found(call, form, "role");
      const { trust, maxSession, description } = record.role ?? {};
      const role = {
        trust,
        maxSession: form.integer("MaxSessionDuration") ?? maxSession,
        description: form.get("Description") ?? description,
      };
      call.directory.putPrincipal(checkPrincipal({ ...record, role }));
      return {};
    }),
  ],
  // There are none. Terraform asks before it deletes a role.
  [
    "ListInstanceProfilesForRole",
    reads("RoleName Marker MaxItems", (call, form) => {
      found(call, form, "role");
      return whole("InstanceProfiles", []);
    }),
  ],
  [
    "AddUserToGroup",
    writes("GroupName UserName", (call, form) => {
      const { user, group } = membership(call, form);
      return change(call, user, { groups: [...user.groups, group] });
    }),
  ],
  [
    "RemoveUserFromGroup",
    writes("GroupName UserName", (call, form) => {
      const { user, group } = membership(call, form);
      if (!user.groups.includes(group)) throw noSuch("The user is not in the group.");
      return change(call, user, { groups: user.groups.filter((one) => one !== group) });
    }),
  ],
  [
    "ListGroupsForUser",
    reads("UserName Marker MaxItems", (call, form) => {
      const { groups } = found(call, form, "user");
      const records = groups.flatMap((arn) => call.directory.store.principals.get(arn) ?? []);
      return whole("Groups", records.map(describe));
    }),
  ],
  [
    "CreateAccessKey",
    writes("UserName", (call, form) => {
      const { arn } = found(call, form, "user");
      const { accessKeyId, secret, created } = call.directory.createAccessKey(arn);
      return {
        AccessKey: {
          UserName: nameOf(arn),
          AccessKeyId: accessKeyId,
          Status: "Active",
          SecretAccessKey: secret,
          CreateDate: new Date(created),
        },
      };
    }),
  ],
  [
    "ListAccessKeys",
    reads("UserName Marker MaxItems", (call, form) => {
      const { arn } = found(call, form, "user");
      const keys = call.directory.accessKeysOf(arn);
      return whole(
        "AccessKeyMetadata",
        keys.map(({ accessKeyId, active, created }) => ({
          UserName: nameOf(arn),
          AccessKeyId: accessKeyId,
          Status: active ? "Active" : "Inactive",
          CreateDate: new Date(created),
        })),
      );
    }),
  ],
  [
    "UpdateAccessKey",
    writes("UserName AccessKeyId Status", (call, form) => {
      const id = accessKeyOf(call, form);
      const status = form.required("Status");
      if (status !== "Active" && status !== "Inactive") {
        throw new QueryError("ValidationError", "Status must be Active or Inactive");
      }
      call.directory.setAccessKeyActive(id, status === "Active");
      return undefined;
    }),
  ],
  [
    "DeleteAccessKey",
    writes("UserName AccessKeyId", (call, form) => {
      call.directory.deleteAccessKey(accessKeyOf(call, form));
      return undefined;
    }),
  ],
]);
