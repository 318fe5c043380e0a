/** A keystore that looks as if a team had used it for a month: for tests, screenshots and development. */
import { createKeystore, type Keystore, type NewAccessKey } from "@env/kms";

const DAY = 86_400_000;

export interface Seeded {
  readonly keystore: Keystore;
  /** Access keys by user; `root` is the account's. */
  readonly accessKeys: Readonly<Record<"root" | "alice" | "bob" | "carol", NewAccessKey>>;
  /** ARNs of keys by alias without `alias/`. */
  readonly keys: Readonly<Record<string, string>>;
}

const ACCOUNT = "111122223333";
const user = (name: string): string => `arn:aws:iam::${ACCOUNT}:user/${name}`;
const role = (name: string): string => `arn:aws:iam::${ACCOUNT}:role/${name}`;

const statement = (
  Sid: string,
  principal: string | string[],
  Action: string[],
  more = {},
): object => ({
  Sid,
  Effect: "Allow",
  Principal: { AWS: principal },
  Action,
  Resource: "*",
  ...more,
});

const wholeAccount = statement("Enable IAM policies", `arn:aws:iam::${ACCOUNT}:root`, ["kms:*"]);
const document = (...Statement: object[]): string =>
  JSON.stringify({ Version: "2012-10-17", Statement }, undefined, 2);

const readOnly = ["kms:Describe*", "kms:Get*", "kms:List*"];
const use = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*"];

export async function seededKeystore(path: string): Promise<Seeded> {
  const keystore = await createKeystore(path, {
    root: { keyFile: `${path}.key` },
    accountId: ACCOUNT,
    region: "eu-central-1",
    audit: { durability: { maxDelayMs: 20, maxEvents: 1000 } },
  });
  await principals(keystore);
  const keys = await keysOf(keystore);
  await history(keystore, keys);
  const accessKeys = {
    root: await keystore.iam.accessKeys.create("root"),
    alice: await keystore.iam.accessKeys.create("user/alice"),
    bob: await keystore.iam.accessKeys.create("user/bob"),
    carol: await keystore.iam.accessKeys.create("user/carol"),
  };
  return { keystore, accessKeys, keys };
}

