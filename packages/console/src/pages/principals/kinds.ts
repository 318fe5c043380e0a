/**
 * What IAM calls each kind of record.
 *
 * @module
 */
export const kinds = {
  user: { word: "user", list: "ListUsers", plural: "Users", name: "UserName", type: "User" },
  role: { word: "role", list: "ListRoles", plural: "Roles", name: "RoleName", type: "Role" },
  group: { word: "group", list: "ListGroups", plural: "Groups", name: "GroupName", type: "Group" },
  policy: {
    word: "policy",
    list: "ListPolicies",
    plural: "Policies",
    name: "PolicyName",
    type: "Policy",
  },
} as const;

export type Kind = keyof typeof kinds;

/** The kind and the name in an ARN such as `arn:aws:iam::111122223333:user/team/alice`. */
export function parseArn(arn: string): { readonly kind: Kind; readonly name: string } | undefined {
  const [, kind = "", name = ""] = /^arn:aws:iam::\d{12}:(\w+)\/(?:.*\/)?([^/]+)$/.exec(arn) ?? [];
  return Object.hasOwn(kinds, kind)
    ? // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- It is one of its keys.
      { kind: kind as Kind, name }
    : undefined;
}
