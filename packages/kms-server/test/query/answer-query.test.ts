import { tempKeystore } from "../../../kms/test/support/keystore.ts";
import type { Keystore } from "@env/kms";
import { describe, expect, it } from "vitest";
import { Form } from "../../src/query/form.ts";
import { answerQuery, answerQueryError, type QueryService } from "../../src/query/answer-query.ts";

const ALICE = "arn:aws:iam::000000000000:user/alice";
const REQUEST_ID = "01234567-89ab-cdef-0123-456789abcdef";
const policy = (action: string): string =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action: action, Resource: "*" }],
  });
const trust = JSON.stringify({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: { AWS: ALICE }, Action: "sts:AssumeRole" }],
});

interface Answered {
  readonly status: number;
  readonly body: string;
}

/** Calls as somebody, by default the account's root. */
function caller(keystore: Keystore, principal = "root") {
  return async (
    service: QueryService,
    Action: string,
    parameters: Readonly<Record<string, string>> = {},
  ): Promise<Answered> => {
    const body = Buffer.from(new URLSearchParams({ Action, ...parameters }).toString());
    const form = Form.parse(body);
    const asked = { service, form, caller: { principal }, requestId: REQUEST_ID };
    return (await answerQuery(keystore, asked)).answer;
  };
}

function textOf({ body }: Answered, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(body)?.[1];
}

describe("the query protocol", () => {
  it("answers in AWS's XML", async () => {
    const { keystore } = await tempKeystore();
    expect(await caller(keystore)("sts", "GetCallerIdentity")).toEqual({
      status: 200,
      contentType: "text/xml",
      body: `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::000000000000:root</Arn><UserId>000000000000</UserId><Account>000000000000</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>${REQUEST_ID}</RequestId></ResponseMetadata></GetCallerIdentityResponse>`,
    });
  });

  it("answers errors with AWS's codes and statuses", async () => {
    const { keystore } = await tempKeystore();
    const call = caller(keystore);
    expect(await call("iam", "GetUser", { UserName: "bob" })).toEqual({
      status: 404,
      contentType: "text/xml",
      error: "NoSuchEntity",
      body: `<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>The user with name bob cannot be found.</Message></Error><RequestId>${REQUEST_ID}</RequestId></ErrorResponse>`,
    });
    for (const [action, parameters, status, code] of [
      ["CreateUser", {}, 400, "ValidationError"],
      ["CreateUser", { UserName: "a b" }, 400, "ValidationError"],
      ["CreateUser", { UserName: "a", PermissionsBoundary: "x" }, 400, "ValidationError"],
      [
        "CreateRole",
        { RoleName: "r", AssumeRolePolicyDocument: "{" },
        400,
        "MalformedPolicyDocument",
      ],
      ["CreateSAMLProvider", {}, 400, "InvalidAction"],
      ["<&>", {}, 400, "InvalidAction"],
    ] as const) {
      const answer = await call("iam", action, parameters);
      expect([answer.status, textOf(answer, "Code")], action).toEqual([status, code]);
    }
  });

  it("reads only forms of UTF-8 that have each parameter once", async () => {
    for (const form of [
      "Action=GetUser&Action=ListUsers",
      "Action=%zz",
      "Action=%ff",
      "a=&".repeat(501),
    ]) {
      let answer: { readonly status: number; readonly error?: string } = { status: 200 };
      try {
        Form.parse(Buffer.from(form));
      } catch (error) {
        answer = answerQueryError("iam", error, REQUEST_ID);
      }
      expect([answer.status, answer.error], form.slice(0, 40)).toEqual([400, "MalformedInput"]);
    }
  });
});

