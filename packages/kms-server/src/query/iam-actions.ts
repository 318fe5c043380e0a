/**
 * The actions of IAM that decide who may use keys: users, roles and groups, their policies, managed policies, identity
 * providers and access keys.
 *
 * Every action is permitted by the policies of whoever calls, on the ARN of what it is about. What is not there is
 * refused after that, so nobody learns more than they may.
 *
 * Source: the IAM API reference
 *
 * @module
 */
import { checkPrincipal, IamError, type IamCall, type PrincipalRecord } from "@env/kms/server";
import { reads, writes, type Action } from "./action.ts";
import type { Form } from "./form.ts";
import { policyActions } from "./policy-actions.ts";
import { providerActions } from "./provider-actions.ts";
import {
  change,
  create,
  describe,
  found,
  Kinds,
  listAll,
  membersOf,
  remove,
  rename,
  whole,
  type Type,
} from "./principals.ts";
import { encodeDocument, nameOf, noSuch, requireName, tagList, untagged } from "./resources.ts";

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
      reads(`${name} Marker MaxItems`, (call, form) =>
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
function ownActionsOf(type: "user" | "role"): [string, Action][] {
  const kind = Kinds[type];
  const name = `${kind}Name`;
  return [
    [
      `Put${kind}PermissionsBoundary`,
      writes(`${name} PermissionsBoundary`, (call, form) => {
        const record = found(call, form, type);
        return change(call, record, { boundary: form.required("PermissionsBoundary") });
      }),
    ],
    [
      `Delete${kind}PermissionsBoundary`,
      writes(name, (call, form) => {
        const record = found(call, form, type);
        if (record.boundary === undefined) {
          throw noSuch(`${kind} ${nameOf(record.arn)} does not have a permissions boundary.`);
        }
        return change(call, record, { boundary: undefined });
      }),
    ],
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
        return change(call, record, { tags: untagged(record.tags, form) });
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
  const user = call.directory.principalNamed("user", name);
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

export const iamActions: ReadonlyMap<string, Action> = new Map<string, Action>([
  ...(["user", "role", "group"] as const).flatMap(actionsOf),
  ...(["user", "role"] as const).flatMap(ownActionsOf),
  ...policyActions,
  ...providerActions,
  ["CreateUser", writes("UserName Path PermissionsBoundary Tags", create("user"))],
  ["CreateGroup", writes("GroupName Path", create("group"))],
  ["UpdateUser", writes("UserName NewUserName NewPath", rename("user"))],
  ["UpdateGroup", writes("GroupName NewGroupName NewPath", rename("group"))],
  [
    "CreateRole",
    writes(
      "RoleName Path AssumeRolePolicyDocument Description MaxSessionDuration PermissionsBoundary Tags",
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
        throw new IamError("ValidationError", "Status must be Active or Inactive");
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
