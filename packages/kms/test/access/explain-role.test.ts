import { rejection } from "@env/testkit/refusal";
import { expect, it } from "vitest";
import { assumeRole } from "../../src/access/assume-role.ts";
import type { ExplainRequest, Keystore } from "../../src/index.ts";
import { allow, document, refusal, tempKeystore } from "../support/keystore.ts";

const ALICE = "arn:aws:iam::000000000000:user/alice";
const ACCOUNT = "arn:aws:iam::000000000000:root";
const APP = "arn:aws:iam::000000000000:role/team/app";
const trusts = (AWS: string, more: object = {}): object => ({
  Effect: "Allow",
  Principal: { AWS },
  Action: "sts:AssumeRole",
  ...more,
});

async function setup(trust: object | undefined, ...own: readonly object[]): Promise<Keystore> {
  const { keystore } = await tempKeystore();
  const policies = own.length === 0 ? [] : [{ name: "own", text: document(...own) }];
  await keystore.iam.put({ arn: ALICE, policies });
  await keystore.iam.put({ arn: APP, role: trust && { trust: document(trust) } });
  return keystore;
}

/** What STS answers to alice. */
function tried(keystore: Keystore, externalId?: string): Promise<unknown> {
  return keystore.iam.access.call(
    { principal: ALICE },
    { source: "sts", operation: "AssumeRole", readOnly: true, parameters: {} },
    (call) => assumeRole(call, { roleArn: APP, sessionName: "work", externalId }),
  );
}

const question = { principal: ALICE, action: "sts:AssumeRole", role: APP };

it.each<[string, object | undefined, readonly object[]]>([
  ["nobody trusts", undefined, []],
  ["the trust policy does not name", trusts(ACCOUNT.replace(":root", ":user/bob")), []],
  ["IAM does not allow", trusts(ACCOUNT), []],
  ["IAM denies", trusts(ALICE), [{ ...allow("sts:*"), Effect: "Deny" }]],
  [
    "a condition keeps out",
    trusts(ALICE, { Condition: { StringEquals: { "sts:ExternalId": "7" } } }),
    [],
  ],
])("explains in the words of the refusal whom %s", async (_, trust, own) => {
  const keystore = await setup(trust, ...own);
  const { decision } = await keystore.explain(question);
  expect(decision.allowed).toBe(false);
  expect(await refusal(tried(keystore))).toBe(
    `AccessDeniedException: User: ${ALICE} is not authorized to perform: sts:AssumeRole on resource: ${APP} ${decision.reason}`,
  );
});

it("shows what decides, and suggests what would allow it", async () => {
  const condition = { StringEquals: { "sts:ExternalId": "7" } };
  const keystore = await setup(trusts(ALICE, { Condition: condition }));
  const conditions = { "sts:ExternalId": "7" };
  const { decision } = await keystore.explain({ ...question, conditions });
  expect(decision).toMatchObject({
    allowed: true,
    because: "trust-policy",
    deciding: "trust policy, statement 1",
  });
  await expect(tried(keystore, "7")).resolves.toBeDefined();
  const { nearMisses, suggestions, policies } = await keystore.explain(question);
  expect(policies[0]?.statements[0]?.resource).toEqual({
    matched: true,
    why: "a trust policy is about its role",
  });
  expect(nearMisses).toEqual([expect.stringContaining("sts:ExternalId is absent")]);
  expect(suggestions).toEqual([
    {
      additions: [
        {
          to: "trust policy",
          statement: { Effect: "Allow", Principal: { AWS: ALICE }, Action: "sts:AssumeRole" },
        },
      ],
    },
  ]);
});

it("asks for tags separately, as the call does", async () => {
  const keystore = await setup(trusts(ALICE));
  const tags = { ...question, action: "STS:tagsession" };
  expect((await keystore.explain(tags)).decision.because).toBe("no-trust-policy-allows");
});

it.each<[string, Partial<ExplainRequest>, string]>([
  ["no role", { role: undefined }, "ValidationException"],
  ["a role that is not there", { role: `${APP}-too` }, "NotFoundException"],
  ["what is not a role", { role: ALICE }, "ValidationException"],
  ["the account's root", { principal: ACCOUNT }, "ValidationException"],
  ["a key", { key: "alias/app" }, "ValidationException"],
  ["another action", { action: "kms:Decrypt", key: "alias/app" }, "ValidationException"],
])("does not explain a question with %s", async (_, more, name) => {
  const keystore = await setup(trusts(ALICE));
  expect((await rejection(keystore.explain({ ...question, ...more }))).name).toBe(name);
});
