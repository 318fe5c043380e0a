import { IAM, IAMServiceException } from "@aws-sdk/client-iam";
import { rejection } from "@env/testkit/refusal";
import { expect, it, onTestFinished } from "vitest";
import { iamActions } from "../../src/query/iam-actions.ts";
import { commandsOf, strictServer } from "../support/server.ts";

const ACCOUNT = "arn:aws:iam::000000000000";
const POLICY = `${ACCOUNT}:policy/keys/use`;
const text = (action: string): string =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action: action, Resource: "*" }],
  });
const trust = (user: string): string =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      { Effect: "Allow", Principal: { AWS: `${ACCOUNT}:${user}` }, Action: "sts:AssumeRole" },
    ],
  });
const aDate: unknown = expect.any(Date);
const tags = [{ Key: "team", Value: "orders & more" }];

/** AWS's client for IAM as the account's root, and the actions that it has called. */
async function client(): Promise<{ readonly iam: IAM; readonly called: ReadonlySet<string> }> {
  const { url, credentials } = await strictServer();
  const iam = new IAM({ endpoint: url, region: "local", credentials, maxAttempts: 1 });
  onTestFinished(() => iam.destroy());
  return { iam, called: commandsOf(iam) };
}

/** An answer without what the client adds. */
async function answer(call: Promise<{ $metadata: object }>): Promise<object> {
  const { $metadata: _, ...rest } = await call;
  return rest;
}

it("serves every action that it offers to AWS's SDK", async () => {
  const { iam, called } = await client();
  await users(iam);
  await policies(iam);
  await groups(iam);
  await roles(iam);
  await providers(iam);
  expect([...called].toSorted()).toEqual([...iamActions.keys()].toSorted());
});

async function users(iam: IAM): Promise<void> {
  const UserName = "alice";
  const User = {
    Arn: `${ACCOUNT}:user/team/alice`,
    UserName,
    Path: "/team/",
    UserId: expect.stringMatching(/^AIDA[A-Z2-7]{17}$/),
    CreateDate: aDate,
  };
  const made = iam.createUser({ UserName, Path: "/team/", Tags: tags });
  expect(await answer(made)).toEqual({ User: { ...User, Tags: tags } });
  expect(await answer(iam.getUser({ UserName }))).toEqual({ User: { ...User, Tags: tags } });
  expect(await answer(iam.listUsers({ PathPrefix: "/team/" }))).toEqual({
    Users: [{ ...User, Tags: tags }],
    IsTruncated: false,
  });
  await iam.tagUser({ UserName, Tags: [{ Key: "stage", Value: "" }] });
  await iam.untagUser({ UserName, TagKeys: ["team"] });
  expect(await answer(iam.listUserTags({ UserName }))).toEqual({
    Tags: [{ Key: "stage", Value: "" }],
    IsTruncated: false,
  });

  await iam.putUserPolicy({ UserName, PolicyName: "p", PolicyDocument: text("kms:List*") });
  const inline = await answer(iam.getUserPolicy({ UserName, PolicyName: "p" }));
  expect(inline).toEqual({ UserName, PolicyName: "p", PolicyDocument: encoded(text("kms:List*")) });
  expect(await answer(iam.listUserPolicies({ UserName }))).toEqual({
    PolicyNames: ["p"],
    IsTruncated: false,
  });
  await iam.deleteUserPolicy({ UserName, PolicyName: "p" });

  const { AccessKey } = await iam.createAccessKey({ UserName });
  expect(AccessKey).toEqual({
    UserName,
    AccessKeyId: expect.stringMatching(/^AKIA[A-Z2-7]{16}$/),
    SecretAccessKey: expect.stringMatching(/^[\w+/]{40}$/),
    Status: "Active",
    CreateDate: aDate,
  });
  const AccessKeyId = AccessKey?.AccessKeyId;
  await iam.updateAccessKey({ UserName, AccessKeyId, Status: "Inactive" });
  expect(await answer(iam.listAccessKeys({ UserName }))).toEqual({
    AccessKeyMetadata: [{ UserName, AccessKeyId, Status: "Inactive", CreateDate: aDate }],
    IsTruncated: false,
  });
  await iam.updateUser({ UserName, NewUserName: "bob", NewPath: "/" });
  const bob = { ...User, Arn: `${ACCOUNT}:user/bob`, UserName: "bob", Path: "/" };
  expect((await iam.getUser({ UserName: "bob" })).User).toMatchObject(bob);
  expect((await iam.listAccessKeys({ UserName: "bob" })).AccessKeyMetadata).toHaveLength(1);
  await iam.updateUser({ UserName: "bob", NewUserName: UserName, NewPath: "/team/" });
  await iam.deleteAccessKey({ UserName, AccessKeyId });
}

