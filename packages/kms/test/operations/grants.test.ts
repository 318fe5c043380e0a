import { rejection } from "@env/testkit/refusal";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { CreateGrantRequest, Keystore, KmsClient } from "../../src/index.ts";
import { bytes, keyOf } from "../support/kinds.ts";
import {
  allow,
  arn,
  auditRecords,
  newKey,
  newUser,
  refusal,
  ROOT,
  tempKeystore,
} from "../support/keystore.ts";

afterEach(() => {
  vi.useRealTimers();
});

const ALICE = "arn:aws:iam::000000000000:user/alice";
const BOB = "arn:aws:iam::000000000000:user/bob";
const CONTEXT = { tenant: "acme" };
const SERVICE = "rds.amazonaws.com";
const DATABASE = "arn:aws:rds:local:000000000000:db:orders";
const EITHER_GRANTEE =
  "ValidationException: You must specify either GranteePrincipal or GranteeServicePrincipal, but not both.";
const GRANT_ID = /^[0-9a-f]{64}$/;

async function setup(options: { grantDelay?: number } = {}): Promise<{
  keystore: Keystore;
  client: KmsClient;
  alice: KmsClient;
  bob: KmsClient;
  KeyId: string;
}> {
  const { keystore, client } = await tempKeystore(options);
  const KeyId = await newKey(client);
  return { keystore, client, alice: keystore.as(ALICE), bob: keystore.as(BOB), KeyId };
}

const refuses = async (call: Promise<unknown>): Promise<void> => {
  expect((await rejection(call)).name).toBe("AccessDeniedException");
};

describe("a grant", () => {
  it("allows its grantee its operations on its key, without any policy", async () => {
    const { client, alice, bob, KeyId } = await setup();
    const use = (who: KmsClient): Promise<unknown> =>
      who.generateDataKey({ KeyId, KeySpec: "AES_256" });
    await refuses(use(alice));
    const grant = {
      KeyId,
      GranteePrincipal: ALICE,
      Operations: ["GenerateDataKey", "DescribeKey"],
    };
    const made = await client.createGrant(grant);
    expect(made).toEqual({
      GrantId: expect.stringMatching(GRANT_ID),
      GrantToken: expect.stringMatching(/^[\w-]{100,}$/),
    });
    await use(alice);
    await alice.describeKey({ KeyId });
    await refuses(use(bob));
    await refuses(alice.encrypt({ KeyId, Plaintext: bytes(1) }));
    await refuses(alice.generateDataKey({ KeyId: await newKey(client), KeySpec: "AES_256" }));
    await client.revokeGrant({ KeyId, GrantId: made.GrantId });
    await refuses(use(alice));
  });

  it("does not outweigh a deny", async () => {
    const { keystore, client, KeyId } = await setup();
    await newUser(keystore, "alice", { ...allow("kms:Encrypt"), Effect: "Deny" });
    await client.createGrant({ KeyId, GranteePrincipal: ALICE, Operations: ["Encrypt"] });
    await refuses(keystore.as(ALICE).encrypt({ KeyId, Plaintext: bytes(1) }));
  });

  it.each<[string, object, object | undefined, boolean]>([
    ["equals", { EncryptionContextEquals: CONTEXT }, CONTEXT, true],
    ["equals", { EncryptionContextEquals: CONTEXT }, { ...CONTEXT, more: "" }, false],
    ["equals", { EncryptionContextEquals: CONTEXT }, { tenant: "Acme" }, false],
    ["equals", { EncryptionContextEquals: CONTEXT }, undefined, false],
    ["subset", { EncryptionContextSubset: CONTEXT }, CONTEXT, true],
    ["subset", { EncryptionContextSubset: CONTEXT }, { ...CONTEXT, more: "" }, true],
    ["subset", { EncryptionContextSubset: CONTEXT }, { more: "" }, false],
  ])("may ask for a context that %s: %j for %j", async (_, Constraints, context, allowed) => {
    const { client, alice, KeyId } = await setup();
    const Operations = ["GenerateDataKey", "DescribeKey"];
    await client.createGrant({ KeyId, GranteePrincipal: ALICE, Operations, Constraints });
    const EncryptionContext = context as Record<string, string>;
    const call = alice.generateDataKey({ KeyId, KeySpec: "AES_256", EncryptionContext });
    await (allowed ? call : refuses(call));
    await alice.describeKey({ KeyId });
  });

  it("goes with the key", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { client, alice, KeyId } = await setup();
    const grant = { KeyId, GranteePrincipal: ALICE, Operations: ["DescribeKey"] };
    const { GrantToken } = await client.createGrant(grant);
    await client.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 });
    await alice.describeKey({ KeyId });
    vi.setSystemTime(Date.now() + 7 * 86_400_000);
    expect((await rejection(client.retireGrant({ GrantToken }))).name).toBe(
      "InvalidGrantTokenException",
    );
    expect((await client.listRetirableGrants({ RetiringPrincipal: ROOT })).Grants).toEqual([]);
  });
});