describe("IAM", () => {
  it.each([
    ["GetUser", { UserName: "bob" }, "NoSuchEntity"],
    ["DeleteUser", { UserName: "bob" }, "NoSuchEntity"],
    ["CreateUser", { UserName: "alice" }, "EntityAlreadyExists"],
    ["UpdateAccessKey", { UserName: "alice" }, "ValidationError"],
  ])("records a call that is refused: %s %j", async (action, parameters, code) => {
    const { keystore } = await tempKeystore();
    const call = caller(keystore);
    await call("iam", "CreateUser", { UserName: "alice" });
    expect(textOf(await call("iam", action, parameters), "Code")).toBe(code);
    const { entries } = await keystore.audit.page({ limit: 1, first: "newest" });
    expect(entries[0]?.record).toMatchObject({
      eventName: action,
      eventSource: "iam.amazonaws.com",
      errorCode: code,
      requestID: REQUEST_ID,
    });
  });

  it.each([
    ["a path that is none", { Path: "ü" }, "ValidationError"],
    ["a description that is too long", { Description: "x".repeat(1001) }, "ValidationError"],
    [
      "more than fifty tags",
      Object.fromEntries(
        Array.from({ length: 51 }, (_, i) => [`Tags.member.${i + 1}.Key`, `k${i}`]),
      ),
      "InvalidInput",
    ],
  ])("refuses a managed policy with %s", async (_, parameters, code) => {
    const { keystore } = await tempKeystore();
    const answer = await caller(keystore)("iam", "CreatePolicy", {
      PolicyName: "p",
      PolicyDocument: policy("kms:*"),
      ...parameters,
    });
    expect([answer.status, textOf(answer, "Code")]).toEqual([400, code]);
  });

  it("lists managed policies in pages, with how often each is attached", async () => {
    const { keystore } = await tempKeystore();
    const call = caller(keystore);
    for (const PolicyName of ["a", "b", "c"]) {
      await call("iam", "CreatePolicy", { PolicyName, PolicyDocument: policy("kms:*") });
    }
    await call("iam", "CreateUser", { UserName: "alice" });
    const PolicyArn = "arn:aws:iam::000000000000:policy/b";
    await call("iam", "AttachUserPolicy", { UserName: "alice", PolicyArn });
    const seen: string[] = [];
    let Marker: string | undefined;
    do {
      const page = await call("iam", "ListPolicies", { MaxItems: "1", ...(Marker && { Marker }) });
      seen.push(`${textOf(page, "PolicyName")} ${textOf(page, "AttachmentCount")}`);
      Marker = textOf(page, "Marker");
    } while (Marker !== undefined);
    expect(seen).toEqual(["a 0", "b 1", "c 0"]);
    const filtered = await call("iam", "ListPolicies", { OnlyAttached: "true" });
    expect([filtered.status, textOf(filtered, "Code")]).toEqual([400, "ValidationError"]);
  });

  it("keeps users, and gives back what it was given, escaped", async () => {
    const { keystore } = await tempKeystore();
    const call = caller(keystore);
    const created = await call("iam", "CreateUser", {
      UserName: "alice",
      Path: "/team/",
      "Tags.member.1.Key": "a+b",
      "Tags.member.1.Value": "x@y:z / 1",
    });
    expect(textOf(created, "Arn")).toBe("arn:aws:iam::000000000000:user/team/alice");
    const found = await call("iam", "GetUser", { UserName: "alice" });
    expect(found.body).toContain("<Path>/team/</Path><UserName>alice</UserName><UserId>AIDA");
    expect(found.body).toContain(
      "<Tags><member><Key>a+b</Key><Value>x@y:z / 1</Value></member></Tags>",
    );
    const again = await call("iam", "CreateUser", { UserName: "alice" });
    expect([again.status, textOf(again, "Code")]).toEqual([409, "EntityAlreadyExists"]);
    const list = await call("iam", "ListUsers", { PathPrefix: "/team/" });
    expect(textOf(list, "UserName")).toBe("alice");
    expect((await call("iam", "DeleteUser", { UserName: "alice" })).status).toBe(200);
    expect((await call("iam", "GetUser", { UserName: "alice" })).status).toBe(404);
  });

  it("keeps inline policies byte for byte, and refuses to delete who has one", async () => {
    const { keystore } = await tempKeystore();
    const call = caller(keystore);
    await call("iam", "CreateUser", { UserName: "alice" });
    const text = `  ${policy("kms:*")}\n`;
    const named = { UserName: "alice", PolicyName: "p" };
    await call("iam", "PutUserPolicy", { ...named, PolicyDocument: text });
    const found = await call("iam", "GetUserPolicy", named);
    expect(decodeURIComponent(textOf(found, "PolicyDocument") ?? "")).toBe(text);
    const refused = await call("iam", "DeleteUser", { UserName: "alice" });
    expect([refused.status, textOf(refused, "Code")]).toEqual([409, "DeleteConflict"]);
    await call("iam", "DeleteUserPolicy", named);
    expect((await call("iam", "DeleteUser", { UserName: "alice" })).status).toBe(200);
  });

  it("attaches managed policies, whose default version counts", async () => {
    const { keystore } = await tempKeystore();
    const call = caller(keystore);
    await call("iam", "CreateUser", { UserName: "alice" });
    const created = await call("iam", "CreatePolicy", {
      PolicyName: "keys",
      PolicyDocument: policy("kms:ListKeys"),
    });
    const PolicyArn = textOf(created, "Arn") ?? "";
    expect(PolicyArn).toBe("arn:aws:iam::000000000000:policy/keys");
    const alice = keystore.as(ALICE);
    await expect(alice.listKeys()).rejects.toMatchObject({ name: "AccessDeniedException" });
    await call("iam", "AttachUserPolicy", { UserName: "alice", PolicyArn });
    await expect(alice.listKeys()).resolves.toBeDefined();
    const explained = await keystore.explain({ principal: ALICE, action: "kms:ListKeys" });
    expect(explained.decision.deciding).toBe(`identity policy "${PolicyArn}", statement 1`);
    const version = { PolicyArn, PolicyDocument: policy("kms:ListAliases"), SetAsDefault: "true" };
    expect(textOf(await call("iam", "CreatePolicyVersion", version), "VersionId")).toBe("v2");
    await expect(alice.listKeys()).rejects.toMatchObject({ name: "AccessDeniedException" });
    await call("iam", "SetDefaultPolicyVersion", { PolicyArn, VersionId: "v1" });
    await expect(alice.listKeys()).resolves.toBeDefined();
    const entities = await call("iam", "ListEntitiesForPolicy", { PolicyArn });
    expect(textOf(entities, "UserName")).toBe("alice");
    const attached = await call("iam", "DeletePolicy", { PolicyArn });
    expect(textOf(attached, "Code")).toBe("DeleteConflict");
    await call("iam", "DetachUserPolicy", { UserName: "alice", PolicyArn });
    await call("iam", "DeletePolicyVersion", { PolicyArn, VersionId: "v2" });
    expect((await call("iam", "DeletePolicy", { PolicyArn })).status).toBe(200);
  });

  it("has groups, whose policies are those of their members", async () => {
    const { keystore } = await tempKeystore();
    const call = caller(keystore);
    await call("iam", "CreateUser", { UserName: "alice" });
    await call("iam", "CreateGroup", { GroupName: "dev" });
    const document = { PolicyName: "p", PolicyDocument: policy("kms:ListKeys") };
    await call("iam", "PutGroupPolicy", { GroupName: "dev", ...document });
    const both = { GroupName: "dev", UserName: "alice" };
    expect((await call("iam", "AddUserToGroup", both)).status).toBe(200);
    await expect(keystore.as(ALICE).listKeys()).resolves.toBeDefined();
    const groups = await call("iam", "ListGroupsForUser", { UserName: "alice" });
    expect(textOf(groups, "GroupName")).toBe("dev");
    expect(textOf(await call("iam", "GetGroup", { GroupName: "dev" }), "UserName")).toBe("alice");
    await call("iam", "RemoveUserFromGroup", both);
    await expect(keystore.as(ALICE).listKeys()).rejects.toMatchObject({
      name: "AccessDeniedException",
    });
  });

  it("makes access keys, and shows a secret once", async () => {
    const { keystore } = await tempKeystore();
    const call = caller(keystore);
    await call("iam", "CreateUser", { UserName: "alice" });
    const made = await call("iam", "CreateAccessKey", { UserName: "alice" });
    const AccessKeyId = textOf(made, "AccessKeyId") ?? "";
    expect(await keystore.iam.credential(AccessKeyId)).toMatchObject({
      secretAccessKey: textOf(made, "SecretAccessKey"),
      principal: ALICE,
    });
    const listed = await call("iam", "ListAccessKeys", { UserName: "alice" });
    expect(textOf(listed, "AccessKeyId")).toBe(AccessKeyId);
    expect(listed.body).not.toContain("Secret");
    const key = { UserName: "alice", AccessKeyId };
    await call("iam", "UpdateAccessKey", { ...key, Status: "Inactive" });
    expect(await keystore.iam.credential(AccessKeyId)).toBeUndefined();
    expect((await call("iam", "DeleteAccessKey", key)).status).toBe(200);
  });

  it("is for whom the policies permit the action on that very principal", async () => {
    const { keystore } = await tempKeystore();
    const text = JSON.stringify({
      Version: "2012-10-17",
      Statement: [
        {
          Effect: "Allow",
          Action: ["iam:GetUser", "iam:PutUserPolicy"],
          Resource: "arn:aws:iam::000000000000:user/bob",
        },
      ],
    });
    await keystore.iam.put({ arn: ALICE, policies: [{ name: "p", text }] });
    await keystore.iam.put({ arn: "arn:aws:iam::000000000000:user/bob" });
    const call = caller(keystore, ALICE);
    expect((await call("iam", "GetUser", { UserName: "bob" })).status).toBe(200);
    for (const [action, parameters] of [
      ["GetUser", { UserName: "carol" }],
      ["GetUser", {}],
      ["PutUserPolicy", { UserName: "alice", PolicyName: "p", PolicyDocument: policy("*") }],
      ["CreateUser", { UserName: "eve" }],
      ["ListUsers", {}],
      ["CreateAccessKey", { UserName: "bob" }],
    ] as const) {
      const answer = await call("iam", action, parameters);
      expect([answer.status, textOf(answer, "Code")], action).toEqual([403, "AccessDenied"]);
    }
    expect(textOf(await call("iam", "CreateUser", { UserName: "eve" }), "Message")).toBe(
      `User: ${ALICE} is not authorized to perform: iam:CreateUser on resource: arn:aws:iam::000000000000:user/eve because no identity-based policy allows the iam:CreateUser action`,
    );
  });
});

