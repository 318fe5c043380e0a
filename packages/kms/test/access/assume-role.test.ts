import { rejection } from "@env/testkit/refusal";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { IamCall } from "../../src/access/iam-access.ts";
import {
  assumeRole,
  assumeRoleWithWebIdentity,
  sessionToken,
  type AssumedRole,
  type AssumeRoleInput,
} from "../../src/access/assume-role.ts";
import {
  openKeystore,
  type AwsCredential,
  type Keystore,
  type SessionOptions,
  type TemporaryCredentials,
} from "../../src/index.ts";
import {
  allow,
  auditRecords,
  document,
  newKey,
  refusal,
  tempKeystore,
} from "../support/keystore.ts";

const ACCOUNT = "000000000000";
const ALICE = `arn:aws:iam::${ACCOUNT}:user/alice`;
const APP = `arn:aws:iam::${ACCOUNT}:role/service/app`;
const PROVIDER = `arn:aws:iam::${ACCOUNT}:oidc-provider/token.example.com`;

function trust(principal: object, more: object = {}): string {
  return document({ Effect: "Allow", Principal: principal, Action: "sts:AssumeRole", ...more });
}

async function setup(
  trusts: string,
  ...statements: readonly object[]
): Promise<{ path: string; root: { keyFile: string }; keystore: Keystore }> {
  const made = await tempKeystore();
  const policies = statements.length === 0 ? [] : [{ name: "p", text: document(...statements) }];
  await made.keystore.iam.put({ arn: ALICE, policies, tags: { team: "blue" } });
  await made.keystore.iam.put({
    arn: APP,
    policies: [{ name: "use", text: document(allow("kms:*")) }],
    role: { trust: trusts, maxSession: 7200 },
  });
  return made;
}

function assume(
  keystore: Keystore,
  input: Partial<AssumeRoleInput> = {},
  principal: string = ALICE,
  session: SessionOptions = {},
): Promise<AssumedRole> {
  const operation = { source: "sts", operation: "AssumeRole", readOnly: true } as const;
  const whole = { roleArn: APP, sessionName: "work", ...input };
  return keystore.iam.access.call(
    { principal, session },
    { ...operation, parameters: { RoleArn: whole.roleArn } },
    (call) => assumeRole(call, whole),
  );
}