describe("grant tokens", () => {
  it("make a grant count before it has become effective everywhere", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { client, alice, KeyId } = await setup({ grantDelay: 5000 });
    const grant = { KeyId, GranteePrincipal: ALICE, Operations: ["Encrypt"] };
    const { GrantToken } = await client.createGrant(grant);
    const request = { KeyId, Plaintext: bytes(1) };
    await refuses(alice.encrypt(request));
    await alice.encrypt({ ...request, GrantTokens: [GrantToken] });
    await refuses(alice.encrypt(request));
    vi.setSystemTime(Date.now() + 5000);
    await alice.encrypt(request);
  });

  it("are refused where they name no grant", async () => {
    const { client, KeyId } = await setup();
    const grant = { KeyId, GranteePrincipal: ALICE, Operations: ["Encrypt"] };
    const { GrantToken, GrantId } = await client.createGrant(grant);
    const encrypt = (...GrantTokens: string[]): Promise<unknown> =>
      client.encrypt({ KeyId, Plaintext: bytes(1), GrantTokens });
    await encrypt(GrantToken);
    const other = `${GrantToken.slice(0, -3)}${GrantToken.endsWith("AAA") ? "BBB" : "AAA"}`;
    for (const token of ["x", `${GrantToken}=`, GrantToken.slice(1), other]) {
      expect((await rejection(encrypt(GrantToken, token))).name).toBe("InvalidGrantTokenException");
    }
    await client.revokeGrant({ KeyId, GrantId });
    expect((await rejection(encrypt(GrantToken))).name).toBe("InvalidGrantTokenException");
  });

  it("number ten at most", async () => {
    const { client, KeyId } = await setup();
    const grant = { KeyId, GranteePrincipal: ALICE, Operations: ["Encrypt"] };
    const { GrantToken } = await client.createGrant(grant);
    const encrypt = (length: number): Promise<unknown> =>
      client.encrypt({
        KeyId,
        Plaintext: bytes(1),
        GrantTokens: Array.from({ length }, () => GrantToken),
      });
    await encrypt(10);
    expect(await refusal(encrypt(11))).toBe(
      "ValidationException: 1 validation error detected: Value at 'grantTokens' failed to satisfy constraint: Member must have length less than or equal to 10",
    );
  });

  it("find the grant of a multi-Region key", async () => {
    const { client } = await setup();
    const { KeyMetadata } = await client.createKey({ MultiRegion: true });
    const { KeyId } = KeyMetadata;
    const grant = { KeyId, GranteePrincipal: ALICE, Operations: ["Encrypt"] };
    const { GrantToken } = await client.createGrant(grant);
    await client.retireGrant({ GrantToken });
    expect((await client.listGrants({ KeyId })).Grants).toEqual([]);
  });

  it("are in neither the list of grants nor the audit log", async () => {
    const { keystore, client, KeyId } = await setup();
    const grant = { KeyId, GranteePrincipal: ALICE, Operations: ["Encrypt"] };
    const { GrantToken } = await client.createGrant(grant);
    const text = JSON.stringify([await client.listGrants({ KeyId }), await auditRecords(keystore)]);
    expect(text).not.toContain(GrantToken);
  });
});

