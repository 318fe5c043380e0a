import { rejection } from "@env/testkit/refusal";
import { describe, expect, it } from "vitest";
import type { Keystore, KmsClient } from "../../src/index.ts";
import { bytes } from "../support/kinds.ts";
import {
  allow,
  arn,
  document,
  newKey,
  newUser,
  NOWHERE,
  refusal,
  ROOT,
  tempKeystore,
} from "../support/keystore.ts";

const FOREIGN = "arn:aws:iam::111122223333:user/zoe";

const refuses = async (call: Promise<unknown>): Promise<void> => {
  expect((await rejection(call)).name).toBe("AccessDeniedException");
};

describe("kms:ResourceAliases", () => {
  /** A user who may use whatever key the alias names, by IAM alone. */
  async function aliased(): Promise<{ keystore: Keystore; client: KmsClient; app: KmsClient }> {
    const { keystore, client } = await tempKeystore();
    const app = await newUser(
      keystore,
      "app",
      allow(["kms:GenerateDataKey", "kms:Decrypt"], {
        Resource: "arn:aws:kms:local:000000000000:key/*",
        Condition: { "ForAnyValue:StringLike": { "kms:ResourceAliases": "alias/your-key-alias" } },
      }),
    );
    return { keystore, client, app };
  }

  it("follows the alias to a key that was made anew, without a touch to the IAM policy", async () => {
    const { keystore, client, app } = await aliased();
    const policies = await keystore.iam.get(app.principal);
    const use = (KeyId: string): Promise<{ CiphertextBlob: Uint8Array }> =>
      app.generateDataKey({ KeyId, KeySpec: "AES_256" });
    const first = await newKey(client, "alias/your-key-alias");
    const made = await use("alias/your-key-alias");
    await use(first);
    await app.decrypt({ CiphertextBlob: made.CiphertextBlob });

    // The key is made again, and the alias moves there.
    const second = await newKey(client);
    await refuses(use(second));
    await client.updateAlias({ AliasName: "alias/your-key-alias", TargetKeyId: second });
    await use("alias/your-key-alias");
    await use(second);
    // What the alias has left is out of reach, under every name.
    await refuses(use(first));
    await refuses(app.decrypt({ CiphertextBlob: made.CiphertextBlob }));

    // The alias goes, and comes again at a third key.
    await client.deleteAlias({ AliasName: "alias/your-key-alias" });
    await refuses(use(second));
    const third = await newKey(client, "alias/your-key-alias");
    await use(third);
    await refuses(use(second));
    expect(await keystore.iam.get(app.principal)).toEqual(policies);
  });

  it("goes by what the key is called, not by the name in the request", async () => {
    const { client, app } = await aliased();
    const KeyId = await newKey(client, "alias/other");
    await refuses(app.generateDataKey({ KeyId: "alias/other", KeySpec: "AES_256" }));
    await client.createAlias({ AliasName: "alias/your-key-alias", TargetKeyId: KeyId });
    await app.generateDataKey({ KeyId: "alias/other", KeySpec: "AES_256" });
    await app.generateDataKey({ KeyId, KeySpec: "AES_256" });
  });

  it("is nothing that a key policy knows", async () => {
    const { keystore, client } = await tempKeystore();
    const bob = keystore.as("arn:aws:iam::000000000000:user/bob");
    const KeyId = await newKey(client, "alias/your-key-alias");
    await client.putKeyPolicy({
      KeyId,
      Policy: document(
        { Effect: "Allow", Principal: { AWS: ROOT }, Action: "kms:*", Resource: "*" },
        {
          Effect: "Allow",
          Principal: { AWS: bob.principal },
          Action: "kms:*",
          Resource: "*",
          Condition: {
            "ForAnyValue:StringLike": { "kms:ResourceAliases": "alias/your-key-alias" },
          },
        },
      ),
    });
    await refuses(bob.generateDataKey({ KeyId, KeySpec: "AES_256" }));
  });
});