describe("a role", () => {
  it("is assumed by whom its trust policy names, without a policy of IAM", async () => {
    const { keystore } = await setup(trust({ AWS: ALICE }));
    const { credentials, arn, assumedRoleId } = await assume(keystore);
    expect(arn).toBe(`arn:aws:sts::${ACCOUNT}:assumed-role/app/work`);
    expect(assumedRoleId).toMatch(/^AROA[A-Z2-7]{17}:work$/);
    expect(credentials.accessKeyId).toMatch(/^ASIA[A-Z2-7]{16}$/);
    const found = await keystore.iam.credential(credentials.accessKeyId, credentials.sessionToken);
    expect(found).toMatchObject({
      secretAccessKey: credentials.secretAccessKey,
      principal: arn,
      session: { role: APP, tokenIssued: expect.any(Date) },
      expires: credentials.expiration,
    });
    const client = keystore.as(found?.principal, found?.session);
    await keystore.as().createKey();
    await expect(client.listKeys()).resolves.toMatchObject({ Keys: [{}] });
  });

  it("that trusts the account needs IAM to allow it too", async () => {
    const trusts = trust({ AWS: `arn:aws:iam::${ACCOUNT}:root` });
    const without = await setup(trusts);
    expect(await refusal(assume(without.keystore))).toBe(
      `AccessDeniedException: User: ${ALICE} is not authorized to perform: sts:AssumeRole on resource: ${APP} because no identity-based policy allows the sts:AssumeRole action`,
    );
    const { keystore } = await setup(trusts, allow("sts:AssumeRole", { Resource: APP }));
    await expect(assume(keystore)).resolves.toMatchObject({ arn: expect.any(String) });
  });

  it("is not assumed where nothing trusts, something denies, or nobody is there", async () => {
    const nobody = await setup(trust({ AWS: `arn:aws:iam::${ACCOUNT}:user/bob` }), allow("sts:*"));
    expect(await refusal(assume(nobody.keystore))).toContain(
      "because no role trust policy allows the sts:AssumeRole action",
    );
    const missing = `${APP}-too`;
    expect(await refusal(assume(nobody.keystore, { roleArn: missing }))).toContain(
      "because no role trust policy allows the sts:AssumeRole action",
    );
    const denied = await setup(trust({ AWS: ALICE }), { ...allow("sts:*"), Effect: "Deny" });
    expect(await refusal(assume(denied.keystore))).toContain(
      "with an explicit deny in an identity-based policy",
    );
    const root = assume(denied.keystore, {}, "root");
    expect((await rejection(root)).message).toBe("Roles may not be assumed by root accounts.");
  });

  it("is assumed under conditions: external id, tags of the caller and of the request", async () => {
    const { keystore } = await setup(
      trust(
        { AWS: ALICE },
        {
          Action: ["sts:AssumeRole", "sts:TagSession"],
          Condition: {
            StringEquals: {
              "sts:ExternalId": "77",
              "aws:PrincipalTag/team": "blue",
              "aws:RequestTag/project": "x",
            },
          },
        },
      ),
    );
    const tags = { project: "x" };
    await expect(assume(keystore, { externalId: "77", tags })).resolves.toBeDefined();
    for (const wrong of [{ externalId: "78", tags }, { tags }, { externalId: "77" }]) {
      expect((await rejection(assume(keystore, wrong))).name).toBe("AccessDeniedException");
    }
  });

  it("needs sts:TagSession for tags, which are those of the session", async () => {
    const plain = await setup(trust({ AWS: ALICE }));
    expect((await rejection(assume(plain.keystore, { tags: { a: "b" } }))).message).toContain(
      "sts:TagSession",
    );
  });

  it("gives a session what one of its policies allows, as managed policies are at the time", async () => {
    const { keystore } = await setup(trust({ AWS: ALICE }));
    const arn = `arn:aws:iam::${ACCOUNT}:policy/aliases`;
    const facts = { description: "", tags: {} };
    const change = (run: (call: IamCall) => unknown): Promise<unknown> =>
      keystore.iam.access.call(
        { principal: "root" },
        { source: "iam", operation: "CreatePolicy", readOnly: false, parameters: {} },
        run,
      );
    await change(({ directory }) =>
      directory.createPolicy(arn, facts, document(allow("kms:ListAliases"))),
    );
    const input = { policy: document(allow("kms:ListKeys")), policyArns: [arn] };
    const { credentials, packedPercent } = await assume(keystore, input);
    expect(packedPercent).toBeGreaterThan(1);
    const found = await keystore.iam.credential(credentials.accessKeyId, credentials.sessionToken);
    const client = keystore.as(found?.principal, found?.session);
    await expect(client.listKeys()).resolves.toBeDefined();
    await expect(client.listAliases()).resolves.toBeDefined();
    expect(await refusal(client.createKey())).toContain("no session policy allows");
    await change(({ directory }) => directory.store.policies.delete(arn));
    expect(await refusal(client.listAliases())).toContain("no session policy allows");
    expect((await rejection(assume(keystore, input))).name).toBe("MalformedPolicyDocument");
    for (const policyArns of [["x"], Array.from({ length: 11 }, () => arn)]) {
      expect((await rejection(assume(keystore, { policyArns }))).name).toBe("ValidationException");
    }
  });

  it("keeps its source identity along a chain, in policies and in the audit log", async () => {
    const Action = ["sts:AssumeRole", "sts:SetSourceIdentity"];
    const Condition = { StringEquals: { "sts:SourceIdentity": "alice" } };
    const { keystore, path, root } = await setup(
      trust({ AWS: [ALICE, APP] }, { Action, Condition }),
    );
    const sessionOf = async ({ credentials }: AssumedRole): Promise<AwsCredential | undefined> =>
      keystore.iam.credential(credentials.accessKeyId, credentials.sessionToken);
    const first = await assume(keystore, { sourceIdentity: "alice" });
    expect(first.sourceIdentity).toBe("alice");
    const begun = await sessionOf(first);
    const second = await assume(keystore, {}, begun?.principal, begun?.session);
    expect(second.sourceIdentity).toBe("alice");
    const changed = assume(keystore, { sourceIdentity: "bob" }, begun?.principal, begun?.session);
    expect((await rejection(changed)).name).toBe("InvalidParameterCombination");

    const condition = { StringEquals: { "aws:SourceIdentity": "alice" } };
    await keystore.iam.putPolicy(APP, {
      name: "use",
      text: document(allow("kms:ListKeys", { Condition: condition })),
    });
    const later = await sessionOf(second);
    await keystore.as(later?.principal, later?.session).listKeys();
    expect(await refusal(keystore.as(later?.principal, { role: APP }).listKeys())).toMatch(
      /no identity/,
    );
    const records = (await auditRecords(keystore)).slice(-2);
    expect(records.map(({ userIdentity }) => userIdentity.sessionContext?.sourceIdentity)).toEqual([
      "alice",
      undefined,
    ]);
    keystore.close();
    using again = await openKeystore(path, { root });
    expect((await again.audit.verify()).intact).toBe(true);
  });

  it("has a source identity only by permission of its trust policy, and of a valid form", async () => {
    const { keystore } = await setup(trust({ AWS: ALICE }));
    expect(await refusal(assume(keystore, { sourceIdentity: "alice" }))).toContain(
      "not authorized to perform: sts:SetSourceIdentity",
    );
    for (const sourceIdentity of ["a", "a b", "aws:alice", "a".repeat(65)]) {
      expect((await rejection(assume(keystore, { sourceIdentity }))).name).toBe(
        "ValidationException",
      );
    }
  });

  it("passes transitive tags on along a chain, and no others", async () => {
    const actions = { Action: ["sts:AssumeRole", "sts:TagSession"] };
    const { keystore } = await setup(trust({ AWS: [ALICE, APP] }, actions));
    const begin = { tags: { team: "red", stage: "test" }, transitiveTags: ["team"] };
    const step = async (
      from: AssumedRole,
      input: Partial<AssumeRoleInput>,
    ): Promise<AssumedRole> => {
      const { accessKeyId, sessionToken: token } = from.credentials;
      const found = await keystore.iam.credential(accessKeyId, token);
      return assume(keystore, input, found?.principal, found?.session);
    };
    const first = await assume(keystore, begin);
    const second = await step(first, { tags: { project: "x" } });
    const third = await step(second, {});
    const tagsOf = async ({ credentials }: AssumedRole): Promise<unknown> =>
      (await keystore.iam.credential(credentials.accessKeyId, credentials.sessionToken))?.session
        .tags;
    expect(await tagsOf(second)).toEqual({ team: "red", project: "x" });
    expect(await tagsOf(third)).toEqual({ team: "red" });
    expect((await rejection(step(first, { tags: { team: "blue" } }))).name).toBe(
      "InvalidParameterCombination",
    );
    expect((await rejection(assume(keystore, { transitiveTags: ["team"] }))).name).toBe(
      "ValidationException",
    );
  });

  it("gives a session no more than its session policy", async () => {
    const { keystore } = await setup(trust({ AWS: ALICE }));
    const policy = document(allow("kms:ListKeys"));
    const { credentials } = await assume(keystore, { policy });
    const found = await keystore.iam.credential(credentials.accessKeyId, credentials.sessionToken);
    const client = keystore.as(found?.principal, found?.session);
    await expect(client.listKeys()).resolves.toBeDefined();
    expect(await refusal(client.listAliases())).toContain("no session policy allows");
  });

  it("bounds how long a session lasts, and one hour if a role assumes it", async () => {
    const { keystore } = await setup(trust({ AWS: [ALICE, APP] }));
    await expect(assume(keystore, { duration: 7200 })).resolves.toBeDefined();
    expect(await refusal(assume(keystore, { duration: 7201 }))).toContain("MaxSessionDuration");
    for (const duration of [899, 43_201]) {
      expect((await rejection(assume(keystore, { duration }))).name).toBe("ValidationException");
    }
    const chained = [`arn:aws:sts::${ACCOUNT}:assumed-role/app/work`, { role: APP }] as const;
    await expect(assume(keystore, { duration: 3600 }, ...chained)).resolves.toBeDefined();
    expect(await refusal(assume(keystore, { duration: 3601 }, ...chained))).toContain("chaining");
  });

  it("is refused sessions whose names, policies or tags are out of bounds", async () => {
    const { keystore } = await setup(
      trust({ AWS: ALICE }, { Action: ["sts:AssumeRole", "sts:TagSession"] }),
    );
    const tags = Object.fromEntries(
      Array.from({ length: 50 }, (_, i) => [`k${i}`, "v".repeat(200)]),
    );
    for (const [input, name] of [
      [{ sessionName: "a b" }, "ValidationException"],
      [{ sessionName: "x" }, "ValidationException"],
      [{ policy: "{" }, "MalformedPolicyDocumentException"],
      [{ policy: " ".repeat(2049) }, "ValidationException"],
      [{ tags }, "PackedPolicyTooLarge"],
    ] as const) {
      expect((await rejection(assume(keystore, input))).name, JSON.stringify(input)).toBe(name);
    }
  });
});