describe("a name", () => {
  it("makes the same request the same grant, with another token", async () => {
    const { client, KeyId } = await setup();
    const request = {
      KeyId,
      GranteePrincipal: ALICE,
      RetiringPrincipal: BOB,
      Operations: ["Encrypt", "Decrypt"],
      Constraints: { EncryptionContextSubset: CONTEXT },
      Name: "daily",
    };
    const first = await client.createGrant(request);
    const again = await client.createGrant({ ...request, Operations: ["Decrypt", "Encrypt"] });
    expect(again.GrantId).toBe(first.GrantId);
    expect(again.GrantToken).not.toBe(first.GrantToken);
    const { Grants } = await client.listGrants({ KeyId });
    expect(Grants).toHaveLength(1);
    for (const other of [
      { GranteePrincipal: BOB },
      { RetiringPrincipal: undefined },
      { Operations: ["Encrypt"] },
      { Constraints: undefined },
      { Constraints: { EncryptionContextEquals: CONTEXT } },
      { Name: "other" },
    ]) {
      const made = await client.createGrant({ ...request, ...other });
      expect(made.GrantId).not.toBe(first.GrantId);
    }
    for (const { GrantToken } of [first, again]) {
      await client.encrypt({ KeyId, Plaintext: bytes(1), GrantTokens: [GrantToken] });
    }
  });

  it("keeps the latest fifty tokens", async () => {
    const { client, KeyId } = await setup();
    const request = { KeyId, GranteePrincipal: ALICE, Operations: ["Encrypt"], Name: "daily" };
    const tokens: string[] = [];
    for (let i = 0; i < 51; i++) tokens.push((await client.createGrant(request)).GrantToken);
    const encrypt = (token = ""): Promise<unknown> =>
      client.encrypt({ KeyId, Plaintext: bytes(1), GrantTokens: [token] });
    expect((await rejection(encrypt(tokens[0]))).name).toBe("InvalidGrantTokenException");
    await encrypt(tokens[1]);
    await encrypt(tokens[50]);
  });

  it("is not needed: then every request makes a grant", async () => {
    const { client, KeyId } = await setup();
    const request = { KeyId, GranteePrincipal: ALICE, Operations: ["Encrypt"] };
    const first = await client.createGrant(request);
    expect((await client.createGrant(request)).GrantId).not.toBe(first.GrantId);
  });
});

describe("listGrants", () => {
  it("takes an empty constraint beside one with pairs for one that is not meant", async () => {
    const { client, bob, KeyId } = await setup();
    const equals = { EncryptionContextEquals: { app: "orders" } };
    const subset = { EncryptionContextSubset: { app: "orders" } };
    for (const [meant, Constraints] of [
      [equals, { EncryptionContextSubset: {}, ...equals }],
      [subset, { EncryptionContextEquals: {}, ...subset }],
    ] as const) {
      const { GrantId } = await client.createGrant({
        KeyId,
        GranteePrincipal: bob.principal,
        Operations: ["Decrypt"],
        Constraints,
      });
      const { Grants } = await client.listGrants({ KeyId, GrantId });
      expect(Grants[0]?.Constraints).toEqual(meant);
    }
  });

  it("shows grants as they were made, in pages and by filter", async () => {
    const { client, KeyId } = await setup();
    const made: string[] = [];
    for (const GranteePrincipal of [ALICE, BOB, ALICE]) {
      const { GrantId } = await client.createGrant({
        KeyId,
        GranteePrincipal,
        RetiringPrincipal: BOB,
        Operations: ["Encrypt"],
        Constraints: { EncryptionContextEquals: CONTEXT },
        Name: `n${made.length}`,
      });
      made.push(GrantId);
    }
    const { Grants } = await client.listGrants({ KeyId });
    expect(Grants.map(({ GrantId }) => GrantId).toSorted()).toEqual(made.toSorted());
    expect(Grants.find(({ GrantId }) => GrantId === made[0])).toEqual({
      KeyId: arn(KeyId),
      GrantId: made[0],
      Name: "n0",
      CreationDate: expect.any(Date),
      GranteePrincipal: ALICE,
      RetiringPrincipal: BOB,
      IssuingAccount: ROOT,
      Operations: ["Encrypt"],
      Constraints: { EncryptionContextEquals: CONTEXT },
    });
    const listed: unknown[] = [];
    let Marker: string | undefined;
    do {
      const page = await client.listGrants({ KeyId, Limit: 1, Marker });
      listed.push(...page.Grants);
      Marker = page.NextMarker;
    } while (Marker !== undefined);
    expect(listed).toEqual(Grants);
    expect((await client.listGrants({ KeyId, GranteePrincipal: BOB })).Grants).toHaveLength(1);
    expect((await client.listGrants({ KeyId, GrantId: made[2] })).Grants).toMatchObject([
      { GrantId: made[2], GranteePrincipal: ALICE },
    ]);
    expect((await client.listGrants({ KeyId, GrantId: "x" })).Grants).toEqual([]);
  });

  it("shows a grant without a name, retiring principal or constraints", async () => {
    const { client, KeyId } = await setup();
    await client.createGrant({ KeyId, GranteePrincipal: ALICE, Operations: ["Encrypt"] });
    const [grant] = (await client.listGrants({ KeyId })).Grants;
    expect(grant?.Name).toBe("");
    expect(grant).not.toHaveProperty("RetiringPrincipal");
    expect(grant).not.toHaveProperty("Constraints");
  });
});