async function policies(iam: IAM): Promise<void> {
  const PolicyArn = POLICY;
  const Policy = {
    Arn: POLICY,
    PolicyName: "use",
    Path: "/keys/",
    PolicyId: expect.stringMatching(/^ANPA[A-Z2-7]{17}$/),
    Description: "uses keys",
    DefaultVersionId: "v1",
    AttachmentCount: 0,
    PermissionsBoundaryUsageCount: 0,
    IsAttachable: true,
    CreateDate: aDate,
    UpdateDate: aDate,
  };
  const made = iam.createPolicy({
    PolicyName: "use",
    Path: "/keys/",
    PolicyDocument: text("kms:List*"),
    Description: "uses keys",
  });
  expect(await answer(made)).toEqual({ Policy });
  await iam.tagPolicy({ PolicyArn, Tags: [...tags, { Key: "x", Value: "y" }] });
  await iam.untagPolicy({ PolicyArn, TagKeys: ["x"] });
  expect(await answer(iam.listPolicyTags({ PolicyArn }))).toEqual({
    Tags: tags,
    IsTruncated: false,
  });

  const v2 = { VersionId: "v2", IsDefaultVersion: true, CreateDate: aDate };
  const version = iam.createPolicyVersion({
    PolicyArn,
    PolicyDocument: text("kms:Describe*"),
    SetAsDefault: true,
  });
  expect(await answer(version)).toEqual({ PolicyVersion: v2 });
  expect(await answer(iam.getPolicyVersion({ PolicyArn, VersionId: "v2" }))).toEqual({
    PolicyVersion: { ...v2, Document: encoded(text("kms:Describe*")) },
  });
  await iam.setDefaultPolicyVersion({ PolicyArn, VersionId: "v1" });
  expect(await answer(iam.listPolicyVersions({ PolicyArn }))).toEqual({
    Versions: [
      { ...v2, IsDefaultVersion: false },
      { ...v2, VersionId: "v1" },
    ],
    IsTruncated: false,
  });
  await iam.deletePolicyVersion({ PolicyArn, VersionId: "v2" });

  const UserName = "alice";
  await iam.attachUserPolicy({ UserName, PolicyArn });
  const used = { ...Policy, AttachmentCount: 1, Tags: tags };
  expect(await answer(iam.getPolicy({ PolicyArn }))).toEqual({ Policy: used });
  expect((await iam.listPolicies({ Scope: "Local" })).Policies).toEqual([used]);
  expect(await answer(iam.listAttachedUserPolicies({ UserName }))).toEqual({
    AttachedPolicies: [{ PolicyName: "use", PolicyArn }],
    IsTruncated: false,
  });
  expect(await answer(iam.listEntitiesForPolicy({ PolicyArn }))).toEqual({
    PolicyUsers: [{ UserName, UserId: expect.any(String) }],
    PolicyGroups: [],
    PolicyRoles: [],
    IsTruncated: false,
  });
  await iam.detachUserPolicy({ UserName, PolicyArn });

  await iam.putUserPermissionsBoundary({ UserName, PermissionsBoundary: POLICY });
  const PermissionsBoundary = {
    PermissionsBoundaryType: "Policy",
    PermissionsBoundaryArn: POLICY,
  };
  expect((await iam.getUser({ UserName })).User).toMatchObject({ PermissionsBoundary });
  expect((await iam.getPolicy({ PolicyArn })).Policy).toMatchObject({
    AttachmentCount: 0,
    PermissionsBoundaryUsageCount: 1,
  });
  const bounded = iam.listEntitiesForPolicy({
    PolicyArn,
    PolicyUsageFilter: "PermissionsBoundary",
  });
  expect((await bounded).PolicyUsers).toMatchObject([{ UserName }]);
  const attached = iam.listEntitiesForPolicy({ PolicyArn, PolicyUsageFilter: "PermissionsPolicy" });
  expect((await attached).PolicyUsers).toEqual([]);
  expect((await rejection(iam.deletePolicy({ PolicyArn }))).name).toBe("DeleteConflictException");
  await iam.deleteUserPermissionsBoundary({ UserName });
  expect((await iam.getUser({ UserName })).User).not.toHaveProperty("PermissionsBoundary");
}