describe("condition keys of a request", () => {
  it.each<[string, object, (client: KmsClient, keys: Keys) => Promise<unknown>, boolean]>([
    [
      "kms:RequestAlias, where an alias was used",
      { StringEquals: { "kms:RequestAlias": "alias/app" } },
      (client) => client.generateDataKey({ KeyId: "alias/app", KeySpec: "AES_256" }),
      true,
    ],
    [
      "kms:RequestAlias, where it was an alias ARN",
      { StringEquals: { "kms:RequestAlias": "alias/app" } },
      (client) =>
        client.generateDataKey({
          KeyId: "arn:aws:kms:local:000000000000:alias/app",
          KeySpec: "AES_256",
        }),
      true,
    ],
    [
      "kms:RequestAlias, where it was a key id",
      { StringEquals: { "kms:RequestAlias": "alias/app" } },
      (client, { app }) => client.generateDataKey({ KeyId: app, KeySpec: "AES_256" }),
      false,
    ],
    [
      "a pair of the context",
      { StringEquals: { "kms:EncryptionContext:tenant": "acme" } },
      (client, { app }) =>
        client.encrypt({
          KeyId: app,
          Plaintext: bytes(1),
          EncryptionContext: { tenant: "acme", more: "" },
        }),
      true,
    ],
    [
      "a pair that the context has not",
      { StringEquals: { "kms:EncryptionContext:tenant": "acme" } },
      (client, { app }) => client.encrypt({ KeyId: app, Plaintext: bytes(1) }),
      false,
    ],
    [
      "the names in the context",
      { "ForAllValues:StringEquals": { "kms:EncryptionContextKeys": ["tenant"] } },
      (client, { app }) =>
        client.encrypt({ KeyId: app, Plaintext: bytes(1), EncryptionContext: { other: "" } }),
      false,
    ],
    [
      "kms:EncryptionAlgorithm, by default",
      { StringEquals: { "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT" } },
      (client, { app }) => client.generateDataKey({ KeyId: app, KeySpec: "AES_256" }),
      true,
    ],
    [
      "kms:ReEncryptOnSameKey, for the same key",
      { Bool: { "kms:ReEncryptOnSameKey": "true" } },
      (client, { app, blob }) => client.reEncrypt({ CiphertextBlob: blob, DestinationKeyId: app }),
      true,
    ],
    [
      "kms:ReEncryptOnSameKey, for another",
      { Bool: { "kms:ReEncryptOnSameKey": "true" } },
      (client, { other, blob }) =>
        client.reEncrypt({ CiphertextBlob: blob, DestinationKeyId: other }),
      false,
    ],
    [
      "kms:CallerAccount",
      { StringEquals: { "kms:CallerAccount": "000000000000" } },
      (client, { app }) => client.describeKey({ KeyId: app }),
      true,
    ],
    [
      "aws:RequestedRegion",
      { StringEquals: { "aws:RequestedRegion": "local" } },
      (client) => client.listKeys(),
      true,
    ],
    [
      "aws:CurrentTime",
      { DateGreaterThan: { "aws:CurrentTime": "2100-01-01T00:00:00Z" } },
      (client) => client.listKeys(),
      false,
    ],
  ])("%s", async (_, Condition, call, allowed) => {
    const { keystore, client } = await tempKeystore();
    const app = await newKey(client, "alias/app");
    const { CiphertextBlob: blob } = await client.encrypt({ KeyId: app, Plaintext: bytes(1) });
    const keys = { app, other: await newKey(client), blob };
    const user = await newUser(keystore, "u", allow("kms:*", { Condition }));
    const outcome = call(user, keys);
    await (allowed ? outcome : refuses(outcome));
  });
});

interface Keys {
  readonly app: string;
  readonly other: string;
  readonly blob: Uint8Array;
}

