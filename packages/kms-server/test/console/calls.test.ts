import type { Keystore } from "@env/kms";
import { describe, expect, it } from "vitest";
import { auditRecords } from "../../../kms/test/support/keystore.ts";
import type { ConsoleCalls } from "../../src/index.ts";
import { own, startedConsole, type Page } from "../support/console.ts";
import type { Credentials } from "../support/server.ts";

const ALICE = "arn:aws:iam::000000000000:user/alice";
const BOB = "arn:aws:iam::000000000000:user/bob";
const ROOT = "arn:aws:iam::000000000000:root";

interface Answered {
  readonly status: number;
  // Tests look into answers of any shape.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly answer: any;
}

/** Calls by the root of the account, and by a user with these actions. */
async function made(...actions: readonly string[]): Promise<{
  readonly page: Page;
  readonly keyId: string;
  readonly arn: string;
  readonly alice: (name: keyof ConsoleCalls, request: unknown) => Promise<Answered>;
  readonly root: (name: keyof ConsoleCalls, request: unknown) => Promise<Answered>;
}> {
  const page = await startedConsole();
  const { KeyId, Arn } = (await page.owner.createKey({ Description: "orders" })).KeyMetadata;
  const key = await user(page.keystore, ALICE, actions);
  const call = (by: Credentials) => (name: keyof ConsoleCalls, request: unknown) =>
    own(page.url, by, name, request);
  return { page, keyId: KeyId, arn: Arn, alice: call(key), root: call(page.credentials) };
}

async function user(
  keystore: Keystore,
  arn: string,
  actions: readonly string[],
): Promise<Credentials> {
  const Statement = [{ Effect: "Allow", Action: actions, Resource: "*" }];
  const text = JSON.stringify({ Version: "2012-10-17", Statement });
  await keystore.iam.put({ arn, policies: actions.length === 0 ? [] : [{ name: "own", text }] });
  return keystore.iam.accessKeys.create(arn);
}

function denied(action: string): object {
  return {
    status: 400,
    answer: {
      __type: "AccessDeniedException",
      Message: expect.stringContaining(`not authorized to perform: ${action} on resource`),
    },
  };
}

describe("every call", () => {
  it.each<[keyof ConsoleCalls, object, string, readonly string[]]>([
    ["QueryAudit", {}, "envelope:QueryAudit", ["envelope:QueryAudit"]],
    ["CountAudit", { GroupBy: ["day"] }, "envelope:QueryAudit", ["envelope:*"]],
    ["VerifyAudit", {}, "envelope:VerifyAudit", ["envelope:VerifyAudit"]],
    ["KeySummaries", {}, "kms:ListKeys", ["kms:ListKeys"]],
  ])(
    "%s is denied without its permission, and allowed with it",
    async (name, request, action, actions) => {
      const nobody = await made();
      expect(await nobody.alice(name, request)).toMatchObject(denied(action));
      const [record] = (await auditRecords(nobody.page.keystore)).slice(-1);
      expect(record).toMatchObject({
        eventSource: "envelope",
        eventName: name,
        errorCode: "AccessDeniedException",
        userIdentity: { arn: ALICE },
        readOnly: true,
      });
      const somebody = await made(...actions);
      expect((await somebody.alice(name, request)).status).toBe(200);
      expect((await auditRecords(somebody.page.keystore)).at(-1)).toMatchObject({
        eventName: name,
        additionalEventData: { decisions: [{ action, allowed: true }] },
      });
    },
  );

  it.each<[keyof ConsoleCalls, unknown, string]>([
    ["QueryAudit", { Limit: 0 }, "Limit must be an integer from 1 to 1000"],
    ["QueryAudit", { Marker: "x" }, "Marker is not valid"],
    ["QueryAudit", { From: "yesterday" }, "From must be seconds since 1970"],
    ["QueryAudit", { From: 1e300 }, "From must be seconds since 1970"],
    ["QueryAudit", { Operation: "Encrypt" }, "Operation is not a member"],
    ["QueryAudit", { Outcome: "failed" }, "Outcome must be succeeded or refused"],
    ["CountAudit", {}, "GroupBy is missing"],
    ["CountAudit", { GroupBy: ["__proto__"] }, "GroupBy[0] must be day or"],
    ["CountAudit", { GroupBy: Array.from({ length: 5 }, () => "day") }, "a list of 1 to 4"],
    ["VerifyAudit", { Anchor: { Sequence: -1 } }, "Anchor.Sequence must be an integer"],
    ["VerifyAudit", { Anchor: { Digest: "0".repeat(64) } }, "Anchor.Sequence is missing"],
    ["VerifyAudit", { Anchor: [] }, "Anchor must be a structure"],
    ["LintKeyPolicy", {}, "Policy is missing"],
    ["LintKeyPolicy", { Policy: 7 }, "Policy must be text"],
    ["EffectiveAccess", {}, "KeyId is missing"],
    ["EffectiveAccess", { KeyId: "alias/none" }, "alias/none is not found"],
    ["KeySummaries", { Limit: 1.5 }, "Limit must be an integer"],
    ["Explain", { Requests: [] }, "Requests must be a list of 1 to 64"],
    ["Explain", { Requests: [{}] }, "Requests[0].action is missing"],
    ["Explain", { Requests: [{ action: "kms:*", conditions: { a: [{}] } }] }, "must be text"],
    ["Explain", { Requests: [{ action: "a", constructor: {} }] }, "constructor is not a member"],
  ])("%s of %j is refused with its reason", async (name, request, message) => {
    const { root } = await made();
    const { status, answer } = await root(name, request);
    expect([status, answer.message]).toEqual([400, expect.stringContaining(message)]);
  });

  it("is refused unless it is an object, or where nobody has that call", async () => {
    const { page } = await made();
    const send = async (name: string, request: unknown): Promise<unknown> =>
      (await own(page.url, page.credentials, name as "Explain", request)).answer["__type"];
    expect(await send("Explain", [])).toBe("SerializationException");
    expect(await send("constructor", {})).toBe("UnknownOperationException");
    expect(await send("explain", {})).toBe("UnknownOperationException");
  });
});

