import { describe, expect, it } from "vitest";
import type { Keystore, PrincipalAccess } from "../../src/index.ts";
import { allow, newKey, newUser, refusal, tempKeystore } from "../support/keystore.ts";

const ROOT = "arn:aws:iam::000000000000:root";
const ALICE = "arn:aws:iam::000000000000:user/alice";
const BOB = "arn:aws:iam::000000000000:user/bob";
const THERE = "arn:aws:iam::111122223333:root";

async function everybody(
  keystore: Keystore,
  KeyId: string,
  Limit = 100,
): Promise<PrincipalAccess[]> {
  const found: PrincipalAccess[] = [];
  let Marker: string | undefined;
  do {
    const page = await keystore.effectiveAccess({ KeyId, Limit, Marker });
    found.push(...page.Principals);
    Marker = page.NextMarker;
  } while (Marker !== undefined);
  return found;
}

function policyOf(...statements: readonly object[]): string {
  const root = { Effect: "Allow", Principal: { AWS: ROOT }, Action: "kms:*", Resource: "*" };
  return JSON.stringify({ Version: "2012-10-17", Statement: [root, ...statements] });
}

describe("the effective access to a key", () => {
  it("names who is allowed what, and through what, and nobody else", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client, "alias/app");
    await newUser(keystore, "alice", allow("kms:Decrypt"));
    await keystore.iam.put({ arn: "arn:aws:iam::000000000000:role/idle" });
    await keystore.iam.put({ arn: "arn:aws:iam::000000000000:group/all" });
    const { GrantId } = await client.createGrant({
      KeyId,
      GranteePrincipal: BOB,
      Operations: ["Encrypt"],
    });
    const found = await everybody(keystore, "alias/app");
    expect(found.map(({ Principal }) => Principal)).toEqual([ROOT, ALICE, BOB]);
    expect(found[0]?.Allowed.map(({ Action }) => Action)).toContain("kms:PutKeyPolicy");
    expect(found[1]?.Allowed).toEqual([
      {
        Action: "kms:Decrypt",
        Through: expect.stringMatching(/^key policy, .* and identity policy/),
      },
    ]);
    expect(found[2]?.Allowed).toEqual([{ Action: "kms:Encrypt", Through: `grant ${GrantId}` }]);
  });

  it("leaves out what the key cannot do", async () => {
    const { keystore, client } = await tempKeystore();
    const { KeyId } = (
      await client.createKey({ KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC" })
    ).KeyMetadata;
    const [root] = await everybody(keystore, KeyId);
    const actions = root?.Allowed.map(({ Action }) => Action) ?? [];
    expect(actions).toContain("kms:GenerateMac");
    expect(actions).not.toContain("kms:Decrypt");
    expect(actions).not.toContain("kms:RetireGrant");
  });

  it("marks what holds only under conditions, and no denial that depends on one", async () => {
    const { keystore, client } = await tempKeystore();
    const tenant = { StringEquals: { "kms:EncryptionContext:tenant": "acme" } };
    const { KeyId } = (
      await client.createKey({
        Policy: policyOf(
          {
            Effect: "Allow",
            Principal: { AWS: ALICE },
            Action: "kms:Decrypt",
            Resource: "*",
            Condition: tenant,
          },
          {
            Effect: "Deny",
            Principal: { AWS: ALICE },
            Action: "kms:Decrypt",
            Resource: "*",
            Condition: { Bool: { "aws:SecureTransport": "false" } },
          },
          { Effect: "Deny", Principal: { AWS: ALICE }, Action: "kms:Encrypt", Resource: "*" },
        ),
      })
    ).KeyMetadata;
    await newUser(keystore, "alice", allow("kms:Encrypt"));
    const constraints = { EncryptionContextSubset: { tenant: "acme" } };
    await client.createGrant({
      KeyId,
      GranteePrincipal: BOB,
      Operations: ["Decrypt", "CreateGrant", "DescribeKey"],
      Constraints: constraints,
    });
    const [, alice, bob] = await everybody(keystore, KeyId);
    expect(alice).toEqual({
      Principal: ALICE,
      Allowed: [{ Action: "kms:Decrypt", Through: "key policy, statement 2", Conditional: true }],
    });
    expect(bob?.Allowed.map(({ Action, Conditional }) => [Action, Conditional])).toEqual([
      ["kms:CreateGrant", true],
      ["kms:Decrypt", true],
      ["kms:DescribeKey", undefined],
    ]);
  });

  it("takes other accounts to agree, and names services and other accounts of the policy", async () => {
    const { keystore, client } = await tempKeystore();
    const { KeyId } = (
      await client.createKey({
        Policy: policyOf(
          {
            Effect: "Allow",
            Principal: { AWS: THERE },
            Action: ["kms:Decrypt", "kms:DisableKey"],
            Resource: "*",
          },
          {
            Effect: "Allow",
            Principal: { Service: "logs.amazonaws.com" },
            Action: "kms:Encrypt",
            Resource: "*",
          },
          { Effect: "Allow", Principal: { AWS: "*" }, Action: "kms:DescribeKey", Resource: "*" },
        ),
        BypassPolicyLockoutSafetyCheck: true,
      })
    ).KeyMetadata;
    const [, there, logs] = await everybody(keystore, KeyId);
    expect(there?.Principal).toBe(THERE);
    expect(there?.Allowed.map(({ Action }) => Action)).toEqual(["kms:Decrypt", "kms:DescribeKey"]);
    expect(logs?.Principal).toBe("logs.amazonaws.com");
    expect(logs?.Allowed.map(({ Action }) => Action)).toEqual(["kms:DescribeKey", "kms:Encrypt"]);
  });

  it("is the same in pages of one, and refuses another's marker", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    for (const name of ["alice", "carol"]) await newUser(keystore, name, allow("kms:Decrypt"));
    for (const name of ["bob", "dave", "erin"]) {
      const GranteePrincipal = `arn:aws:iam::111122223333:user/${name}`;
      await client.createGrant({ KeyId, GranteePrincipal, Operations: ["Encrypt"] });
    }
    const all = await everybody(keystore, KeyId);
    expect(all).toHaveLength(6);
    expect(await everybody(keystore, KeyId, 1)).toEqual(all);
    const { NextMarker } = await client.listKeys({ Limit: 1 });
    for (const Marker of [NextMarker ?? "x", "own", Buffer.from("own ä").toString("base64url")]) {
      expect(await refusal(keystore.effectiveAccess({ KeyId, Marker }))).toMatch(/marker/);
    }
    expect(await refusal(keystore.effectiveAccess({ KeyId: "alias/none" }))).toMatch(/not found/);
  });

  it("is that of a key in another region where that is named", async () => {
    const { keystore } = await tempKeystore();
    const there = keystore.as("root", { region: "eu-1" });
    const { KeyId } = (await there.createKey({})).KeyMetadata;
    expect(await refusal(keystore.effectiveAccess({ KeyId }))).toMatch(/does not exist/);
    const { Principals } = await keystore.effectiveAccess({ KeyId }, "eu-1");
    expect(Principals.map(({ Principal }) => Principal)).toEqual([ROOT]);
  });
});