describe("temporary credentials", () => {
  it("end with their role, also if it is made again", async () => {
    const { keystore } = await setup(trust({ AWS: ALICE }));
    const { credentials } = await assume(keystore);
    const find = (): Promise<unknown> =>
      keystore.iam.credential(credentials.accessKeyId, credentials.sessionToken);
    expect(await find()).toBeDefined();
    await keystore.iam.delete(APP);
    expect(await find()).toBeUndefined();
    await keystore.iam.put({ arn: APP });
    expect(await find()).toBeUndefined();
  });

  it("are valid across restarts, and end at their time although the machine's clock goes back", async () => {
    const { keystore, path, root } = await setup(trust({ AWS: ALICE }));
    const { credentials } = await assume(keystore);
    const again = await openKeystore(path, { root });
    onTestFinished(() => again.close());
    const { accessKeyId, sessionToken: token, expiration } = credentials;
    expect(await again.iam.credential(accessKeyId, token)).toMatchObject({ expires: expiration });
    vi.useFakeTimers({ toFake: ["Date"], now: expiration.getTime() + 1000 });
    onTestFinished(() => void vi.useRealTimers());
    await newKey(again.as());
    vi.setSystemTime(expiration.getTime() - 60_000);
    const late = await again.iam.credential(accessKeyId, token);
    expect(late?.expires?.getTime()).toBeLessThan(expiration.getTime() - 60_000);
  });

  it("are nobody's with another key's token, an altered token, or in another keystore", async () => {
    const { keystore } = await setup(trust({ AWS: ALICE }));
    const [{ credentials: one }, { credentials: two }] = [
      await assume(keystore),
      await assume(keystore),
    ];
    const other = await setup(trust({ AWS: ALICE }));
    const altered = `${one.sessionToken.startsWith("A") ? "B" : "A"}${one.sessionToken.slice(1)}`;
    expect(await keystore.iam.credential(one.accessKeyId, two.sessionToken)).toBeUndefined();
    expect(await keystore.iam.credential(one.accessKeyId, altered)).toBeUndefined();
    expect(await keystore.iam.credential(one.accessKeyId)).toBeUndefined();
    expect(await keystore.iam.credential(one.accessKeyId, "A".repeat(9000))).toBeUndefined();
    expect(await other.keystore.iam.credential(one.accessKeyId, one.sessionToken)).toBeUndefined();
  });

  it("of GetSessionToken are the caller's own, and not for sessions", async () => {
    const { keystore } = await setup(trust({ AWS: ALICE }));
    const facts = { source: "sts", operation: "GetSessionToken", readOnly: true } as const;
    const get = (principal: string): Promise<TemporaryCredentials> =>
      keystore.iam.access.call({ principal }, { ...facts, parameters: {} }, (call) =>
        sessionToken(call, 900),
      );
    const { accessKeyId, sessionToken: token } = await get(ALICE);
    expect(await keystore.iam.credential(accessKeyId, token)).toMatchObject({ principal: ALICE });
    const session = get(`arn:aws:sts::${ACCOUNT}:assumed-role/app/xx`);
    expect((await rejection(session)).name).toBe("AccessDeniedException");
  });
});