describe("Explain", () => {
  const question = { action: "kms:Decrypt" };

  it("tells everybody what they may do themselves, and no policies", async () => {
    const { alice, keyId } = await made("kms:Decrypt");
    const { answer } = await alice("Explain", {
      Requests: [
        { ...question, key: keyId },
        { action: "kms:DisableKey", key: keyId },
        { ...question, key: "alias/none" },
      ],
    });
    expect(answer.Answers).toMatchObject([
      { Decision: { allowed: true, because: "key-policy-and-iam" } },
      { Decision: { allowed: false } },
      { Error: { Code: "NotFoundException" } },
    ]);
    expect(JSON.stringify(answer)).not.toContain("Explanation");
  });

  it("has the session of the caller, with what the question changes", async () => {
    const { page, alice, keyId } = await made("kms:Describe*");
    const Condition = { IpAddress: { "aws:SourceIp": "10.0.0.0/8" } };
    const Statement = [{ Effect: "Allow", Action: "kms:Decrypt", Resource: "*", Condition }];
    const text = JSON.stringify({ Version: "2012-10-17", Statement });
    await page.keystore.iam.putPolicy(ALICE, { name: "inside", text });
    const { answer } = await alice("Explain", {
      Requests: [
        { ...question, key: keyId },
        { ...question, key: keyId, session: { sourceIp: "10.1.2.3" } },
      ],
    });
    const allowed = answer.Answers.map(
      (one: { Decision: { allowed: boolean } }) => one.Decision.allowed,
    );
    expect(allowed).toEqual([false, true]);
  });

  it("shows policies and additions to those who may see them", async () => {
    const { alice, keyId } = await made("iam:SimulatePrincipalPolicy", "kms:GetKeyPolicy");
    const { answer } = await alice("Explain", { Requests: [{ ...question, key: keyId }] });
    expect(answer.Answers[0].Decision.allowed).toBe(false);
    expect(answer.Answers[0].Explanation).toMatchObject({ decision: answer.Answers[0].Decision });
    expect(answer.Answers[0].Explanation.suggestions).toBeDefined();
  });

  it("keeps the policies of a key from those who may not read its policy", async () => {
    const { alice, keyId } = await made("iam:SimulatePrincipalPolicy");
    const { answer } = await alice("Explain", {
      Requests: [{ ...question, key: keyId, principal: ROOT }],
    });
    expect(answer.Answers).toEqual([{ Decision: expect.objectContaining({ allowed: true }) }]);
  });

  it("answers about others only to those who may simulate them", async () => {
    const { page, alice, root, keyId } = await made();
    await user(page.keystore, BOB, ["kms:Decrypt"]);
    const Requests = [{ ...question, key: keyId, principal: "user/bob" }];
    expect((await alice("Explain", { Requests })).answer.Answers).toEqual([
      {
        Error: {
          Code: "AccessDeniedException",
          Message: expect.stringContaining(`iam:SimulatePrincipalPolicy on resource: ${BOB}`),
        },
      },
    ]);
    expect((await root("Explain", { Requests })).answer.Answers).toMatchObject([
      { Decision: { allowed: true }, Explanation: {} },
    ]);
    expect((await auditRecords(page.keystore)).at(-1)).toMatchObject({
      eventName: "Explain",
      requestParameters: { requests: [{ action: "kms:Decrypt", key: keyId, principal: BOB }] },
    });
  });

  it("answers what cannot be asked with an error of that question", async () => {
    const { root, keyId } = await made();
    const { status, answer } = await root("Explain", {
      Requests: [
        { action: "kms:Nonsense", key: keyId },
        { ...question, key: keyId, principal: "nobody" },
        { ...question, key: keyId, session: { policies: ["{}"] } },
        { ...question, key: keyId, session: { region: "Paris" } },
        { ...question, key: keyId },
      ],
    });
    expect(status).toBe(200);
    const codes = answer.Answers.map((one: { Error?: { Code: string } }) => one.Error?.Code);
    expect(codes).toEqual([...Array.from({ length: 4 }, () => "ValidationException"), undefined]);
  });
});