describe("a permissions boundary", () => {
  const POLICY = "arn:aws:iam::000000000000:policy/edge";

  it("bounds a user by the version of the policy that counts", async () => {
    const { keystore } = await tempKeystore();
    const call = caller(keystore);
    const document = { PolicyName: "edge", PolicyDocument: policy("kms:ListKeys") };
    await call("iam", "CreatePolicy", document);
    await call("iam", "CreateUser", { UserName: "alice", PermissionsBoundary: POLICY });
    const all = { PolicyName: "all", PolicyDocument: policy("kms:*") };
    await call("iam", "PutUserPolicy", { UserName: "alice", ...all });
    const alice = keystore.as(ALICE);
    await expect(alice.listKeys()).resolves.toBeDefined();
    await expect(alice.listAliases()).rejects.toThrow(
      "because no permissions boundary allows the kms:ListAliases action",
    );
    const version = { PolicyDocument: policy("kms:ListAliases"), SetAsDefault: "true" };
    await call("iam", "CreatePolicyVersion", { PolicyArn: POLICY, ...version });
    await expect(alice.listAliases()).resolves.toBeDefined();
    await expect(alice.listKeys()).rejects.toThrow("no permissions boundary allows");
  });

  it("is what an administrator of users may be made to give", async () => {
    const { keystore } = await tempKeystore();
    const root = caller(keystore);
    await root("iam", "CreatePolicy", { PolicyName: "edge", PolicyDocument: policy("kms:*") });
    const text = JSON.stringify({
      Version: "2012-10-17",
      Statement: [
        {
          Effect: "Allow",
          Action: ["iam:CreateUser", "iam:PutUserPolicy", "iam:PutUserPermissionsBoundary"],
          Resource: "*",
          Condition: { StringEquals: { "iam:PermissionsBoundary": POLICY } },
        },
        { Effect: "Allow", Action: "iam:DeleteUserPermissionsBoundary", Resource: "*" },
        {
          Effect: "Deny",
          Action: "iam:DeleteUserPermissionsBoundary",
          Resource: "*",
          Condition: { StringEquals: { "iam:PermissionsBoundary": POLICY } },
        },
      ],
    });
    await keystore.iam.put({ arn: ALICE, policies: [{ name: "p", text }] });
    await keystore.iam.put({ arn: "arn:aws:iam::000000000000:user/free" });
    const call = caller(keystore, ALICE);
    const status = async (
      action: string,
      UserName: string,
      more: Record<string, string> = {},
    ): Promise<number> => (await call("iam", action, { UserName, ...more })).status;
    const document = { PolicyName: "p", PolicyDocument: policy("kms:*") };
    expect(await status("CreateUser", "bob")).toBe(403);
    expect(await status("CreateUser", "bob", { PermissionsBoundary: POLICY })).toBe(200);
    expect(await status("PutUserPolicy", "bob", document)).toBe(200);
    expect(await status("PutUserPolicy", "free", document)).toBe(403);
    expect(await status("DeleteUserPermissionsBoundary", "bob")).toBe(403);
  });
});

