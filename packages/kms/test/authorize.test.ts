import { expect, it, onTestFinished } from "vitest";
import {
  authorizeAccountRoot,
  KmsClient,
  openKeystore,
  type AuthorizationRequest,
  type Authorize,
} from "../src/index.ts";
import { defaultKeyPolicy } from "../src/authorize.ts";
import { arn, newKey, refusal, rejection, ROOT, tempKeystore } from "./support/keystore.ts";

const stranger = "arn:aws:iam::000000000000:user/eve";
const denied = { allowed: false, reason: "because a test denies it" };

/** Every operation of the client, with what it must ask: action and resource, in this order. */
function operations(parts: {
  client: KmsClient;
  keyId: string;
  pending: string;
  other: string;
  blob: Uint8Array;
}): Record<string, { call: () => Promise<unknown>; asks: [action: string, resource: string][] }> {
  const { client, keyId, pending, other, blob } = parts;
  const KeyId = keyId;
  const key = arn(keyId);
  const alias = (name: string): string => `arn:aws:kms:local:000000000000:alias/${name}`;
  const Plaintext = new Uint8Array(1);
  return {
    createKey: { call: () => client.createKey(), asks: [["CreateKey", "*"]] },
    describeKey: { call: () => client.describeKey({ KeyId }), asks: [["DescribeKey", key]] },
    listKeys: { call: () => client.listKeys(), asks: [["ListKeys", "*"]] },
    createAlias: {
      call: () => client.createAlias({ AliasName: "alias/new", TargetKeyId: KeyId }),
      asks: [
        ["CreateAlias", alias("new")],
        ["CreateAlias", key],
      ],
    },
    updateAlias: {
      call: () => client.updateAlias({ AliasName: "alias/app", TargetKeyId: other }),
      asks: [
        ["UpdateAlias", alias("app")],
        ["UpdateAlias", key],
        ["UpdateAlias", arn(other)],
      ],
    },
    deleteAlias: {
      call: () => client.deleteAlias({ AliasName: "alias/app" }),
      asks: [
        ["DeleteAlias", alias("app")],
        ["DeleteAlias", key],
      ],
    },
    listAliases: { call: () => client.listAliases(), asks: [["ListAliases", "*"]] },
    enableKey: { call: () => client.enableKey({ KeyId }), asks: [["EnableKey", key]] },
    disableKey: { call: () => client.disableKey({ KeyId }), asks: [["DisableKey", key]] },
    scheduleKeyDeletion: {
      call: () => client.scheduleKeyDeletion({ KeyId }),
      asks: [["ScheduleKeyDeletion", key]],
    },
    cancelKeyDeletion: {
      call: () => client.cancelKeyDeletion({ KeyId: pending }),
      asks: [["CancelKeyDeletion", arn(pending)]],
    },
    updateKeyDescription: {
      call: () => client.updateKeyDescription({ KeyId, Description: "" }),
      asks: [["UpdateKeyDescription", key]],
    },
    rotateKeyOnDemand: {
      call: () => client.rotateKeyOnDemand({ KeyId }),
      asks: [["RotateKeyOnDemand", key]],
    },
    listKeyRotations: {
      call: () => client.listKeyRotations({ KeyId }),
      asks: [["ListKeyRotations", key]],
    },
    getKeyPolicy: { call: () => client.getKeyPolicy({ KeyId }), asks: [["GetKeyPolicy", key]] },
    generateDataKey: {
      call: () => client.generateDataKey({ KeyId, KeySpec: "AES_256" }),
      asks: [["GenerateDataKey", key]],
    },
    generateDataKeyWithoutPlaintext: {
      call: () => client.generateDataKeyWithoutPlaintext({ KeyId, KeySpec: "AES_256" }),
      asks: [["GenerateDataKeyWithoutPlaintext", key]],
    },
    encrypt: { call: () => client.encrypt({ KeyId, Plaintext }), asks: [["Encrypt", key]] },
    decrypt: { call: () => client.decrypt({ CiphertextBlob: blob }), asks: [["Decrypt", key]] },
    reEncrypt: {
      call: () => client.reEncrypt({ CiphertextBlob: blob, DestinationKeyId: other }),
      asks: [
        ["ReEncryptFrom", key],
        ["ReEncryptTo", arn(other)],
      ],
    },
    generateRandom: {
      call: () => client.generateRandom({ NumberOfBytes: 1 }),
      asks: [["GenerateRandom", "*"]],
    },
  };
}

const names = Object.entries(Object.getOwnPropertyDescriptors(KmsClient.prototype))
  .filter(([name, { value }]) => name !== "constructor" && typeof value === "function")
  .map(([name]) => name);

/** The table over a keystore whose authorizer is the test's; `state` shows whether anything changed. */
async function setup(authorize: Authorize): Promise<{
  all: ReturnType<typeof operations>;
  state: () => Promise<unknown>;
}> {
  const { path, client: owner, root } = await tempKeystore();
  const keyId = await newKey(owner, "alias/app");
  const other = await newKey(owner);
  const pending = await newKey(owner);
  await owner.scheduleKeyDeletion({ KeyId: pending });
  const Plaintext = new Uint8Array(1);
  const { CiphertextBlob: blob } = await owner.encrypt({ KeyId: keyId, Plaintext });
  const keystore = await openKeystore(path, { root, authorize });
  onTestFinished(() => keystore.close());
  const all = operations({ client: keystore.as(stranger), keyId, pending, other, blob });
  const state = async (): Promise<unknown> => {
    const { Keys } = await owner.listKeys();
    const keys = await Promise.all(Keys.map(({ KeyId }) => owner.describeKey({ KeyId })));
    return [keys, await owner.listAliases()];
  };
  return { all, state };
}

