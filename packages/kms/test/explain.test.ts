import { describe, expect, it } from "vitest";
import {
  allow,
  arn,
  auditRecords,
  newKey,
  newUser,
  NOWHERE,
  refusal,
  rejection,
  tempKeystore,
} from "./support/keystore.ts";

const ALICE = "arn:aws:iam::000000000000:user/alice";

describe("explain", () => {
  it("answers as the call would be answered now, and changes when the state does", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const alice = await newUser(
      keystore,
      "alice",
      allow("kms:GenerateDataKey", {
        Condition: { "ForAnyValue:StringLike": { "kms:ResourceAliases": "alias/app" } },
      }),
    );
    const request = { principal: ALICE, action: "kms:GenerateDataKey", key: KeyId };
    const before = await keystore.explain(request);
    expect(before).toMatchObject({
      caller: ALICE,
      action: "kms:GenerateDataKey",
      resource: arn(KeyId),
      decision: { allowed: false, because: "no-identity-policy-allows" },
    });
    expect(before.nearMisses).toHaveLength(1);
    const call = alice.generateDataKey({ KeyId, KeySpec: "AES_256" });
    expect(await refusal(call)).toContain(before.decision.reason);
    await client.createAlias({ AliasName: "alias/app", TargetKeyId: KeyId });
    expect((await keystore.explain({ ...request, key: "alias/app" })).decision).toMatchObject({
      allowed: true,
      because: "key-policy-and-iam",
    });
  });

  it("takes what the call would bring: context, tokens, conditions, session", async () => {
    const { keystore, client } = await tempKeystore({ grantDelay: 60_000 });
    const KeyId = await newKey(client);
    const { GrantToken } = await client.createGrant({
      KeyId,
      GranteePrincipal: ALICE,
      Operations: ["Decrypt"],
      Constraints: { EncryptionContextSubset: { tenant: "acme" } },
    });
    const request = { principal: ALICE, action: "Decrypt", key: KeyId };
    const allowed = async (more: object): Promise<boolean> =>
      (await keystore.explain({ ...request, ...more })).decision.allowed;
    const encryptionContext = { tenant: "acme" };
    expect(await allowed({ encryptionContext, grantTokens: [GrantToken] })).toBe(true);
    expect(await allowed({ encryptionContext })).toBe(false);
    expect(await allowed({ grantTokens: [GrantToken] })).toBe(false);
    const Condition = {
      StringEquals: { "kms:ViaService": "s3.local.amazonaws.com", "kms:EncryptionAlgorithm": "X" },
    };
    await newUser(keystore, "alice", allow("kms:Decrypt", { Condition }));
    const session = { viaService: "s3" };
    expect(await allowed({ session, conditions: { "kms:EncryptionAlgorithm": "X" } })).toBe(true);
    expect(await allowed({ session })).toBe(false);
    expect(await allowed({ conditions: { "kms:EncryptionAlgorithm": "X" } })).toBe(false);
  });

  it("is for the account's root by default, and for actions on no key, aliases and grants", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client, "alias/app");
    const { GrantId } = await client.createGrant({
      KeyId,
      GranteePrincipal: ALICE,
      Operations: ["Encrypt", "RetireGrant"],
    });
    expect(await keystore.explain({ action: "kms:createkey" })).toMatchObject({
      action: "kms:CreateKey",
      resource: "*",
      decision: { allowed: true, because: "account-root" },
    });
    const alias = await keystore.explain({ action: "DeleteAlias", alias: "alias/app" });
    expect(alias.resource).toBe("arn:aws:kms:local:000000000000:alias/app");
    const retire = { action: "RetireGrant", key: KeyId, grantId: GrantId, principal: ALICE };
    expect((await keystore.explain(retire)).decision.allowed).toBe(true);
    const bob = { ...retire, principal: "arn:aws:iam::000000000000:user/bob" };
    expect((await keystore.explain(bob)).decision.allowed).toBe(false);
  });

  it("says what a managed key would answer that is not there yet, and does not make it", async () => {
    const { keystore, client } = await tempKeystore();
    const request = { action: "Decrypt", key: "alias/aws/s3" };
    expect((await keystore.explain(request)).decision.allowed).toBe(false);
    const session = { viaService: "s3" };
    expect((await keystore.explain({ ...request, session })).decision.allowed).toBe(true);
    expect((await client.listKeys()).Keys).toEqual([]);
  });

  it("is recorded nowhere", async () => {
    const { keystore } = await tempKeystore();
    await keystore.explain({ action: "ListKeys" });
    expect(await auditRecords(keystore)).toEqual([]);
  });

  it.each<[object, string]>([
    [{ action: "kms:Dance" }, "ValidationException: there is no such action of AWS KMS"],
    [{ action: "Decrypt" }, "ValidationException: Decrypt is asked for on a key: name one"],
    [
      { action: "ListKeys", key: NOWHERE },
      "ValidationException: ListKeys is not asked for on a key",
    ],
    [
      { action: "Decrypt", alias: "alias/app" },
      "ValidationException: Decrypt is not asked for on an alias",
    ],
    [
      { action: "Decrypt", key: NOWHERE },
      `NotFoundException: Key '${arn(NOWHERE)}' does not exist`,
    ],
  ])("refuses %j", async (request, expected) => {
    const { keystore } = await tempKeystore();
    expect(await refusal(keystore.explain(request as { action: string }))).toBe(expected);
  });

  it("refuses principals that are none", async () => {
    const { keystore } = await tempKeystore();
    const call = keystore.explain({ action: "ListKeys", principal: "alice" });
    expect(await rejection(call)).toBeInstanceOf(TypeError);
  });
});