describe("callers of other accounts", () => {
  const unknown = (who: string, action: string): string =>
    `AccessDeniedException: User: ${who} is not authorized to perform: kms:${action} on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access`;

  it("receive the same answer for keys that exist and keys that do not", async () => {
    const { keystore, client } = await tempKeystore();
    const zoe = keystore.as(FOREIGN);
    for (const KeyId of [await newKey(client, "alias/app"), NOWHERE]) {
      expect(await refusal(zoe.describeKey({ KeyId: arn(KeyId) }))).toBe(
        unknown(FOREIGN, "DescribeKey"),
      );
    }
    for (const name of ["app", "none"]) {
      const KeyId = `arn:aws:kms:local:000000000000:alias/${name}`;
      expect(await refusal(zoe.describeKey({ KeyId }))).toBe(unknown(FOREIGN, "DescribeKey"));
    }
    expect(await refusal(zoe.createKey())).toBe(unknown(FOREIGN, "CreateKey"));
  });

  it("do not learn which aliases and grants there are either", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client, "alias/app");
    const { GrantId } = await client.createGrant({
      KeyId,
      GranteePrincipal: ROOT,
      Operations: ["Encrypt"],
    });
    const zoe = keystore.as(FOREIGN);
    for (const AliasName of ["alias/app", "alias/none"]) {
      expect(await refusal(zoe.deleteAlias({ AliasName }))).toBe(unknown(FOREIGN, "DeleteAlias"));
      for (const id of [KeyId, NOWHERE]) {
        const moved = { AliasName, TargetKeyId: arn(id) };
        expect(await refusal(zoe.updateAlias(moved))).toBe(unknown(FOREIGN, "UpdateAlias"));
        expect(await refusal(zoe.createAlias(moved))).toBe(unknown(FOREIGN, "CreateAlias"));
      }
    }
    for (const id of [KeyId, NOWHERE]) {
      for (const grantId of [GrantId, "0".repeat(64)]) {
        const retired = zoe.retireGrant({ KeyId: arn(id), GrantId: grantId });
        expect(await refusal(retired)).toBe(unknown(FOREIGN, "RetireGrant"));
      }
    }
    // Callers of the account are told.
    expect(await refusal(client.deleteAlias({ AliasName: "alias/none" }))).toMatch(
      /^NotFoundException: /,
    );
  });

  it("mean their own account where they do not give an ARN", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client, "alias/app");
    const zoe = keystore.as(FOREIGN);
    expect(await refusal(zoe.describeKey({ KeyId }))).toBe(
      `NotFoundException: Key 'arn:aws:kms:local:111122223333:key/${KeyId}' does not exist`,
    );
    expect(await refusal(zoe.describeKey({ KeyId: "alias/app" }))).toBe(
      "NotFoundException: Alias arn:aws:kms:local:111122223333:alias/app is not found.",
    );
  });

  it("need both the key's policy and their own", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const use = (who: KmsClient): Promise<unknown> =>
      who.generateDataKey({ KeyId: arn(KeyId), KeySpec: "AES_256" });
    const zoe = keystore.as(FOREIGN);
    const policies = [{ name: "test", text: document(allow("kms:*")) }];
    await keystore.iam.put({ arn: FOREIGN, policies });
    await refuses(use(zoe));
    const to = { Principal: { AWS: "111122223333" }, Effect: "Allow", Resource: "*" };
    await client.putKeyPolicy({
      KeyId,
      Policy: document(
        { ...to, Principal: { AWS: ROOT }, Action: "kms:*" },
        { ...to, Action: ["kms:GenerateDataKey", "kms:DisableKey"] },
      ),
    });
    await use(zoe);
    await refuses(use(keystore.as("arn:aws:iam::111122223333:user/nobody")));
    // Not across accounts, whatever policies say.
    await refuses(zoe.disableKey({ KeyId: arn(KeyId) }));
  });

  it("are not served keys of other accounts and regions, for there are none here", async () => {
    const { client } = await tempKeystore();
    const KeyId = await newKey(client);
    expect(
      await refusal(
        client.describeKey({ KeyId: arn(KeyId).replace("000000000000", "111122223333") }),
      ),
    ).toBe(unknown(ROOT, "DescribeKey"));
    expect(
      await refusal(client.describeKey({ KeyId: arn(KeyId).replace("local", "eu-west-1") })),
    ).toBe("NotFoundException: Invalid arn eu-west-1");
  });
});

it("has no permission for anybody but by a policy, a grant or the account's root", async () => {
  const { keystore, client } = await tempKeystore();
  const KeyId = await newKey(client);
  for (const who of [
    "arn:aws:iam::000000000000:user/eve",
    "arn:aws:iam::000000000000:role/app",
    "arn:aws:sts::000000000000:assumed-role/app/me",
    "arn:aws:sts::000000000000:federated-user/fay",
    "arn:aws:iam::111122223333:root",
    "s3.amazonaws.com",
  ]) {
    const other = keystore.as(who);
    await refuses(other.describeKey({ KeyId: arn(KeyId) }));
    await refuses(other.listKeys());
  }
});