it("is asked about every operation of the client: the table here has them all", async () => {
  const { all } = await setup(authorizeAccountRoot);
  expect(Object.keys(all).toSorted()).toEqual(names.toSorted());
  expect(names.length).toBeGreaterThan(20);
});

it.each(names)("stops %s by saying no, and nothing has happened", async (name) => {
  const requests: AuthorizationRequest[] = [];
  const { all, state } = await setup((request) => {
    requests.push(request);
    return denied;
  });
  const before = await state();
  const operation = all[name];
  const [action, resource] = operation?.asks[0] ?? [];
  expect(await refusal(operation?.call() ?? Promise.resolve())).toBe(
    `AccessDeniedException: User: ${stranger} is not authorized to perform: kms:${action} on resource: ${resource} because a test denies it`,
  );
  expect(requests).toHaveLength(1);
  expect(await state()).toEqual(before);
});

it.each(names)("is asked by %s for each resource, in order", async (name) => {
  const asked: [string, string][] = [];
  const { all } = await setup((request) => {
    expect(request).toMatchObject({ principal: stranger, resourceAccount: "000000000000" });
    asked.push([request.action.replace("kms:", ""), request.resource]);
    return { allowed: true, reason: "" };
  });
  await all[name]?.call();
  expect(asked).toEqual(all[name]?.asks);
});

it.each(names)("can stop %s at its last resource", async (name) => {
  let left = Infinity;
  const { all, state } = await setup(() => (left-- > 1 ? { allowed: true, reason: "" } : denied));
  left = all[name]?.asks.length ?? 0;
  const before = await state();
  expect((await rejection(all[name]?.call() ?? Promise.resolve())).name).toBe(
    "AccessDeniedException",
  );
  expect(await state()).toEqual(before);
});

it("is asked before the key's state is looked at", async () => {
  const { keystore, client } = await tempKeystore();
  const KeyId = await newKey(client);
  await client.scheduleKeyDeletion({ KeyId });
  const error = await rejection(
    keystore.as(stranger).generateDataKey({ KeyId, KeySpec: "AES_256" }),
  );
  expect(error.name).toBe("AccessDeniedException");
});

it("gets the facts of a request on a key", async () => {
  const requests: AuthorizationRequest[] = [];
  const { path, client, root } = await tempKeystore();
  const keyId = await newKey(client, "alias/app");
  await client.createAlias({ AliasName: "alias/also", TargetKeyId: keyId });
  using keystore = await openKeystore(path, {
    root,
    authorize: (request) => {
      requests.push(request);
      return { allowed: true, reason: "" };
    },
  });
  await keystore.as(stranger).encrypt({
    KeyId: "alias/app",
    Plaintext: new Uint8Array(1),
    EncryptionContext: { tenant: "acme" },
  });
  await keystore.as(stranger).createKey();
  expect(requests).toEqual([
    {
      principal: stranger,
      action: "kms:Encrypt",
      resource: arn(keyId),
      resourceAccount: "000000000000",
      keyPolicy: defaultKeyPolicy("000000000000"),
      resourceAliases: ["alias/also", "alias/app"],
      requestAlias: "alias/app",
      encryptionContext: { tenant: "acme" },
    },
    {
      principal: stranger,
      action: "kms:CreateKey",
      resource: "*",
      resourceAccount: "000000000000",
    },
  ]);
});

it("by default allows the account's root principal, and nobody else", async () => {
  const { keystore, client } = await tempKeystore();
  expect(client.principal).toBe(ROOT);
  const KeyId = await newKey(client);
  const because = (action: string): string =>
    `because no identity-based policy allows the kms:${action} action`;
  for (const who of [
    stranger,
    "arn:aws:iam::111122223333:root",
    "arn:aws:sts::000000000000:assumed-role/admin/me",
  ]) {
    const other = keystore.as(who);
    expect(await refusal(other.describeKey({ KeyId }))).toBe(
      `AccessDeniedException: User: ${who} is not authorized to perform: kms:DescribeKey on resource: ${arn(KeyId)} ${because("DescribeKey")}`,
    );
    expect(await refusal(other.deleteAlias({ AliasName: "alias/app" }))).toMatch(
      /alias\/app because no identity-based policy allows the kms:DeleteAlias action$/,
    );
    expect(await refusal(other.listKeys())).toBe(
      `AccessDeniedException: User: ${who} is not authorized to perform: kms:ListKeys on resource: * ${because("ListKeys")}`,
    );
  }
});

it("takes only principals that are ARNs", async () => {
  const { keystore } = await tempKeystore();
  for (const who of ["root", "", "arn:aws:iam::0:root", `${ROOT}\n`, "arn:aws:s3:::bucket"]) {
    expect(() => keystore.as(who)).toThrow(TypeError);
  }
});