describe("listRetirableGrants", () => {
  it("finds the grants of all keys that a principal may retire, in pages", async () => {
    const { client } = await setup();
    const expected: string[] = [];
    for (let i = 0; i < 3; i++) {
      const KeyId = await newKey(client);
      for (const [RetiringPrincipal, length] of [
        [ALICE, 1],
        [BOB, 3],
      ] as const) {
        for (let n = 0; n < length; n++) {
          const { GrantId } = await client.createGrant({
            KeyId,
            GranteePrincipal: ALICE,
            RetiringPrincipal,
            Operations: ["Encrypt"],
          });
          if (RetiringPrincipal === BOB) expected.push(GrantId);
        }
      }
    }
    for (const Limit of [1, 2, 5, 100]) {
      const listed: string[] = [];
      let Marker: string | undefined;
      do {
        const page = await client.listRetirableGrants({ RetiringPrincipal: BOB, Limit, Marker });
        expect(page.Grants.length).toBeLessThanOrEqual(Limit);
        listed.push(...page.Grants.map(({ GrantId }) => GrantId));
        Marker = page.NextMarker;
      } while (Marker !== undefined);
      expect(listed).toEqual(expected);
    }
    const wrong = client.listRetirableGrants({ RetiringPrincipal: BOB, Marker: "x" });
    expect((await rejection(wrong)).name).toBe("InvalidMarkerException");
  });
});

describe("retireGrant", () => {
  const request = { GranteePrincipal: ALICE, RetiringPrincipal: BOB, Operations: ["Encrypt"] };

  it("is for the retiring principal, by token or by key and id", async () => {
    const { client, alice, bob, KeyId } = await setup();
    const first = await client.createGrant({ KeyId, ...request });
    const second = await client.createGrant({ KeyId, ...request });
    const byId = { KeyId: arn(KeyId), GrantId: second.GrantId };
    await refuses(alice.retireGrant(byId));
    await refuses(alice.retireGrant({ GrantToken: first.GrantToken }));
    await bob.retireGrant(byId);
    await bob.retireGrant({ GrantToken: first.GrantToken });
    expect((await client.listGrants({ KeyId })).Grants).toEqual([]);
    expect(await refusal(bob.retireGrant(byId))).toBe(
      `NotFoundException: Grant ID ${second.GrantId} not found`,
    );
  });

  it("is for the grantee where the grant says so, and for the account that issued it", async () => {
    const { keystore, client, alice, KeyId } = await setup();
    const Operations = ["Encrypt", "RetireGrant"];
    const first = await client.createGrant({ KeyId, GranteePrincipal: ALICE, Operations });
    await alice.retireGrant({ GrantToken: first.GrantToken });
    const second = await client.createGrant({ KeyId, ...request });
    const carol = await newUser(keystore, "carol", allow("kms:RetireGrant"));
    await carol.retireGrant({ GrantToken: second.GrantToken });
    const third = await client.createGrant({ KeyId, ...request });
    await client.retireGrant({ GrantToken: third.GrantToken });
    expect((await client.listGrants({ KeyId })).Grants).toEqual([]);
  });

  it("heeds a deny that asks for the constraint of the grant, or its context", async () => {
    const { keystore, client, KeyId } = await setup();
    const Constraints = { EncryptionContextEquals: CONTEXT };
    const { GrantToken } = await client.createGrant({ KeyId, ...request, Constraints });
    for (const Condition of [
      { StringEquals: { "kms:GrantConstraintType": "EncryptionContextEquals" } },
      { StringEquals: { "kms:EncryptionContext:tenant": "acme" } },
    ]) {
      const deny = { ...allow("kms:RetireGrant", { Condition }), Effect: "Deny" };
      const bob = await newUser(keystore, "bob", deny);
      await refuses(bob.retireGrant({ GrantToken }));
    }
    await (await newUser(keystore, "bob")).retireGrant({ GrantToken });
  });

  it("takes either a token, or a key and a grant", async () => {
    const { client, KeyId } = await setup();
    const { GrantToken, GrantId } = await client.createGrant({ KeyId, ...request });
    for (const wrong of [{}, { GrantToken, KeyId }, { GrantToken, GrantId }]) {
      expect(await refusal(client.retireGrant(wrong))).toBe(
        "ValidationException: You must specify either a grant token, or both a key ARN and a grant ID.",
      );
    }
    expect((await rejection(client.retireGrant({ KeyId }))).name).toBe("ValidationException");
    const alias = { KeyId: "alias/app", GrantId };
    expect((await rejection(client.retireGrant(alias))).name).toBe("InvalidArnException");
  });
});