describe("EffectiveAccess", () => {
  it("needs both permissions, and names the principals with what lets them", async () => {
    const { page, alice, root, keyId } = await made("kms:GetKeyPolicy");
    expect(await alice("EffectiveAccess", { KeyId: keyId })).toMatchObject(
      denied("iam:SimulatePrincipalPolicy"),
    );
    await page.owner.createGrant({ KeyId: keyId, GranteePrincipal: BOB, Operations: ["Decrypt"] });
    const { answer } = await root("EffectiveAccess", { KeyId: keyId });
    expect(answer.Truncated).toBe(true);
    const [first, second] = answer.Principals;
    expect(first.Principal).toBe(ROOT);
    expect(second).toEqual({
      Principal: ALICE,
      Allowed: [{ Action: "kms:GetKeyPolicy", Through: expect.stringContaining("own") }],
    });
    const next = await root("EffectiveAccess", { KeyId: keyId, Marker: answer.NextMarker });
    expect(next.answer).toMatchObject({
      Truncated: false,
      Principals: [{ Principal: BOB, Allowed: [{ Action: "kms:Decrypt" }] }],
    });
  });

  it("is denied to who may simulate and not read the key's policy", async () => {
    const { alice, keyId } = await made("iam:SimulatePrincipalPolicy");
    expect(await alice("EffectiveAccess", { KeyId: keyId })).toMatchObject(
      denied("kms:GetKeyPolicy"),
    );
  });
});