async function groups(iam: IAM): Promise<void> {
  const GroupName = "developers";
  const Group = {
    Arn: `${ACCOUNT}:group/developers`,
    GroupName,
    Path: "/",
    GroupId: expect.stringMatching(/^AGPA[A-Z2-7]{17}$/),
    CreateDate: aDate,
  };
  expect(await answer(iam.createGroup({ GroupName }))).toEqual({ Group });
  await iam.addUserToGroup({ GroupName, UserName: "alice" });
  expect(await answer(iam.getGroup({ GroupName }))).toEqual({
    Group,
    Users: [expect.objectContaining({ UserName: "alice" })],
    IsTruncated: false,
  });
  expect((await iam.listGroups({})).Groups).toEqual([Group]);
  expect((await iam.listGroupsForUser({ UserName: "alice" })).Groups).toEqual([Group]);
  await iam.updateGroup({ GroupName, NewGroupName: "team" });
  expect((await iam.listGroupsForUser({ UserName: "alice" })).Groups).toEqual([
    { ...Group, GroupName: "team", Arn: `${ACCOUNT}:group/team` },
  ]);
  await iam.updateGroup({ GroupName: "team", NewGroupName: GroupName });
  await iam.removeUserFromGroup({ GroupName, UserName: "alice" });

  await iam.putGroupPolicy({ GroupName, PolicyName: "p", PolicyDocument: text("kms:*") });
  expect((await iam.getGroupPolicy({ GroupName, PolicyName: "p" })).GroupName).toBe(GroupName);
  expect((await iam.listGroupPolicies({ GroupName })).PolicyNames).toEqual(["p"]);
  await iam.deleteGroupPolicy({ GroupName, PolicyName: "p" });
  await iam.attachGroupPolicy({ GroupName, PolicyArn: POLICY });
  const attached = await iam.listAttachedGroupPolicies({ GroupName });
  expect(attached.AttachedPolicies).toEqual([{ PolicyName: "use", PolicyArn: POLICY }]);
  await iam.detachGroupPolicy({ GroupName, PolicyArn: POLICY });
  await iam.deleteGroup({ GroupName });
}

async function roles(iam: IAM): Promise<void> {
  const RoleName = "app";
  const Role = {
    Arn: `${ACCOUNT}:role/app`,
    RoleName,
    Path: "/",
    RoleId: expect.stringMatching(/^AROA[A-Z2-7]{17}$/),
    AssumeRolePolicyDocument: encoded(trust("user/team/alice")),
    Description: "the app",
    MaxSessionDuration: 7200,
    CreateDate: aDate,
  };
  const made = iam.createRole({
    RoleName,
    AssumeRolePolicyDocument: trust("user/team/alice"),
    Description: "the app",
    MaxSessionDuration: 7200,
  });
  expect(await answer(made)).toEqual({ Role });
  expect(await answer(iam.getRole({ RoleName }))).toEqual({ Role });
  await iam.updateRole({ RoleName, MaxSessionDuration: 3600 });
  await iam.updateAssumeRolePolicy({ RoleName, PolicyDocument: trust("root") });
  expect((await iam.listRoles({})).Roles).toEqual([
    {
      ...Role,
      MaxSessionDuration: 3600,
      AssumeRolePolicyDocument: encoded(trust("root")),
    },
  ]);
  await iam.putRolePermissionsBoundary({ RoleName, PermissionsBoundary: POLICY });
  expect((await iam.getRole({ RoleName })).Role?.PermissionsBoundary).toEqual({
    PermissionsBoundaryType: "Policy",
    PermissionsBoundaryArn: POLICY,
  });
  await iam.deleteRolePermissionsBoundary({ RoleName });
  await iam.tagRole({ RoleName, Tags: tags });
  expect((await iam.listRoleTags({ RoleName })).Tags).toEqual(tags);
  await iam.untagRole({ RoleName, TagKeys: ["team"] });

  await iam.putRolePolicy({ RoleName, PolicyName: "p", PolicyDocument: text("kms:*") });
  expect((await iam.getRolePolicy({ RoleName, PolicyName: "p" })).RoleName).toBe(RoleName);
  expect((await iam.listRolePolicies({ RoleName })).PolicyNames).toEqual(["p"]);
  await iam.deleteRolePolicy({ RoleName, PolicyName: "p" });
  await iam.attachRolePolicy({ RoleName, PolicyArn: POLICY });
  const attached = await iam.listAttachedRolePolicies({ RoleName });
  expect(attached.AttachedPolicies).toEqual([{ PolicyName: "use", PolicyArn: POLICY }]);
  await iam.detachRolePolicy({ RoleName, PolicyArn: POLICY });
  const { InstanceProfiles } = await iam.listInstanceProfilesForRole({ RoleName });
  expect(InstanceProfiles).toEqual([]);
  await iam.deleteRole({ RoleName });
  await iam.deletePolicy({ PolicyArn: POLICY });
  await iam.deleteUser({ UserName: "alice" });
}