it("revokes only grants that are there", async () => {
  const { client, KeyId } = await setup();
  expect(await refusal(client.revokeGrant({ KeyId, GrantId: "0".repeat(64) }))).toBe(
    `NotFoundException: Grant ID ${"0".repeat(64)} not found`,
  );
});

describe("a grant that allows CreateGrant", () => {
  const parent = {
    GranteePrincipal: ALICE,
    Operations: ["CreateGrant", "Encrypt", "Decrypt"],
    Constraints: { EncryptionContextSubset: CONTEXT },
  };
  const child = { GranteePrincipal: BOB, Operations: ["Encrypt"], Constraints: parent.Constraints };

  it("allows handing on only what it allows itself", async () => {
    const { client, alice, bob, KeyId } = await setup();
    await client.createGrant({ KeyId, ...parent });
    for (const wrong of [
      { ...child, Operations: ["GenerateDataKey"] },
      { ...child, Constraints: undefined },
      { ...child, Constraints: { EncryptionContextSubset: { other: "" } } },
      { ...child, Constraints: { EncryptionContextEquals: {} } },
    ]) {
      await refuses(alice.createGrant({ KeyId, ...wrong }));
    }
    await alice.createGrant({ KeyId, ...child });
    const EncryptionContext = CONTEXT;
    await bob.encrypt({ KeyId, Plaintext: bytes(1), EncryptionContext });
    await refuses(bob.encrypt({ KeyId, Plaintext: bytes(1) }));
    const stricter = { EncryptionContextEquals: { ...CONTEXT, more: "" } };
    await alice.createGrant({ KeyId, ...child, Constraints: stricter });
  });

  it("is not needed by those whom a policy lets create grants", async () => {
    const { keystore, KeyId } = await setup();
    const carol = await newUser(keystore, "carol", allow("kms:CreateGrant"));
    const made = await carol.createGrant({ KeyId, ...child, Operations: ["GenerateDataKey"] });
    expect(made.GrantId).toMatch(GRANT_ID);
  });
});