describe("the audit log", () => {
  it("is read newest first, page by page, by every filter", async () => {
    const { page, root, arn, keyId } = await made();
    for (let i = 0; i < 3; i++) await page.owner.describeKey({ KeyId: keyId });
    const first = await root("QueryAudit", { Operations: ["DescribeKey"], Limit: 2 });
    expect(first.answer.Entries).toHaveLength(2);
    const [newest, older] = first.answer.Entries;
    expect(newest.sequence).toBeGreaterThan(older.sequence);
    const { NextMarker } = first.answer;
    const rest = await root("QueryAudit", { Operations: ["DescribeKey"], Marker: NextMarker });
    expect(rest.answer).toMatchObject({
      Truncated: false,
      Entries: [{ record: { eventName: "DescribeKey" } }],
    });
    const of = async (filter: object): Promise<number> =>
      (await root("QueryAudit", filter)).answer.Entries.length;
    const now = Date.now() / 1000;
    expect(await of({ Resource: arn, Principal: ROOT, From: now - 600, To: now + 600 })).toBe(4);
    expect(await of({ To: now - 600 })).toBe(0);
    expect(await of({ ErrorCode: "AccessDeniedException", Outcome: "refused" })).toBe(0);
  });

  it("is counted in groups", async () => {
    const { page, root, keyId, arn } = await made();
    for (let i = 0; i < 3; i++) await page.owner.describeKey({ KeyId: keyId });
    const { answer } = await root("CountAudit", {
      GroupBy: ["day", "operation", "resource", "outcome"],
      Resource: arn,
    });
    const [record] = (await auditRecords(page.keystore)).slice(-1);
    const day = record?.eventTime.slice(0, 10);
    expect(answer).toEqual({
      Groups: [
        { Values: [day, "DescribeKey", arn, "succeeded"], Count: 3 },
        { Values: [day, "CreateKey", arn, "succeeded"], Count: 1 },
      ],
      Truncated: false,
    });
    const people = await root("CountAudit", { GroupBy: ["principal"] });
    expect(people.answer.Groups[0].Values).toEqual([ROOT]);
  });

  it("is verified, once for all who ask meanwhile, and compared with an anchor", async () => {
    const { page, root } = await made();
    const { sequence, digest } = await page.keystore.audit.anchor();
    const Anchor = { Sequence: sequence, Digest: digest };
    const reports = await Promise.all([1, 2, 3].map(() => root("VerifyAudit", { Anchor })));
    for (const { answer } of reports) {
      expect(answer.Report).toMatchObject({ intact: true, problems: [], anchor: "confirmed" });
      const { last } = answer.Report;
      expect(answer.Anchor).toEqual({ Sequence: last.sequence, Digest: last.digest });
    }
    const other = { Sequence: sequence, Digest: "0".repeat(64) };
    const { answer } = await root("VerifyAudit", { Anchor: other });
    expect(answer.Report).toMatchObject({ intact: false, anchor: "contradicted" });
    expect(answer.Anchor).toBeUndefined();
  });
});

describe("LintKeyPolicy", () => {
  it("needs no permission, and finds what is wrong at its place", async () => {
    const { alice } = await made();
    const { status, answer } = await alice("LintKeyPolicy", { Policy: '{"Statement":[]' });
    expect(status).toBe(200);
    expect(answer.Findings[0]).toMatchObject({ severity: "error", line: 1 });
    const identity = { Policy: '{"Version":"2012-10-17","Statement":[]}', Kind: "identity" };
    expect((await alice("LintKeyPolicy", identity)).status).toBe(200);
  });
});

describe("KeySummaries", () => {
  it("has what is known of a key, page by page", async () => {
    const { page, root, keyId, arn } = await made();
    await page.owner.createAlias({ AliasName: "alias/orders", TargetKeyId: keyId });
    await page.owner.tagResource({ KeyId: keyId, Tags: [{ TagKey: "team", TagValue: "a" }] });
    await page.owner.enableKeyRotation({ KeyId: keyId, RotationPeriodInDays: 90 });
    await page.owner.encrypt({ KeyId: keyId, Plaintext: Buffer.from("a") });
    await page.owner.createKey({ KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC" });
    const { answer } = await root("KeySummaries", { Limit: 1 });
    expect(answer).toEqual({
      Keys: [
        {
          KeyId: keyId,
          KeyArn: arn,
          Metadata: expect.objectContaining({ Description: "orders", KeyState: "Enabled" }),
          Aliases: ["alias/orders"],
          Tags: [{ TagKey: "team", TagValue: "a" }],
          Rotation: { Enabled: true, PeriodInDays: 90, NextDate: expect.any(Number) },
          LastUse: { Operation: "Encrypt", Time: expect.any(Number), Principal: ROOT },
        },
      ],
      Truncated: true,
      NextMarker: expect.any(String),
    });
    const next = await root("KeySummaries", { Marker: answer.NextMarker });
    expect(next.answer).toMatchObject({
      Truncated: false,
      Keys: [{ LastUse: null, Aliases: [], Rotation: { Enabled: false } }],
    });
  });

  it("leaves out what the caller may not see", async () => {
    const { alice, keyId, arn } = await made("kms:ListKeys", "kms:ListResourceTags");
    const { answer } = await alice("KeySummaries", {});
    expect(answer.Keys).toEqual([{ KeyId: keyId, KeyArn: arn, Tags: [] }]);
  });
});