describe("a role that trusts an identity provider", () => {
  const facts = { source: "sts", operation: "AssumeRoleWithWebIdentity", readOnly: true } as const;

  it("is assumed with a token that has the claims of its conditions", async () => {
    const condition = {
      StringEquals: { "token.example.com:aud": "kms" },
      StringLike: { "token.example.com:sub": "repo:acme/*" },
    };
    const { keystore } = await setup(
      trust(
        { Federated: PROVIDER },
        { Action: "sts:AssumeRoleWithWebIdentity", Condition: condition },
      ),
    );
    const enter = (subject: string, provider = PROVIDER): Promise<AssumedRole> =>
      keystore.iam.access.call(
        {
          provider,
          subject,
          audience: "kms",
          claims: { "token.example.com:sub": subject, "token.example.com:aud": "kms" },
          tags: {},
          transitiveTags: [],
        },
        { ...facts, parameters: {} },
        (call) => assumeRoleWithWebIdentity(call, { roleArn: APP, sessionName: "ci" }),
      );
    const { credentials } = await enter("repo:acme/app");
    expect(
      await keystore.iam.credential(credentials.accessKeyId, credentials.sessionToken),
    ).toMatchObject({ session: { federatedProvider: PROVIDER } });
    expect((await rejection(enter("repo:evil/app"))).name).toBe("AccessDeniedException");
    expect((await rejection(enter("repo:acme/app", `${PROVIDER}.evil`))).name).toBe(
      "AccessDeniedException",
    );
  });
});

it("records every call with what decided, and without credentials", async () => {
  const { keystore } = await setup(trust({ AWS: ALICE }));
  const { credentials } = await assume(keystore);
  await rejection(assume(keystore, {}, `arn:aws:iam::${ACCOUNT}:user/bob`));
  const records = await auditRecords(keystore);
  expect(records.slice(-2)).toMatchObject([
    {
      eventName: "AssumeRole",
      eventSource: "sts.amazonaws.com",
      userIdentity: { arn: ALICE },
      requestParameters: { roleArn: APP },
      additionalEventData: { decisions: [{ because: "trust-policy", allowed: true }] },
    },
    {
      errorCode: "AccessDeniedException",
      additionalEventData: { decisions: [{ allowed: false }] },
    },
  ]);
  expect(JSON.stringify(records)).not.toContain(credentials.secretAccessKey);
});