describe("a grant to a service", () => {
  const toService = {
    GranteeServicePrincipal: SERVICE,
    RetiringServicePrincipal: SERVICE,
    Operations: ["Decrypt", "DescribeKey", "Encrypt"],
    Constraints: { SourceArn: DATABASE },
  };

  it("lets the service act for its resource, with a key of any kind, and is in the log", async () => {
    const { keystore, client, KeyId } = await setup();
    const rsa = await keyOf(client, "RSA_2048", "ENCRYPT_DECRYPT");
    const service = keystore.as(SERVICE, { sourceArn: DATABASE });
    for (const key of [KeyId, rsa]) {
      await refuses(service.describeKey({ KeyId: key }));
      await client.createGrant({ KeyId: key, ...toService });
      const { requestParameters } = (await auditRecords(keystore)).at(-1) ?? {};
      expect(requestParameters).toMatchObject({
        granteeServicePrincipal: SERVICE,
        retiringServicePrincipal: SERVICE,
        constraints: { sourceArn: DATABASE },
      });
      await service.describeKey({ KeyId: key });
      for (const other of [
        keystore.as(SERVICE),
        keystore.as(SERVICE, { sourceArn: `${DATABASE}-2` }),
        keystore.as("s3.amazonaws.com", { sourceArn: DATABASE }),
        keystore.as(ALICE, { sourceArn: DATABASE }),
      ]) {
        await refuses(other.describeKey({ KeyId: key }));
      }
    }
    await service.encrypt({ KeyId, Plaintext: bytes(1) });
    const { grants } = await keystore.explain({
      principal: SERVICE,
      action: "Encrypt",
      key: KeyId,
      session: { sourceArn: `${DATABASE}-2` },
    });
    expect(grants).toMatchObject([
      {
        matched: false,
        miss: "constraint",
        why: `SourceArn is ${DATABASE}, aws:SourceArn is ${DATABASE}-2`,
      },
    ]);
  });

  it("is listed by the members that named it, and by no other", async () => {
    const { client, KeyId } = await setup();
    const Operations = ["Encrypt"];
    const byService = await client.createGrant({ KeyId, ...toService });
    const byName = { KeyId, GranteePrincipal: SERVICE, RetiringPrincipal: SERVICE, Operations };
    const { GrantId } = await client.createGrant(byName);
    const ids = async (filter: object): Promise<string[]> =>
      (await client.listGrants({ KeyId, ...filter })).Grants.map((grant) => grant.GrantId);
    expect(await ids({ GranteeServicePrincipal: SERVICE })).toEqual([byService.GrantId]);
    expect(await ids({ GranteePrincipal: SERVICE })).toEqual([GrantId]);
    expect(await ids({ GranteePrincipal: SERVICE, GranteeServicePrincipal: SERVICE })).toEqual([]);
    const filter = { KeyId, GrantId: byService.GrantId };
    expect((await client.listGrants(filter)).Grants).toEqual([
      {
        ...toService,
        KeyId: arn(KeyId),
        GrantId: byService.GrantId,
        Name: "",
        CreationDate: expect.any(Date),
        IssuingAccount: ROOT,
      },
    ]);
  });

  it("is found and retired by the service, whatever it acts for", async () => {
    const { keystore, client, KeyId } = await setup();
    const { GrantId, GrantToken } = await client.createGrant({ KeyId, ...toService });
    const service = keystore.as(SERVICE);
    const request = { RetiringServicePrincipal: SERVICE };
    const { Grants } = await service.listRetirableGrants(request);
    expect(Grants.map((grant) => grant.GrantId)).toEqual([GrantId]);
    expect((await client.listRetirableGrants({ RetiringPrincipal: SERVICE })).Grants).toEqual([]);
    expect(await refusal(client.listRetirableGrants(request))).toBe(
      "ValidationException: RetiringServicePrincipal can be used only by the service itself.",
    );
    await refuses(keystore.as("s3.amazonaws.com").listRetirableGrants(request));
    expect(await refusal(client.listRetirableGrants({}))).toMatch(/^ValidationException: You must/);
    await service.retireGrant({ GrantToken });
    expect((await client.listGrants({ KeyId })).Grants).toEqual([]);
  });

  it("is the same one under a name only if all of it is the same", async () => {
    const { client, KeyId } = await setup();
    const named = { KeyId, Name: "one", ...toService };
    const { GrantId } = await client.createGrant(named);
    expect((await client.createGrant(named)).GrantId).toBe(GrantId);
    for (const change of [
      { Constraints: { SourceArn: `${DATABASE}-2` } },
      { GranteePrincipal: SERVICE, GranteeServicePrincipal: undefined },
      { RetiringPrincipal: SERVICE, RetiringServicePrincipal: undefined },
    ]) {
      expect((await client.createGrant({ ...named, ...change })).GrantId).not.toBe(GrantId);
    }
  });

  it("can be allowed by policies for some services and resources", async () => {
    const { keystore, KeyId } = await setup();
    const user = await newUser(
      keystore,
      "carol",
      allow("kms:CreateGrant", {
        Condition: {
          StringEquals: {
            "kms:GranteeServicePrincipal": SERVICE,
            "kms:RetiringServicePrincipal": SERVICE,
          },
          ArnLike: { "kms:GrantConstraintSourceArn": "arn:aws:rds:*:*:db:orders" },
          Null: { "kms:GranteePrincipal": "true", "kms:RetiringPrincipal": "true" },
        },
      }),
    );
    await user.createGrant({ KeyId, ...toService });
    await refuses(
      user.createGrant({ KeyId, ...toService, Constraints: { SourceArn: `${DATABASE}2` } }),
    );
    const byName = { GranteePrincipal: SERVICE, GranteeServicePrincipal: undefined };
    await refuses(user.createGrant({ KeyId, ...toService, ...byName }));
    const newGrant = {
      operations: ["Decrypt"],
      granteeService: SERVICE,
      retiringService: SERVICE,
      constraints: { sourceArn: DATABASE },
    };
    const principal = "arn:aws:iam::000000000000:user/carol";
    const question = { principal, action: "CreateGrant", key: KeyId, newGrant };
    const explained = await keystore.explain(question);
    expect(explained.decision.allowed).toBe(true);
  });
});

