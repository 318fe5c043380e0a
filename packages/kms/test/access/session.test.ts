import { rejection } from "@env/testkit/refusal";
import { describe, expect, it } from "vitest";
import type { SessionOptions } from "../../src/index.ts";
import { Session } from "../../src/access/session.ts";
import {
  allow,
  auditRecords,
  document,
  newKey,
  refusal,
  ROOT,
  tempKeystore,
} from "../support/keystore.ts";
import { tempStore } from "../support/store.ts";

const realm = { accountId: "000000000000", region: "local" };
const ROLE = "arn:aws:iam::000000000000:role/app";
const SESSION = "arn:aws:sts::000000000000:assumed-role/app/me";
const USER = "arn:aws:iam::000000000000:user/alice";

const refuses = async (call: Promise<unknown>): Promise<void> => {
  expect((await rejection(call)).name).toBe("AccessDeniedException");
};

describe("a principal", () => {
  it.each([
    [ROOT, "root", "000000000000"],
    ["arn:aws:iam::111122223333:user/team/alice", "user", "111122223333"],
    [ROLE, "role", "000000000000"],
    [SESSION, "session", "000000000000"],
    ["arn:aws:sts::000000000000:federated-user/fay", "federated", "000000000000"],
    ["s3.amazonaws.com", "service", "000000000000"],
    ["logs.eu-west-1.amazonaws.com", "service", "000000000000"],
  ])("is %s: %s", async (arn, type, accountId) => {
    const { store } = await tempStore();
    const session = new Session(arn, realm);
    const caller = await store.read(() => session.caller(store));
    expect(caller).toMatchObject({ arn, type, accountId, policies: [] });
    expect(session.identity).toEqual({
      principal: arn,
      accountId,
      ...(type === "session" ? { roleArn: ROLE } : {}),
    });
  });

  it.each([
    "",
    "alice",
    `${ROOT}\n`,
    "arn:aws:iam::0:root",
    "arn:aws:iam::000000000000:group/developers",
    "arn:aws:iam::000000000000:user/",
    "arn:aws:sts::000000000000:assumed-role/app",
    "arn:aws:sts::000000000000:federated-user/fay/x",
    "arn:aws:s3:::bucket",
    "evil.example.com",
  ])("is not %j", async (name) => {
    const { keystore } = await tempKeystore();
    expect(() => keystore.as(name)).toThrow(TypeError);
  });

  it("is known by the policies of IAM at the time of each call", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const alice = keystore.as(USER);
    const use = (): Promise<unknown> => alice.describeKey({ KeyId });
    await refuses(use());
    const policies = [{ name: "p", text: document(allow("kms:DescribeKey")) }];
    await keystore.iam.put({ arn: USER, policies });
    await use();
    await keystore.iam.put({ arn: USER });
    await refuses(use());
    await keystore.iam.put({ arn: USER, policies });
    await keystore.iam.delete(USER);
    await refuses(use());
  });

  it("has the policies of its groups, limited by its boundary", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const alice = keystore.as(USER);
    const group = "arn:aws:iam::000000000000:group/developers";
    const text = document(allow(["kms:DescribeKey", "kms:DisableKey"]));
    await keystore.iam.put({ arn: group, policies: [{ name: "p", text }] });
    await keystore.iam.put({ arn: USER, groups: [group] });
    await alice.describeKey({ KeyId });
    await keystore.iam.put({ arn: group });
    await refuses(alice.describeKey({ KeyId }));
    await keystore.iam.put({ arn: group, policies: [{ name: "p", text }] });
    const boundary = { name: "b", text: document(allow("kms:Describe*")) };
    await keystore.iam.put({ arn: USER, groups: [group], boundary });
    await alice.describeKey({ KeyId });
    await refuses(alice.disableKey({ KeyId }));
    await keystore.iam.delete(group);
    await refuses(alice.describeKey({ KeyId }));
  });
});