async function principals({ iam }: Keystore): Promise<void> {
  const allow = (name: string, Action: string[]) => ({
    name,
    text: document({ Effect: "Allow", Action, Resource: "*" }),
  });
  await iam.put({
    arn: `arn:aws:iam::${ACCOUNT}:group/developers`,
    policies: [allow("use-keys", [...readOnly, ...use])],
  });
  await iam.put({
    arn: user("alice"),
    tags: { team: "platform" },
    policies: [allow("administrator", ["kms:*", "iam:*", "sts:*", "envelope:*"])],
  });
  await iam.put({
    arn: user("bob"),
    tags: { team: "payments" },
    groups: [`arn:aws:iam::${ACCOUNT}:group/developers`],
    policies: [],
  });
  await iam.put({
    arn: user("carol"),
    policies: [allow("auditor", [...readOnly, "iam:Get*", "iam:List*"])],
  });
  const trust = document({
    Effect: "Allow",
    Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` },
    Action: "sts:AssumeRole",
  });
  for (const [name, actions] of [
    ["orders-service", use],
    ["payments-service", use],
    ["backup", ["kms:GenerateDataKey", "kms:Decrypt"]],
    ["release-signer", ["kms:Sign", "kms:GetPublicKey"]],
  ] as const) {
    await iam.put({ arn: role(name), role: { trust }, policies: [allow("use", [...actions])] });
  }
}

async function keysOf(keystore: Keystore): Promise<Record<string, string>> {
  const kms = keystore.as();
  const keys: Record<string, string> = {};
  const make = async (
    name: string,
    Description: string,
    more: Parameters<typeof kms.createKey>[0] = {},
  ): Promise<string> => {
    const { KeyMetadata } = await kms.createKey({
      Description,
      Policy: document(wholeAccount),
      ...more,
    });
    await kms.createAlias({ AliasName: `alias/${name}`, TargetKeyId: KeyMetadata.KeyId });
    keys[name] = KeyMetadata.Arn;
    return KeyMetadata.Arn;
  };
  const tags = (team: string, stage: string) => [
    { TagKey: "team", TagValue: team },
    { TagKey: "stage", TagValue: stage },
  ];
  const orders = await make("orders", "Orders and customers", {
    Tags: tags("orders", "production"),
  });
  await kms.createAlias({ AliasName: "alias/orders-archive", TargetKeyId: orders });
  await kms.enableKeyRotation({ KeyId: orders, RotationPeriodInDays: 180 });
  const payments = await make("payments", "Card data: only the payments service decrypts", {
    Tags: tags("payments", "production"),
    Policy: document(
      wholeAccount,
      statement("Service", role("payments-service"), use, {
        Condition: { StringEquals: { "kms:EncryptionContext:purpose": "cards" } },
      }),
      {
        Sid: "No developers",
        Effect: "Deny",
        Principal: { AWS: user("bob") },
        Action: ["kms:Decrypt", "kms:DisableKey", "kms:ScheduleKeyDeletion", "kms:PutKeyPolicy"],
        Resource: "*",
      },
    ),
  });
  await kms.enableKeyRotation({ KeyId: payments, RotationPeriodInDays: 365 });
  await kms.createGrant({
    KeyId: payments,
    GranteePrincipal: role("backup"),
    RetiringPrincipal: user("alice"),
    Operations: ["Decrypt", "GenerateDataKey"],
    Name: "nightly-backup",
    Constraints: { EncryptionContextSubset: { purpose: "cards" } },
  });
  await make("backups", "Nightly backups", { Tags: tags("platform", "production") });
  await make("release-signing", "Signs releases", {
    KeySpec: "ECC_NIST_P256",
    KeyUsage: "SIGN_VERIFY",
  });
  await make("session-tokens", "MACs of session tokens", {
    KeySpec: "HMAC_256",
    KeyUsage: "GENERATE_VERIFY_MAC",
  });
  await make("partner-import", "Material comes from the partner", { Origin: "EXTERNAL" });
  const staging = await make("orders-staging", "", { Tags: tags("orders", "staging") });
  await kms.disableKey({ KeyId: staging });
  const old = await make("legacy-crm", "The CRM that was switched off");
  await kms.scheduleKeyDeletion({ KeyId: old, PendingWindowInDays: 14 });
  await make("experiments", "<script>alert(1)</script> \u202Etxt.exe");
  return keys;
}

/** Calls of the last month, written into the log with their time. */
async function history(keystore: Keystore, keys: Readonly<Record<string, string>>): Promise<void> {
  const now = Date.now();
  const random = generator(7);
  const callers = [
    ["orders", role("orders-service"), ["GenerateDataKey", "Decrypt", "Decrypt", "Decrypt"], 14],
    ["payments", role("payments-service"), ["Decrypt", "Encrypt", "Decrypt"], 9],
    ["backups", role("backup"), ["GenerateDataKey"], 1],
    ["release-signing", role("release-signer"), ["Sign"], 0.4],
    ["session-tokens", role("orders-service"), ["GenerateMac", "VerifyMac"], 5],
  ] as const;
  for (let ago = 29; ago >= 0; ago--) {
    for (const [name, principal, operations, perDay] of callers) {
      const calls = Math.floor(perDay * (0.5 + random()) + random());
      for (let index = 0; index < calls; index++) {
        await record(now - ago * DAY - random() * DAY * 0.9, name, principal, operations);
      }
    }
    if (ago % 6 === 2)
      await record(now - ago * DAY - DAY / 3, "payments", user("bob"), ["Decrypt"], true);
  }
  await keystore.audit.flush();

  async function record(
    time: number,
    name: string,
    principal: string,
    operations: readonly string[],
    denied = false,
  ): Promise<void> {
    const operation = operations[Math.floor(random() * operations.length)] ?? "Decrypt";
    const resource = keys[name] ?? "";
    const context =
      name === "payments" ? { purpose: "cards" } : { tenant: `t-${Math.floor(random() * 40)}` };
    const deciding = denied
      ? `key policy, statement "No developers"`
      : `key policy, statement "Enable IAM policies"`;
    void keystore.audit.append({
      time: Math.floor(time),
      operation,
      principal,
      accountId: ACCOUNT,
      readOnly: true,
      resources: [resource],
      parameters: { KeyId: resource },
      encryptionContext: context,
      decisions: [
        {
          action: `kms:${operation}`,
          resource,
          allowed: !denied,
          because: denied ? "explicit-deny" : "key-policy-and-iam",
          deciding,
        },
      ],
      sourceIp: `10.0.${Math.floor(random() * 4)}.${Math.floor(random() * 250)}`,
      userAgent: "aws-sdk-js/3.1164.0",
      ...(denied
        ? {
            error: {
              code: "AccessDeniedException",
              message: `User: ${principal} is not authorized to perform: kms:${operation} on resource: ${resource} with an explicit deny in a resource-based policy`,
            },
          }
        : {}),
    });
  }
}

/** Numbers from 0 to 1 that are the same every time (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
