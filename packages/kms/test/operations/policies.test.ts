import { rejection } from "@env/testkit/refusal";
import { describe, expect, it } from "vitest";
import type { KmsClient } from "../../src/index.ts";
import {
  allow,
  arn,
  document,
  newKey,
  newUser,
  refusal,
  ROOT,
  tempKeystore,
} from "../support/keystore.ts";

const ALICE = "arn:aws:iam::000000000000:user/alice";

/** A statement of a key policy. */
const to = (AWS: string, Action: string | string[] = "kms:*"): object => ({
  Effect: "Allow",
  Principal: { AWS },
  Action,
  Resource: "*",
});

describe("a key's policy", () => {
  it("is by default the one that leaves it to the account", async () => {
    const { client } = await tempKeystore();
    const KeyId = await newKey(client);
    const { Policy, PolicyName } = await client.getKeyPolicy({ KeyId, PolicyName: "default" });
    expect(PolicyName).toBe("default");
    expect(JSON.parse(Policy)).toEqual({
      Version: "2012-10-17",
      Id: "key-default-1",
      Statement: [
        {
          Sid: "Enable IAM User Permissions",
          Effect: "Allow",
          Principal: { AWS: ROOT },
          Action: "kms:*",
          Resource: "*",
        },
      ],
    });
    expect(await client.listKeyPolicies({ KeyId })).toEqual({
      PolicyNames: ["default"],
      Truncated: false,
    });
  });

  it("is called default and nothing else", async () => {
    const { client } = await tempKeystore();
    const KeyId = await newKey(client);
    const PolicyName = "other";
    const Policy = document(to(ROOT));
    for (const call of [
      () => client.getKeyPolicy({ KeyId, PolicyName }),
      () => client.putKeyPolicy({ KeyId, PolicyName, Policy }),
    ]) {
      expect(await refusal(call())).toBe("NotFoundException: No such policy exists");
    }
    const Marker = Buffer.from("default").toString("base64url");
    expect((await rejection(client.listKeyPolicies({ KeyId, Marker }))).name).toBe(
      "InvalidMarkerException",
    );
  });

  it("reads back as it was written, and decides from then on", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const alice = keystore.as(ALICE);
    const request = { KeyId, KeySpec: "AES_256" };
    expect((await rejection(alice.generateDataKey(request))).name).toBe("AccessDeniedException");
    const Policy = `${document(to(ROOT), to(ALICE, "kms:GenerateDataKey"))}\n`;
    await client.putKeyPolicy({ KeyId, Policy });
    expect((await client.getKeyPolicy({ KeyId })).Policy).toBe(Policy);
    await alice.generateDataKey(request);
  });

  it("decides alone where it names a principal, and together with IAM where it names the account", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const request = { KeyId, KeySpec: "AES_256" };
    const bob = await newUser(keystore, "bob", allow("kms:*"));
    const eve = await newUser(keystore, "eve");
    await bob.generateDataKey(request);
    expect(await refusal(eve.generateDataKey(request))).toBe(
      `AccessDeniedException: User: ${eve.principal} is not authorized to perform: kms:GenerateDataKey on resource: ${arn(KeyId)} because no identity-based policy allows the kms:GenerateDataKey action`,
    );
    await client.putKeyPolicy({
      KeyId,
      Policy: document(to(ALICE)),
      BypassPolicyLockoutSafetyCheck: true,
    });
    await keystore.as(ALICE).generateDataKey(request);
    for (const other of [bob, client]) {
      expect(await refusal(other.generateDataKey(request))).toBe(
        `AccessDeniedException: User: ${other.principal} is not authorized to perform: kms:GenerateDataKey on resource: ${arn(KeyId)} because no resource-based policy allows the kms:GenerateDataKey action`,
      );
    }
  });

  it.each([
    ["no JSON", "{", "MalformedPolicyDocumentException"],
    ["a statement without principal", document(allow("kms:*")), "MalformedPolicyDocumentException"],
    ["a malformed ARN", document(to("arn:aws:iam::1:user/x")), "InvalidArnException"],
    [
      "a group",
      document(to("arn:aws:iam::000000000000:group/g")),
      "MalformedPolicyDocumentException",
    ],
    ["a letter beyond Latin-1", document({ ...to(ROOT), Sid: "\u0100" }), "ValidationException"],
    ["32,769 bytes", document(to(ROOT)).padEnd(32_769), "LimitExceededException"],
    ["nothing", "", "ValidationException"],
  ])("is refused with %s", async (_, Policy, name) => {
    const { client } = await tempKeystore();
    const KeyId = await newKey(client);
    expect((await rejection(client.putKeyPolicy({ KeyId, Policy }))).name).toBe(name);
    expect((await rejection(client.createKey({ Policy }))).name).toBe(name);
  });

  it("may have 32,768 bytes, and statements without action that match nothing", async () => {
    const { client } = await tempKeystore();
    const KeyId = await newKey(client);
    const Policy = document(to(ROOT), { Effect: "Deny", Principal: "*" }).padEnd(32_768);
    await client.putKeyPolicy({ KeyId, Policy });
    expect((await client.describeKey({ KeyId })).KeyMetadata.KeyId).toBe(KeyId);
  });
});