describe("STS", () => {
  it("lets a role be assumed that was made over the wire", async () => {
    const { keystore } = await tempKeystore();
    const root = caller(keystore);
    await root("iam", "CreateUser", { UserName: "alice" });
    const role = await root("iam", "CreateRole", {
      RoleName: "app",
      AssumeRolePolicyDocument: trust,
    });
    expect(decodeURIComponent(textOf(role, "AssumeRolePolicyDocument") ?? "")).toBe(trust);
    expect((await root("iam", "ListInstanceProfilesForRole", { RoleName: "app" })).body).toContain(
      "<InstanceProfiles></InstanceProfiles>",
    );
    const RoleArn = textOf(role, "Arn") ?? "";
    const assumed = await caller(keystore, ALICE)("sts", "AssumeRole", {
      RoleArn,
      RoleSessionName: "work",
    });
    expect(textOf(assumed, "Expiration")).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    const found = await keystore.iam.credential(
      textOf(assumed, "AccessKeyId") ?? "",
      textOf(assumed, "SessionToken"),
    );
    expect(found?.principal).toBe("arn:aws:sts::000000000000:assumed-role/app/work");
    const bob = await caller(keystore, "user/bob")("sts", "AssumeRole", {
      RoleArn,
      RoleSessionName: "work",
    });
    expect([bob.status, textOf(bob, "Code")]).toEqual([403, "AccessDenied"]);
  });
});
