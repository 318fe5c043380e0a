/**
 * Measures the local KMS: one decision over three policies with ten statements, data keys in process with
 * authorization and audit, and what a hundred thousand CMKs change.
 *
 * The mistakes it avoids: a log whose records never reach a disk (the file is on one where there is
 * room), a decision that a cache answers (a thousand contexts take turns), and a keystore whose records
 * are all in memory because this process made them (it is opened by a process of its own, which tells
 * its memory too).
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { extname, join } from "node:path";
import { createKeystore, type AuditOptions, type Keystore, type KmsClient } from "@env/kms";
import type { decide as Decide } from "@env/kms/policy/decide";
import type { AccessRequest, Caller } from "@env/kms/policy/request";
import { folderFor, MIB, requireSame, type Bench, type Figure } from "../bench.ts";
import type { ScaleFacts } from "../kms-scale.ts";
import { median } from "../measure.ts";
import type { Row } from "../row.ts";

const ACCOUNT = "000000000000";
/** The user of {@link asAlice}. */
export const ALICE = `arn:aws:iam::${ACCOUNT}:user/alice`;
/** Calls in flight together, where it is not one. */
const TOGETHER = 64;

export const kms: Figure = {
  name: "kms",
  async run(bench) {
    const folder = folderFor(2048 * MIB, "disk");
    if (folder === undefined) {
      const note = "no folder has 2 GiB free";
      return [{ kind: "limit", figure: "local KMS", unit: "µs", ours: undefined, note }];
    }
    try {
      const rows: Row[] = [await authorization(bench)];
      const path = (name: string): string => join(folder.path, name);
      const batched: AuditOptions = { durability: { maxDelayMs: 100, maxEvents: 1000 } };
      rows.push(
        await dataKeys(bench, path("batched"), batched, "in batches", TOGETHER, 100),
        await dataKeys(bench, path("synced"), {}, "synced", TOGETHER, 1e6 / 1500),
        await dataKeys(bench, path("alone"), {}, "synced", 1, undefined),
        ...(await scale(bench, path)),
      );
      const [first, ...others] = rows;
      return first === undefined
        ? []
        : [{ ...first, note: `local KMS: keystores on ${folder.place}` }, ...others];
    } finally {
      folder.remove();
    }
  },
};

/** What a user of a team has: a key policy that delegates, and policies that allow a little each. */
const statement = (action: string, resource: string, condition?: object): object => ({
  Effect: "Allow",
  Action: action,
  Resource: resource,
  ...(condition && { Condition: condition }),
});
const keys = `arn:aws:kms:local:${ACCOUNT}:key/*`;
const document = (...statements: object[]): string =>
  JSON.stringify({ Version: "2012-10-17", Statement: statements });