describe("a session", () => {
  it("has the policies of its role, within its own", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const text = document(allow(["kms:DescribeKey", "kms:DisableKey"]));
    await keystore.iam.put({ arn: ROLE, policies: [{ name: "p", text }] });
    await keystore.as(SESSION).describeKey({ KeyId });
    await keystore.as(ROLE).describeKey({ KeyId });
    const policies = [document(allow("kms:Describe*"))];
    const bounded = keystore.as(SESSION, { policies });
    await bounded.describeKey({ KeyId });
    await refuses(bounded.disableKey({ KeyId }));
    await refuses(keystore.as(SESSION.replace("/app/", "/other/")).describeKey({ KeyId }));
  });

  it("may be one of a role with a path, if that is said", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const role = "arn:aws:iam::000000000000:role/team/app";
    const policies = [{ name: "p", text: document(allow("kms:*")) }];
    await keystore.iam.put({ arn: role, policies });
    await refuses(keystore.as(SESSION).describeKey({ KeyId }));
    await keystore.as(SESSION, { role }).describeKey({ KeyId });
    const records = await auditRecords(keystore);
    expect(records.at(-1)?.userIdentity).toMatchObject({
      type: "AssumedRole",
      arn: SESSION,
      sessionContext: { sessionIssuer: { arn: role, userName: "app" } },
    });
  });

  it.each([
    "arn:aws:iam::111122223333:role/app",
    "arn:aws:iam::000000000000:role/other",
    "arn:aws:iam::000000000000:role/app/other",
    "arn:aws:iam::000000000000:user/app",
    "arn:aws:iam::000000000000:root",
    "app",
    "",
  ])("is not one of %j", async (role) => {
    const { keystore } = await tempKeystore();
    expect(() => keystore.as(SESSION, { role })).toThrow(TypeError);
  });

  it("alone has a role", async () => {
    const { keystore } = await tempKeystore();
    expect(() => keystore.as(ROLE, { role: ROLE })).toThrow(
      new TypeError("only assumed-role sessions have a role"),
    );
  });

  it("refuses session options that are too long or too many", async () => {
    const { keystore } = await tempKeystore();
    const long = "x".repeat(2049);
    const policies = Array.from({ length: 11 }, () => document(allow("kms:*")));
    for (const options of [{ userAgent: long }, { sourceArn: long }, { policies }]) {
      expect(() => keystore.as(SESSION, options)).toThrow(RangeError);
    }
    const tags = Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`${i}`, ""]));
    expect(() => keystore.as(SESSION, { tags })).toThrow(
      expect.objectContaining({ name: "TagException" }),
    );
  });

  it("has at most as many policies as a decision may read", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const text = document(allow("kms:*")).padEnd(32_768);
    const policies = Array.from({ length: 16 }, (_, i) => ({ name: `p${i}`, text }));
    await keystore.iam.put({ arn: ROLE, policies });
    await keystore.as(SESSION).describeKey({ KeyId });
    const one = keystore.as(SESSION, { policies: [document(allow("kms:*"))] });
    expect(await refusal(one.describeKey({ KeyId }))).toMatch(
      /^LimitExceededException: The policies of .* at most 524288 are evaluated\.$/,
    );
    expect((await auditRecords(keystore)).at(-1)).toMatchObject({
      eventName: "DescribeKey",
      errorCode: "LimitExceededException",
    });
  });

  it("has tags, its own before those of its role", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const Condition = {
      StringEquals: { "aws:PrincipalTag/team": "blue", "aws:PrincipalTag/stage": "test" },
    };
    const policies = [{ name: "p", text: document(allow("kms:*", { Condition })) }];
    await keystore.iam.put({ arn: ROLE, policies, tags: { team: "red", stage: "test" } });
    await refuses(keystore.as(SESSION).describeKey({ KeyId }));
    await keystore.as(SESSION, { tags: { team: "blue" } }).describeKey({ KeyId });
  });

  it("goes by aws:userid, role and session together", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const { userId } = await keystore.iam.put({ arn: ROLE });
    const Condition = { StringEquals: { "aws:userid": `${userId}:me` } };
    const policies = [{ name: "p", text: document(allow("kms:*", { Condition })) }];
    await keystore.iam.put({ arn: ROLE, policies });
    await keystore.as(SESSION).describeKey({ KeyId });
    await refuses(keystore.as(`${SESSION}-too`).describeKey({ KeyId }));
  });
});

describe("what a session brings along", () => {
  it.each<[object, SessionOptions]>([
    [{ IpAddress: { "aws:SourceIp": "10.0.0.0/8" } }, { sourceIp: "10.1.2.3" }],
    [{ StringLike: { "aws:UserAgent": "app/*" } }, { userAgent: "app/1" }],
    [{ Bool: { "aws:SecureTransport": "true" } }, { secureTransport: true }],
    [{ Bool: { "aws:MultiFactorAuthPresent": "true" } }, { multiFactorAuth: true }],
    [
      { DateGreaterThan: { "aws:TokenIssueTime": "2026-01-01T00:00:00Z" } },
      { tokenIssued: new Date("2026-01-02T00:00:00Z") },
    ],
    [{ StringEquals: { "kms:ViaService": "s3.local.amazonaws.com" } }, { viaService: "s3" }],
    [{ ArnLike: { "aws:SourceArn": "arn:aws:s3:::bucket" } }, { sourceArn: "arn:aws:s3:::bucket" }],
    [{ StringEquals: { "aws:SourceAccount": "111122223333" } }, { sourceAccount: "111122223333" }],
  ])("is what policies see: %j", async (Condition, options) => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const policies = [{ name: "p", text: document(allow("kms:*", { Condition })) }];
    await keystore.iam.put({ arn: USER, policies });
    await refuses(keystore.as(USER).describeKey({ KeyId }));
    await keystore.as(USER, options).describeKey({ KeyId });
  });

  it("is checked before any call", async () => {
    const { keystore } = await tempKeystore();
    for (const viaService of ["", "S3", "s3.amazonaws.com", "x".repeat(65)]) {
      expect(() => keystore.as(ROOT, { viaService })).toThrow(RangeError);
    }
    expect(() => keystore.as(USER, { policies: [] })).toThrow(TypeError);
    expect(() => keystore.as(SESSION, { policies: ["{"] })).toThrow(
      expect.objectContaining({ name: "MalformedPolicyDocumentException" }),
    );
  });

  it("is the service, in the audit log, where one calls for the principal", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    await keystore.as(ROOT, { viaService: "s3", sourceIp: "10.1.2.3" }).describeKey({ KeyId });
    const record = (await auditRecords(keystore)).at(-1);
    expect(record).toMatchObject({
      eventType: "AwsApiCall",
      sourceIPAddress: "s3.amazonaws.com",
      userAgent: "s3.amazonaws.com",
      userIdentity: { type: "Root", arn: ROOT, invokedBy: "s3.amazonaws.com" },
    });
  });

  it("is in the audit log as far as CloudTrail has it", () => {
    const { identity } = new Session(USER, realm, { sourceIp: "10.1.2.3", userAgent: "app/1" });
    expect(identity).toEqual({
      principal: USER,
      accountId: "000000000000",
      sourceIp: "10.1.2.3",
      userAgent: "app/1",
    });
  });
});