async function providers(iam: IAM): Promise<void> {
  const OpenIDConnectProviderArn = `${ACCOUNT}:oidc-provider/issuer.example/realm`;
  const named = { OpenIDConnectProviderArn };
  const made = iam.createOpenIDConnectProvider({
    Url: "https://issuer.example/realm",
    ClientIDList: ["a"],
    ThumbprintList: ["0".repeat(40)],
    Tags: tags,
  });
  expect(await answer(made)).toEqual({ ...named, Tags: tags });
  await iam.addClientIDToOpenIDConnectProvider({ ...named, ClientID: "b" });
  await iam.removeClientIDFromOpenIDConnectProvider({ ...named, ClientID: "a" });
  await iam.updateOpenIDConnectProviderThumbprint({
    ...named,
    ThumbprintList: ["f".repeat(40)],
  });
  await iam.tagOpenIDConnectProvider({ ...named, Tags: [{ Key: "x", Value: "y" }] });
  await iam.untagOpenIDConnectProvider({ ...named, TagKeys: ["team"] });
  expect(await answer(iam.getOpenIDConnectProvider(named))).toEqual({
    Url: "issuer.example/realm",
    ClientIDList: ["b"],
    ThumbprintList: ["f".repeat(40)],
    CreateDate: aDate,
    Tags: [{ Key: "x", Value: "y" }],
  });
  expect(await answer(iam.listOpenIDConnectProviderTags(named))).toEqual({
    Tags: [{ Key: "x", Value: "y" }],
    IsTruncated: false,
  });
  expect(await answer(iam.listOpenIDConnectProviders({}))).toEqual({
    OpenIDConnectProviderList: [{ Arn: OpenIDConnectProviderArn }],
  });
  await iam.deleteOpenIDConnectProvider(named);
  expect((await iam.listOpenIDConnectProviders({})).OpenIDConnectProviderList).toEqual([]);
}

/** A document as answers have it. */
function encoded(document: string): unknown {
  return expect.toSatisfy((given: string) => decodeURIComponent(given) === document);
}

it("throws the SDK's own classes for what it refuses", async () => {
  const { iam } = await client();
  const UserName = "alice";
  await iam.createUser({ UserName });
  await iam.putUserPolicy({ UserName, PolicyName: "p", PolicyDocument: text("kms:*") });
  await iam.createUser({ UserName: "carol" });
  await iam.createAccessKey({ UserName });
  await iam.createAccessKey({ UserName });
  await iam.createOpenIDConnectProvider({ Url: "https://issuer.example" });
  const provider = `${ACCOUNT}:oidc-provider/issuer.example`;
  for (const [what, call, name, status] of [
    ["a missing user", () => iam.getUser({ UserName: "bob" }), "NoSuchEntityException", 404],
    ["a missing role", () => iam.getRole({ RoleName: "bob" }), "NoSuchEntityException", 404],
    ["a missing policy", () => iam.getPolicy({ PolicyArn: POLICY }), "NoSuchEntityException", 404],
    [
      "a missing provider",
      () => iam.getOpenIDConnectProvider({ OpenIDConnectProviderArn: `${provider}.org` }),
      "NoSuchEntityException",
      404,
    ],
    ["a user twice", () => iam.createUser({ UserName }), "EntityAlreadyExistsException", 409],
    [
      "a provider twice",
      () => iam.createOpenIDConnectProvider({ Url: "https://issuer.example" }),
      "EntityAlreadyExistsException",
      409,
    ],
    ["a user with a policy", () => iam.deleteUser({ UserName }), "DeleteConflictException", 409],
    [
      "a name that is taken",
      () => iam.updateUser({ UserName, NewUserName: "carol", NewPath: "/x/" }),
      "EntityAlreadyExistsException",
      409,
    ],
    [
      "a boundary that is not there",
      () => iam.createUser({ UserName: "bob", PermissionsBoundary: POLICY }),
      "NoSuchEntityException",
      404,
    ],
    [
      "no boundary",
      () => iam.deleteUserPermissionsBoundary({ UserName }),
      "NoSuchEntityException",
      404,
    ],
    ["a third access key", () => iam.createAccessKey({ UserName }), "LimitExceededException", 409],
    [
      "what is not a policy",
      () => iam.putUserPolicy({ UserName, PolicyName: "q", PolicyDocument: "{" }),
      "MalformedPolicyDocumentException",
      400,
    ],
    [
      "a tag twice",
      () => iam.tagUser({ UserName, Tags: [...tags, ...tags] }),
      "InvalidInputException",
      400,
    ],
    ...["http://issuer.org", "https://aws", "https://kms:443", "https://x?y", "ftp://x"].map(
      (Url) =>
        [Url, () => iam.createOpenIDConnectProvider({ Url }), "ValidationError", 400] as const,
    ),
    [
      "a client id that is too long",
      () =>
        iam.addClientIDToOpenIDConnectProvider({
          OpenIDConnectProviderArn: provider,
          ClientID: "x".repeat(256),
        }),
      "ValidationError",
      400,
    ],
    ["an action that is not offered", () => iam.listSAMLProviders({}), "InvalidAction", 400],
  ] as const) {
    const error = await rejection(call());
    expect(error, what).toBeInstanceOf(IAMServiceException);
    expect(error, what).toMatchObject({ name, $metadata: { httpStatusCode: status } });
  }
});
