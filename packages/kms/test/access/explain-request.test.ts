import { rejection } from "@env/testkit/refusal";
import { describe, expect, it } from "vitest";
import {
  allow,
  arn,
  auditRecords,
  newKey,
  newUser,
  NOWHERE,
  refusal,
  tempKeystore,
} from "../support/keystore.ts";
import type { NewGrant } from "../../src/access/explain-request.ts";

const ALICE = "arn:aws:iam::000000000000:user/alice";
const BOB = "arn:aws:iam::000000000000:user/bob";

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
    const retire = { action: "RetireGrant", key: "alias/app", grantId: GrantId, principal: ALICE };
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

  it("asks with an empty context and the usual algorithm, as the calls do, unless others are given", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const usual = { StringEquals: { "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT" } };
    const alice = await newUser(keystore, "alice", allow("kms:*", { Condition: usual }));
    await client.createGrant({
      KeyId,
      GranteePrincipal: "arn:aws:iam::000000000000:user/bob",
      Operations: ["Encrypt"],
      Constraints: { EncryptionContextEquals: {} },
    });
    const because = async (more: object): Promise<string> =>
      (await keystore.explain({ action: "Encrypt", key: KeyId, ...more })).decision.because;
    const bob = { principal: "arn:aws:iam::000000000000:user/bob" };
    expect(await because(bob)).toBe("grant");
    expect(await because({ ...bob, encryptionContext: { a: "b" } })).toBe(
      "no-identity-policy-allows",
    );
    await alice.encrypt({ KeyId, Plaintext: new Uint8Array(1) });
    for (const action of ["Encrypt", "ReEncryptTo", "GenerateDataKeyPair"]) {
      expect(await because({ action, principal: ALICE })).toBe("key-policy-and-iam");
    }
    const conditions = { "KMS:encryptionalgorithm": "RSAES_OAEP_SHA_1" };
    expect(await because({ principal: ALICE, conditions })).toBe("no-identity-policy-allows");
    // Other actions have neither.
    expect(await because({ principal: ALICE, action: "DescribeKey" })).toBe(
      "no-identity-policy-allows",
    );
  });

  it("asks for CreateGrant through a grant as the call does", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    await client.createGrant({
      KeyId,
      GranteePrincipal: ALICE,
      Operations: ["CreateGrant", "Decrypt"],
      Constraints: { EncryptionContextSubset: { tenant: "acme" } },
    });
    const constraints = { encryptionContextSubset: { tenant: "acme", more: "x" } };
    const grantee = "arn:aws:iam::000000000000:user/bob";
    for (const newGrant of [
      { operations: ["Decrypt"], grantee, constraints },
      { operations: ["Decrypt"], grantee },
      { operations: ["Encrypt"], grantee, constraints },
      { operations: ["Decrypt"], grantee, constraints: { encryptionContextEquals: { a: "b" } } },
    ] as readonly NewGrant[]) {
      const request = { principal: ALICE, action: "CreateGrant", key: KeyId, newGrant };
      const { decision } = await keystore.explain(request);
      const call = keystore.as(ALICE).createGrant({
        KeyId,
        GranteePrincipal: grantee,
        Operations: newGrant.operations,
        Constraints: {
          EncryptionContextEquals: newGrant.constraints?.encryptionContextEquals,
          EncryptionContextSubset: newGrant.constraints?.encryptionContextSubset,
        },
      });
      const called = await call.then(
        () => true,
        () => false,
      );
      expect([newGrant, decision.allowed]).toEqual([newGrant, called]);
    }
    const request = { principal: ALICE, action: "CreateGrant", key: KeyId };
    expect((await keystore.explain(request)).decision.allowed).toBe(false);
  });

  it("asks for CreateGrant with what conditions on grants ask about", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const Condition = {
      "ForAllValues:StringEquals": { "kms:GrantOperations": ["Decrypt", "Encrypt"] },
      StringEquals: {
        "kms:GranteePrincipal": "arn:aws:iam::000000000000:role/app",
        "kms:RetiringPrincipal": ALICE,
        "kms:GrantConstraintType": "EncryptionContextSubset",
        "kms:EncryptionContext:tenant": "acme",
      },
    };
    await newUser(keystore, "alice", allow("kms:CreateGrant", { Condition }));
    const newGrant = {
      operations: ["Decrypt"],
      grantee: "arn:aws:iam::000000000000:role/app",
      retiring: ALICE,
      constraints: { encryptionContextSubset: { tenant: "acme" } },
    };
    const allowed = async (more: object): Promise<boolean> => {
      const request = { principal: ALICE, action: "CreateGrant", key: KeyId };
      const changed = { ...newGrant, ...more };
      return (await keystore.explain({ ...request, newGrant: changed })).decision.allowed;
    };
    expect(await allowed({})).toBe(true);
    expect(await allowed({ operations: ["Decrypt", "GenerateDataKey"] })).toBe(false);
    expect(await allowed({ grantee: ALICE })).toBe(false);
    expect(await allowed({ retiring: undefined })).toBe(false);
    const equals = { encryptionContextEquals: { tenant: "acme" } };
    expect(await allowed({ constraints: equals })).toBe(false);
    expect(await allowed({ constraints: { encryptionContextSubset: { tenant: "other" } } })).toBe(
      false,
    );
  });

  it("has the defaults that the calls have", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const { KeyMetadata: rsa } = await client.createKey({
      KeySpec: "ECC_NIST_P256",
      KeyUsage: "SIGN_VERIFY",
    });
    const { KeyMetadata: external } = await client.createKey({ Origin: "EXTERNAL" });
    const bytes = new Uint8Array(32);
    const signing = { KeyId: rsa.KeyId, Message: bytes, SigningAlgorithm: "ECDSA_SHA_256" };
    const tags = { Tags: [{ TagKey: "a", TagValue: "b" }] };
    const cases: [string, string | undefined, object, (user: typeof client) => Promise<unknown>][] =
      [
        ["Sign", rsa.KeyId, { "kms:MessageType": "RAW" }, (user) => user.sign(signing)],
        [
          "Verify",
          rsa.KeyId,
          { "kms:MessageType": "RAW" },
          (user) => user.verify({ ...signing, Signature: bytes }),
        ],
        [
          "EnableKeyRotation",
          KeyId,
          { "kms:RotationPeriodInDays": "365" },
          (user) => user.enableKeyRotation({ KeyId }),
        ],
        [
          "ImportKeyMaterial",
          external.KeyId,
          { "kms:ExpirationModel": "KEY_MATERIAL_EXPIRES" },
          (user) =>
            user.importKeyMaterial({
              KeyId: external.KeyId,
              ImportToken: bytes,
              EncryptedKeyMaterial: bytes,
            }),
        ],
        [
          "CreateKey",
          undefined,
          {
            "kms:KeySpec": "SYMMETRIC_DEFAULT",
            "kms:KeyUsage": "ENCRYPT_DECRYPT",
            "kms:CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "kms:CustomerMasterKeyUsage": "ENCRYPT_DECRYPT",
            "kms:KeyOrigin": "AWS_KMS",
            "kms:MultiRegion": "false",
          },
          (user) => user.createKey(),
        ],
        [
          "TagResource",
          undefined,
          { "kms:KeySpec": "SYMMETRIC_DEFAULT" },
          (user) => user.createKey(tags),
        ],
        [
          "ScheduleKeyDeletion",
          KeyId,
          { "kms:ScheduleKeyDeletionPendingWindowInDays": "30" },
          (user) => user.scheduleKeyDeletion({ KeyId }),
        ],
      ];
    for (const [action, key, usual, call] of cases) {
      const others = allow(
        ["kms:CreateKey", "kms:TagResource"].filter((one) => one !== `kms:${action}`),
      );
      const has = allow(`kms:${action}`, { Condition: { StringEquals: usual } });
      const lacks = allow(`kms:${action}`, { Condition: { StringNotEquals: usual } });
      for (const [statement, allowed] of [
        [has, true],
        [lacks, false],
      ] as const) {
        const user = await newUser(keystore, "alice", others, statement);
        const { decision } = await keystore.explain({ principal: ALICE, action, key });
        const refused = await call(user).then(
          () => false,
          (error: Error) => error.name === "AccessDeniedException",
        );
        expect([action, decision.allowed, !refused]).toEqual([action, allowed, allowed]);
      }
    }
  });

  it("computes whether ReEncrypt is on one key", async () => {
    const { keystore, client } = await tempKeystore();
    const [one, other] = [await newKey(client), await newKey(client, "alias/other")];
    const Condition = { Bool: { "kms:ReEncryptOnSameKey": "true" } };
    const alice = await newUser(
      keystore,
      "alice",
      allow("kms:Encrypt"),
      allow("kms:ReEncrypt*", { Condition }),
    );
    const elsewhere = { StringEquals: { "kms:ReEncryptOnSameKey": "false" } };
    await newUser(keystore, "bob", allow("kms:ReEncrypt*", { Condition: elsewhere }));
    const { CiphertextBlob } = await alice.encrypt({ KeyId: one, Plaintext: new Uint8Array(1) });
    for (const action of ["ReEncryptFrom", "ReEncryptTo"]) {
      const allowed = async (more: object): Promise<boolean> =>
        (await keystore.explain({ principal: ALICE, action, key: one, ...more })).decision.allowed;
      expect(await allowed({ otherKey: one })).toBe(true);
      expect(await allowed({ otherKey: other })).toBe(false);
      expect(await allowed({ otherKey: "alias/other" })).toBe(false);
      expect(await allowed({})).toBe(false);
      expect(await allowed({ conditions: { "kms:ReEncryptOnSameKey": "true" } })).toBe(true);
      const bob = await keystore.explain({ principal: BOB, action, key: one });
      expect(bob.decision.allowed).toBe(true);
    }
    await alice.reEncrypt({ CiphertextBlob, DestinationKeyId: one });
    expect(await refusal(alice.reEncrypt({ CiphertextBlob, DestinationKeyId: other }))).toMatch(
      /^AccessDenied/,
    );
  });

  it("refuses a grant token that the call would refuse", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const request = { action: "Encrypt", key: KeyId, grantTokens: ["unknown"] };
    expect(await refusal(keystore.explain(request))).toMatch(/^InvalidGrantTokenException: /);
  });

  it("takes an alias for the key's name where the call takes none, and then has no kms:RequestAlias", async () => {
    const { keystore, client } = await tempKeystore();
    await newKey(client, "alias/app");
    const Condition = { StringEquals: { "kms:RequestAlias": "alias/app" } };
    await newUser(keystore, "alice", allow("kms:*", { Condition }));
    const allowed = async (action: string): Promise<boolean> =>
      (await keystore.explain({ principal: ALICE, action, key: "alias/app" })).decision.allowed;
    expect(await allowed("Encrypt")).toBe(true);
    expect(await allowed("DisableKey")).toBe(false);
  });

  it("also finds the grant of RetireGrant by its token", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const { GrantToken } = await client.createGrant({
      KeyId,
      GranteePrincipal: ALICE,
      RetiringPrincipal: "arn:aws:iam::000000000000:user/bob",
      Operations: ["Encrypt"],
    });
    const request = { action: "RetireGrant", grantTokens: [GrantToken] };
    const allowed = async (principal: string): Promise<boolean> =>
      (await keystore.explain({ ...request, principal })).decision.allowed;
    expect(await allowed("arn:aws:iam::000000000000:user/bob")).toBe(true);
    expect(await allowed(ALICE)).toBe(false);
  });

  it("is recorded nowhere", async () => {
    const { keystore } = await tempKeystore();
    await keystore.explain({ action: "ListKeys" });
    expect(await auditRecords(keystore)).toEqual([]);
  });

  it.each<[object, string]>([
    [{ action: "kms:Dance" }, "ValidationException: AWS KMS has no action kms:dance."],
    [
      { action: "Decrpt" },
      "ValidationException: AWS KMS has no action kms:decrpt. Did you mean kms:Decrypt?",
    ],
    [
      { action: "Sign", key: NOWHERE, encryptionContext: { a: "b" } },
      "ValidationException: Sign does not have an encryption context",
    ],
    [
      { action: "CreateGrant", key: NOWHERE, encryptionContext: { a: "b" } },
      "ValidationException: CreateGrant does not have an encryption context: that of a grant is in newGrant",
    ],
    [
      { action: "Decrypt", key: NOWHERE, encryptionContext: { a: "x".repeat(8192) } },
      "ValidationException: 1 validation error detected: Value at 'encryptionContext' failed",
    ],
    [
      { action: "Decrypt", key: NOWHERE, conditions: { "aws:Referer": "x".repeat(2049) } },
      "ValidationException: condition keys and their values have at most 2048 characters",
    ],
    [
      { action: "PutKeyPolicy", key: NOWHERE, grantTokens: ["a"] },
      "ValidationException: PutKeyPolicy does not take grant tokens",
    ],
    [
      { action: "Decrypt", key: NOWHERE, otherKey: NOWHERE },
      "ValidationException: Decrypt is an action on one key: leave out otherKey",
    ],
    [{ action: "Decrypt" }, "ValidationException: Decrypt is an action on a key: name the key"],
    [
      { action: "ListKeys", key: NOWHERE },
      "ValidationException: ListKeys is not an action on a key",
    ],
    [
      { action: "Decrypt", alias: "alias/app" },
      "ValidationException: Decrypt is not an action on an alias",
    ],
    [
      { action: "Decrypt", key: NOWHERE },
      `NotFoundException: Key '${arn(NOWHERE)}' does not exist`,
    ],
    [
      { action: "RetireGrant" },
      "ValidationException: RetireGrant is an action on a grant: name its key and its id, or give its token",
    ],
    [
      { action: "RetireGrant", grantTokens: ["a", "b"] },
      "ValidationException: RetireGrant is an action on a grant: name its key and its id, or give its token",
    ],
    [
      { action: "Decrypt", key: NOWHERE, grantId: "a" },
      "ValidationException: Decrypt is not an action on a grant",
    ],
    [
      { action: "Decrypt", key: NOWHERE, newGrant: { operations: ["Decrypt"] } },
      "ValidationException: Decrypt does not create a grant",
    ],
    [
      { action: "CreateGrant", key: NOWHERE, newGrant: { operations: [], grantee: " " } },
      "ValidationException: 2 validation errors detected: Value at 'operations' failed to satisfy constraint: Member must have length greater than or equal to 1; Value ' ' at 'grantee' failed",
    ],
  ])("refuses %j", async (request, expected) => {
    const { keystore } = await tempKeystore();
    const text = await refusal(keystore.explain(request as { action: string }));
    expect(text.slice(0, expected.length)).toBe(expected);
  });

  it("refuses principals that are none", async () => {
    const { keystore } = await tempKeystore();
    const call = keystore.explain({ action: "ListKeys", principal: "alice" });
    expect(await rejection(call)).toBeInstanceOf(TypeError);
  });
});