describe("policies for createGrant", () => {
  it.each<[object, Partial<CreateGrantRequest>]>([
    [
      { "ForAllValues:StringEquals": { "kms:GrantOperations": ["Encrypt"] } },
      { Operations: ["Encrypt", "Decrypt"] },
    ],
    [{ StringEquals: { "kms:GranteePrincipal": ALICE } }, { GranteePrincipal: BOB }],
    [{ StringEquals: { "kms:RetiringPrincipal": BOB } }, { RetiringPrincipal: ALICE }],
    [{ Null: { "kms:RetiringPrincipal": "false" } }, { RetiringPrincipal: undefined }],
    [
      { StringEquals: { "kms:GrantConstraintType": "EncryptionContextSubset" } },
      { Constraints: { EncryptionContextEquals: CONTEXT } },
    ],
    [
      { StringEquals: { "kms:EncryptionContext:tenant": "acme" } },
      { Constraints: { EncryptionContextSubset: { tenant: "other" } } },
    ],
  ])("can ask for %j", async (Condition, other) => {
    const { keystore, KeyId } = await setup();
    const carol = await newUser(keystore, "carol", allow("kms:CreateGrant", { Condition }));
    const request = {
      KeyId,
      GranteePrincipal: ALICE,
      RetiringPrincipal: BOB,
      Operations: ["Encrypt"],
      Constraints: { EncryptionContextSubset: CONTEXT },
    };
    await carol.createGrant(request);
    await refuses(carol.createGrant({ ...request, ...other }));
  });

  it("can tell grants for a service's resource from others", async () => {
    const { keystore, KeyId } = await setup();
    const Condition = { Bool: { "kms:GrantIsForAWSResource": "true" } };
    const actions = ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"];
    const carol = await newUser(keystore, "carol", allow(actions, { Condition }));
    const through = keystore.as(carol.principal, { viaService: "ebs" });
    const request = { KeyId, GranteePrincipal: ALICE, Operations: ["Decrypt"] };
    await refuses(carol.createGrant(request));
    const { GrantId } = await through.createGrant(request);
    await refuses(carol.listGrants({ KeyId }));
    await through.listGrants({ KeyId });
    await refuses(carol.revokeGrant({ KeyId, GrantId }));
    await through.revokeGrant({ KeyId, GrantId });
  });
});