describe("the lockout safety check", () => {
  const LOCKOUT =
    "MalformedPolicyDocumentException: The new key policy will not allow you to update the key policy in the future.";

  async function lockable(): Promise<{
    client: KmsClient;
    admin: KmsClient;
    user: KmsClient;
    KeyId: string;
  }> {
    const { keystore, client } = await tempKeystore();
    return {
      client,
      admin: await newUser(keystore, "admin", allow("kms:*")),
      user: await newUser(keystore, "alice", allow("kms:CreateKey")),
      KeyId: await newKey(client),
    };
  }

  it("refuses a policy that its author could not change again", async () => {
    const { client, KeyId } = await lockable();
    const Policy = document(to(ALICE));
    const before = await client.getKeyPolicy({ KeyId });
    expect(await refusal(client.putKeyPolicy({ KeyId, Policy }))).toBe(LOCKOUT);
    expect(await refusal(client.createKey({ Policy }))).toBe(LOCKOUT);
    expect(await client.getKeyPolicy({ KeyId })).toEqual(before);
  });

  it("lets the author insist", async () => {
    const { client, KeyId } = await lockable();
    const Policy = document(to(ALICE));
    const BypassPolicyLockoutSafetyCheck = true;
    await client.putKeyPolicy({ KeyId, Policy, BypassPolicyLockoutSafetyCheck });
    await client.createKey({ Policy, BypassPolicyLockoutSafetyCheck });
    expect((await rejection(client.getKeyPolicy({ KeyId }))).name).toBe("AccessDeniedException");
  });

  it("counts what IAM gives the author, where the policy leaves it to the account", async () => {
    const { admin, user, KeyId } = await lockable();
    const Policy = document(to(ROOT));
    await admin.putKeyPolicy({ KeyId, Policy });
    await admin.createKey({ Policy });
    expect(await refusal(user.createKey({ Policy }))).toBe(LOCKOUT);
    // Without a policy of its own there is nothing to check.
    await user.createKey();
    await user.createKey({ Policy: document(to(ALICE, "kms:PutKeyPolicy")) });
  });

  it("sets its condition key, whether a request turns it on or off", async () => {
    const { keystore, client } = await tempKeystore();
    const KeyId = await newKey(client);
    const Condition = { Null: { "kms:BypassPolicyLockoutSafetyCheck": "true" } };
    const user = await newUser(keystore, "u", allow("kms:PutKeyPolicy", { Condition }));
    const Policy = document(to(ROOT));
    for (const BypassPolicyLockoutSafetyCheck of [true, false]) {
      const call = user.putKeyPolicy({ KeyId, Policy, BypassPolicyLockoutSafetyCheck });
      expect((await rejection(call)).name).toBe("AccessDeniedException");
    }
    const unconditional = await newUser(keystore, "v", allow("kms:PutKeyPolicy"));
    await unconditional.putKeyPolicy({ KeyId, Policy });
  });
});