const identityPolicies = [
  document(
    statement("kms:DescribeKey", keys),
    statement("kms:List*", "*"),
    statement("kms:Encrypt", keys, { StringEquals: { "kms:EncryptionContext:tenant": "other" } }),
    statement("kms:Decrypt", keys, { StringLike: { "kms:EncryptionContext:tenant": "tenant-*" } }),
  ),
  document(
    statement("kms:GenerateDataKey*", keys, {
      "ForAnyValue:StringLike": { "kms:ResourceAliases": "alias/app*" },
    }),
    statement("kms:TagResource", keys),
    { ...statement("kms:ScheduleKeyDeletion", keys), Effect: "Deny" },
  ),
];
const keyPolicy = document(
  { ...statement("kms:*", "*"), Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` } },
  { ...statement("kms:Put*", "*"), Principal: { AWS: `arn:aws:iam::${ACCOUNT}:role/admin` } },
  {
    ...statement("kms:Decrypt", "*", { Bool: { "aws:SecureTransport": "false" } }),
    Effect: "Deny",
    Principal: "*",
  },
);
const policies = identityPolicies.map((text, i) => ({ name: `policy-${i}`, text }));

/** Only sources export it, so it is taken from beside the entry that is measured. */
async function loadDecide(): Promise<typeof Decide> {
  const entry = import.meta.resolve("@env/kms");
  const file = new URL(`policy/decide${extname(entry)}`, entry).href;
  const { decide }: { decide: typeof Decide } = await import(file);
  return decide;
}

async function authorization(bench: Bench): Promise<Row> {
  const decide = await loadDecide();
  const caller: Caller = { arn: ALICE, accountId: ACCOUNT, type: "user", policies };
  const request = (i: number): AccessRequest => ({
    caller,
    action: "kms:GenerateDataKey",
    resource: `arn:aws:kms:local:${ACCOUNT}:key/00000000-0000-4000-8000-000000000001`,
    resourceAccount: ACCOUNT,
    key: {
      policy: keyPolicy,
      aliases: ["alias/app"],
      tags: {},
      grants: [],
      keySpec: "SYMMETRIC_DEFAULT",
      keyUsage: "ENCRYPT_DECRYPT",
      origin: "AWS_KMS",
    },
    encryptionContext: { tenant: `tenant-${i}` },
    now: Date.now(),
  });
  const requests = Array.from({ length: 1000 }, (_, i) => request(i));
  const values = await bench.takeTurns([
    {
      name: "authorization",
      measure: () => {
        const took = requests.map((each) => {
          const started = performance.now();
          requireSame("the decision", decide(each).allowed, true);
          return performance.now() - started;
        });
        return median(took) * 1000;
      },
    },
  ]);
  return {
    kind: "limit",
    figure: "authorization, 3 policies, 10 statements",
    unit: "µs",
    ours: values.get("authorization") ?? [],
    below: 20,
  };
}

async function dataKeys(
  bench: Bench,
  path: string,
  audit: AuditOptions,
  how: string,
  together: number,
  below: number | undefined,
): Promise<Row> {
  using keystore = await createKeystore(path, { root: { keyFile: `${path}.key` }, audit });
  const client = await asAlice(keystore);
  const calls = (bench.quick ? 2000 : 10_000) / (together === 1 ? 10 : 1);
  const figure = `GenerateDataKey, audit ${how}, ${together === 1 ? "one caller" : `${together} callers`}`;
  const values = await bench.takeTurns([
    {
      name: figure,
      measure: async () => {
        const started = performance.now();
        const caller = async (first: number): Promise<void> => {
          for (let i = first; i < calls; i += together) {
            await client.generateDataKey({
              KeyId: "alias/app",
              KeySpec: "AES_256",
              EncryptionContext: { tenant: `tenant-${i}` },
            });
          }
        };
        await Promise.all(Array.from({ length: together }, (_, first) => caller(first)));
        return ((performance.now() - started) * 1000) / calls;
      },
    },
  ]);
  const ours = values.get(figure) ?? [];
  return { kind: "limit", figure, unit: "µs", ours, ...(below === undefined ? {} : { below }) };
}

/** A keystore with the key `alias/app`, as somebody whose policies allow a little each. */
export async function asAlice(keystore: Keystore): Promise<KmsClient> {
  const root = keystore.as();
  const { KeyMetadata } = await root.createKey({ Policy: keyPolicy });
  await root.createAlias({ AliasName: "alias/app", TargetKeyId: KeyMetadata.KeyId });
  await keystore.iam.put({ arn: ALICE, policies });
  return keystore.as(ALICE);
}

async function scale(bench: Bench, path: (name: string) => string): Promise<Row[]> {
  const many = bench.quick ? 2000 : 100_000;
  const facts = new Map<number, ScaleFacts[]>();
  for (const count of [100, many]) {
    const file = path(`of-${count}`);
    await fill(bench, file, count);
    facts.set(count, []);
    for (let round = 1; round <= bench.rounds; round++) {
      bench.show(`keystore of ${count} CMKs, round ${round} of ${bench.rounds}`);
      facts.get(count)?.push(inProcess(file, count));
    }
  }
  const [few = [], large = []] = [facts.get(100), facts.get(many)];
  const apart = (pick: (one: ScaleFacts) => number): number[] =>
    large.map((one, i) => (pick(one) / pick(few[i] ?? one)) * 100);
  const cmks = `${many.toLocaleString("en")} CMKs`;
  return [
    {
      kind: "limit",
      figure: `opening a keystore of ${cmks}`,
      unit: "ms",
      ours: large.map(({ openMs }) => openMs),
      below: 1000,
    },
    {
      kind: "limit",
      figure: `an alias in use, ${cmks} against 100`,
      unit: "%",
      ours: apart(({ hotUs }) => hotUs),
      below: 200,
    },
    {
      kind: "limit",
      figure: `aliases at random, ${cmks} against 100`,
      unit: "%",
      ours: apart(({ randomUs }) => randomUs),
      below: 200,
    },
    {
      kind: "limit",
      figure: `memory of a process with ${cmks}`,
      unit: "MB",
      ours: large.map(({ rssMb }) => rssMb),
      below: 200,
    },
  ];
}

/** Makes a keystore of so many keys, each with an alias. */
export async function fill(bench: Bench, path: string, count: number): Promise<void> {
  using keystore = await createKeystore(path, {
    root: { keyFile: `${path}.key` },
    audit: { durability: { maxDelayMs: 1000, maxEvents: 10_000 } },
  });
  const client = keystore.as();
  const caller = async (first: number): Promise<void> => {
    for (let i = first; i < count; i += TOGETHER) {
      const { KeyMetadata } = await client.createKey();
      const AliasName = `alias/key-${i}`;
      await client.createAlias({ AliasName, TargetKeyId: KeyMetadata.KeyId });
      if (i % 1000 === 0) bench.show(`making ${count} CMKs, ${i}`);
    }
  };
  await Promise.all(Array.from({ length: TOGETHER }, (_, first) => caller(first)));
}

function inProcess(path: string, count: number): ScaleFacts {
  const script = join(import.meta.dirname, "..", "kms-scale.ts");
  const args = [script, path, String(count)];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as ScaleFacts;
}