describe("createGrant refuses", () => {
  const constraint = (must: string, at: string, value = ""): string =>
    `ValidationException: 1 validation error detected: Value${value} at '${at}' failed to satisfy constraint: Member must ${must}`;

  it.each<[string, object, string]>([
    ["no grantee", { GranteePrincipal: undefined }, EITHER_GRANTEE],
    [
      "a grantee of strange letters",
      { GranteePrincipal: "arn:aws:iam::000000000000:user/é" },
      constraint(
        "satisfy regular expression pattern: ^[\\w+=,.@:/-]+$",
        "granteePrincipal",
        " 'arn:aws:iam::000000000000:user/é'",
      ),
    ],
    [
      "a grantee that is none",
      { GranteePrincipal: "alice" },
      "InvalidArnException: alice is not the ARN of a principal",
    ],
    [
      "a group",
      { RetiringPrincipal: "arn:aws:iam::000000000000:group/g" },
      "InvalidArnException: arn:aws:iam::000000000000:group/g is not the ARN of a principal",
    ],
    [
      "no operations",
      { Operations: [] },
      constraint("have length greater than or equal to 1", "operations"),
    ],
    [
      "only CreateGrant",
      { Operations: ["CreateGrant"] },
      "ValidationException: Grants must not contain only the CreateGrant operation.",
    ],
    [
      "operations of another kind of key",
      { Operations: ["Sign"] },
      "ValidationException: Grant operation Sign is not valid for a key with usage ENCRYPT_DECRYPT and spec SYMMETRIC_DEFAULT.",
    ],
    [
      "both constraints with pairs",
      { Constraints: { EncryptionContextEquals: { a: "b" }, EncryptionContextSubset: { c: "d" } } },
      "ValidationException: More than one constraint supplied",
    ],
    [
      "both constraints",
      { Constraints: { EncryptionContextEquals: {}, EncryptionContextSubset: {} } },
      "ValidationException: More than one constraint supplied",
    ],
    [
      "an unknown constraint",
      { Constraints: { SourceAccount: "x" } },
      "UnsupportedOperationException: SourceAccount is not supported by this KMS",
    ],
    [
      "a source that is not an ARN",
      { Constraints: { SourceArn: "arn:aws:rds:local:db:orders" } },
      constraint(
        "satisfy regular expression pattern: ^arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:.+$",
        "constraints.sourceArn",
        " 'arn:aws:rds:local:db:orders'",
      ),
    ],
    ["two grantees", { GranteeServicePrincipal: SERVICE }, EITHER_GRANTEE],
    [
      "two to retire it",
      { RetiringPrincipal: ALICE, RetiringServicePrincipal: SERVICE },
      "ValidationException: You must specify either RetiringPrincipal or RetiringServicePrincipal, but not both.",
    ],
    [
      "a service that is not one",
      { GranteePrincipal: undefined, GranteeServicePrincipal: "rds" },
      constraint(
        "satisfy regular expression pattern: ^([A-Za-z0-9\\-]+)\\.([A-Za-z0-9\\-]+)(\\.[A-Za-z0-9\\-]+)+$",
        "granteeServicePrincipal",
        " 'rds'",
      ),
    ],
    [
      "a service for any resource",
      { GranteePrincipal: undefined, GranteeServicePrincipal: SERVICE },
      "ValidationException: When you specify a GranteeServicePrincipal, you must also specify a SourceArn grant constraint.",
    ],
    [
      "a service whose grant nobody can retire",
      {
        GranteePrincipal: undefined,
        GranteeServicePrincipal: SERVICE,
        Constraints: { SourceArn: DATABASE },
      },
      "ValidationException: When you specify a GranteeServicePrincipal, you must also specify either a RetiringPrincipal or a RetiringServicePrincipal.",
    ],
    [
      "nine pairs",
      {
        Constraints: {
          EncryptionContextSubset: Object.fromEntries(
            Array.from({ length: 9 }, (_, i) => [`k${i}`, ""]),
          ),
        },
      },
      constraint("have at most 8 encryption context pairs", "constraints"),
    ],
    [
      "a long value",
      { Constraints: { EncryptionContextSubset: { a: "x".repeat(385) } } },
      constraint(
        "have encryption context values of length less than or equal to 384",
        "constraints",
      ),
    ],
    [
      "a strange name",
      { Name: "a b" },
      constraint("satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$", "name", " 'a b'"),
    ],
  ])("%s", async (_, change, expected) => {
    const { client, KeyId } = await setup();
    const request = { KeyId, GranteePrincipal: ALICE, Operations: ["Encrypt"], ...change };
    expect(await refusal(client.createGrant(request))).toBe(expected);
  });

  it.each([
    ["SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "GetPublicKey"],
    ["RSA_2048", "ENCRYPT_DECRYPT", "GenerateDataKey"],
    ["HMAC_256", "GENERATE_VERIFY_MAC", "Encrypt"],
    ["ECC_NIST_P256", "SIGN_VERIFY", "DeriveSharedSecret"],
    ["ECC_NIST_P256", "KEY_AGREEMENT", "Encapsulate"],
  ])("for %s, %s the operation %s", async (KeySpec, KeyUsage, operation) => {
    const { client } = await setup();
    const KeyId = await keyOf(client, KeySpec, KeyUsage);
    const request = { KeyId, GranteePrincipal: ALICE, Operations: ["DescribeKey", operation] };
    expect(await refusal(client.createGrant(request))).toBe(
      `ValidationException: Grant operation ${operation} is not valid for a key with usage ${KeyUsage} and spec ${KeySpec}.`,
    );
  });

  it("an operation that does not exist", async () => {
    const { client, KeyId } = await setup();
    const request = { KeyId, GranteePrincipal: ALICE, Operations: ["Encrypt", "Dance"] };
    expect(await refusal(client.createGrant(request))).toMatch(
      /^ValidationException: .* Value 'Dance' at 'operations' failed to satisfy constraint: Member must satisfy enum value set: \[CreateGrant, Decapsulate, Decrypt, /,
    );
  });

  it("a constraint for a key that has no context", async () => {
    const { client } = await setup();
    const KeyId = await keyOf(client, "RSA_2048", "ENCRYPT_DECRYPT");
    const request = { KeyId, GranteePrincipal: ALICE, Operations: ["Encrypt"] };
    await client.createGrant({ ...request, Operations: ["Encrypt", "GetPublicKey"] });
    expect(
      await refusal(
        client.createGrant({ ...request, Constraints: { EncryptionContextSubset: CONTEXT } }),
      ),
    ).toBe(
      "ValidationException: Encryption context constraints are only for symmetric encryption keys.",
    );
  });

  it("more grants than a key's record has room for", async () => {
    const { client, KeyId } = await setup();
    const value = "x".repeat(384);
    const pairs = Object.fromEntries(
      Array.from({ length: 8 }, (_, i) => [`k${i}`.padEnd(600, "k"), value]),
    );
    const request = {
      KeyId,
      GranteePrincipal: ALICE,
      Operations: ["Encrypt"],
      Constraints: { EncryptionContextSubset: pairs },
    };
    let made = 0;
    let answer = "";
    while (answer === "") {
      answer = await refusal(client.createGrant(request)).catch(() => "");
      if (answer === "") made += 1;
    }
    expect(answer).toBe("LimitExceededException: the grants of this key take up all its room");
    // Each takes some 8,300 characters of 786,432.
    expect(made).toBeGreaterThan(85);
    expect(made).toBeLessThan(95);
    await client.updateKeyDescription({ KeyId, Description: "é".repeat(8192) });
  });
});
