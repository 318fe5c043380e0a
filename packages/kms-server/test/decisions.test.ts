/** What the SDK sees is what `explain` says, in the same words. */
import type { KMS } from "@aws-sdk/client-kms";
import { expect, it } from "vitest";
import { sdk, strictServer, type Started } from "./support/server.ts";

/** Who there is, why each of them may do something, and how many of the 14 questions are answered with yes. */
const principals: Readonly<Record<string, { readonly because: string; readonly allowed: number }>> =
  {
    alice: { because: "a key policy with a condition", allowed: 6 },
    bob: { because: "an identity policy that the key policy lets count", allowed: 14 },
    carol: { because: "a grant with a constraint", allowed: 3 },
    dave: { because: "an identity policy, and is denied two actions", allowed: 6 },
    erin: { because: "nothing", allowed: 0 },
    frank: { because: "an identity policy within a boundary", allowed: 5 },
  };

const contexts = [undefined, { app: "orders" }, { app: "billing" }, { app: "orders", x: "y" }];

type Call = (client: KMS, KeyId: string, context: Record<string, string> | undefined) => unknown;

const actions: Readonly<Record<string, Call>> = {
  Encrypt: (client, KeyId, EncryptionContext) =>
    client.encrypt({ KeyId, EncryptionContext, Plaintext: new Uint8Array(1) }),
  GenerateDataKey: (client, KeyId, EncryptionContext) =>
    client.generateDataKey({ KeyId, EncryptionContext, KeySpec: "AES_256" }),
  GenerateDataKeyWithoutPlaintext: (client, KeyId, EncryptionContext) =>
    client.generateDataKeyWithoutPlaintext({ KeyId, EncryptionContext, KeySpec: "AES_256" }),
};

/** Actions that have no context. */
const plain: Readonly<Record<string, Call>> = {
  DescribeKey: (client, KeyId) => client.describeKey({ KeyId }),
  GetKeyPolicy: (client, KeyId) => client.getKeyPolicy({ KeyId }),
};

const allow = (...names: readonly string[]): string =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action: names.map((name) => `kms:${name}`), Resource: "*" }],
  });

async function setup(): Promise<Started & { readonly KeyId: string }> {
  const started = await strictServer();
  const { keystore, owner } = started;
  const account = `arn:aws:iam::${keystore.facts.accountId}`;
  for (const name of Object.keys(principals)) {
    const may = ["bob", "dave", "frank"].includes(name);
    await keystore.iam.put({
      arn: `${account}:user/${name}`,
      policies: may ? [{ name: "keys", text: allow("*") }] : [],
      ...(name === "frank" && { boundary: { name: "bound", text: allow("Encrypt", "GetKey*") } }),
    });
  }
  const { KeyMetadata } = await owner.createKey({
    Policy: JSON.stringify({
      Version: "2012-10-17",
      Statement: [
        {
          Sid: "Account",
          Effect: "Allow",
          Principal: { AWS: `${account}:root` },
          Action: "kms:*",
          Resource: "*",
        },
        {
          Sid: "Orders",
          Effect: "Allow",
          Principal: { AWS: `${account}:user/alice` },
          Action: ["kms:Encrypt", "kms:GenerateDataKey*"],
          Resource: "*",
          Condition: { StringEquals: { "kms:EncryptionContext:app": "orders" } },
        },
        {
          Sid: "Not Dave",
          Effect: "Deny",
          Principal: { AWS: `${account}:user/dave` },
          Action: "kms:GenerateDataKey*",
          Resource: "*",
        },
      ],
    }),
  });
  const KeyId = KeyMetadata.Arn;
  await owner.createGrant({
    KeyId,
    GranteePrincipal: `${account}:user/carol`,
    Operations: ["GenerateDataKey", "DescribeKey"],
    Constraints: { EncryptionContextSubset: { app: "orders" } },
  });
  return { ...started, KeyId };
}

const titled = Object.entries(principals).map(
  ([name, { because, allowed }]) => [name, because, allowed] as const,
);

it.each(titled)("answers %s, who has %s, as explain says", async (name, _because, allowed) => {
  const { keystore, url, KeyId } = await setup();
  const credentials = await keystore.iam.accessKeys.create(`user/${name}`);
  const client = sdk(url, { credentials });
  const questions = [
    ...Object.entries(actions).flatMap(([action, call]) =>
      contexts.map((context) => ({ action, call, context })),
    ),
    ...Object.entries(plain).map(([action, call]) => ({ action, call, context: undefined })),
  ];
  const seen: string[] = [];
  const said: string[] = [];
  for (const { action, call, context } of questions) {
    const { decision, caller, resource } = await keystore.explain({
      principal: `arn:aws:iam::${keystore.facts.accountId}:user/${name}`,
      action,
      key: KeyId,
      ...(Object.hasOwn(actions, action) && { encryptionContext: context }),
    });
    const title = `${action} ${JSON.stringify(context)}: `;
    said.push(
      title +
        (decision.allowed
          ? "allowed"
          : `AccessDeniedException: User: ${caller} is not authorized to perform: kms:${action} on resource: ${resource} ${decision.reason}`),
    );
    const answer = await Promise.resolve(call(client, KeyId, context)).then(
      () => "allowed",
      ({ name: error, message }: Error) => `${error}: ${message}`,
    );
    seen.push(title + answer);
  }
  expect(seen).toEqual(said);
  expect(said.filter((line) => line.endsWith("allowed"))).toHaveLength(allowed);
});
