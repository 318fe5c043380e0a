import { once } from "node:events";
import { existsSync } from "node:fs";
import { start } from "@env/testkit/programs";
import { rejection } from "@env/testkit/refusal";
import fc from "fast-check";
import { expect, it } from "vitest";
import {
  cancelKeystoreMove,
  createKeystore,
  inspectKeystore,
  moveKeystore,
  openKeystore,
  type Keystore,
} from "../src/index.ts";
import {
  allow,
  auditRecords,
  document,
  newKey,
  newUser,
  onFiles,
  openPlace,
  refusal,
  tempPath,
  tempPlace,
  type Place,
} from "./support/keystore.ts";
import { attack } from "./support/store.ts";

type Where = () => Place;

const inFile: Where = () => {
  const path = tempPath();
  return { path, root: { keyFile: `${path}.key` } };
};

/** From where to where: in the project of PostgreSQL, there, back, and between two schemas. */
const ways: (readonly [name: string, from: Where, to: Where])[] = onFiles
  ? [["a file to another", inFile, inFile]]
  : [
      ["a file to PostgreSQL", inFile, tempPlace],
      ["PostgreSQL to a file", tempPlace, inFile],
      ["a schema to another", tempPlace, tempPlace],
    ];
const [[, from, to] = ways[0] as never] = ways;

const operations = [
  "create",
  "rotate",
  "alias",
  "grant",
  "disable",
  "delete",
  "tag",
  "user",
  "access key",
  "policy",
  "use",
  "refused",
] as const;

async function apply(
  keystore: Keystore,
  kind: (typeof operations)[number],
  i: number,
): Promise<void> {
  const client = keystore.as();
  const { Keys } = await client.listKeys();
  const KeyId = Keys[i % Keys.length]?.KeyId ?? (await newKey(client));
  const arn = `arn:aws:iam::000000000000:user/u${i % 3}`;
  const actions = {
    create: () => client.createKey({ Description: `key ${i}` }),
    rotate: () => client.rotateKeyOnDemand({ KeyId }),
    alias: () => client.createAlias({ AliasName: `alias/${i}`, TargetKeyId: KeyId }),
    grant: () =>
      client.createGrant({ KeyId, GranteePrincipal: arn, Operations: ["Decrypt", "Encrypt"] }),
    disable: () => client.disableKey({ KeyId }),
    delete: () => client.scheduleKeyDeletion({ KeyId, PendingWindowInDays: 7 }),
    tag: () => client.tagResource({ KeyId, Tags: [{ TagKey: `t${i}`, TagValue: "ü" }] }),
    user: () => newUser(keystore, `u${i % 3}`, allow("kms:Decrypt")),
    "access key": () => keystore.iam.accessKeys.create(arn),
    policy: () => keystore.iam.putPolicy(arn, { name: `p${i}`, text: document(allow("kms:*")) }),
    use: () => client.generateDataKey({ KeyId, KeySpec: "AES_256" }),
    refused: () => keystore.as("user/nobody").describeKey({ KeyId }),
  };
  // Some of them are refused, by the state that the others have made.
  await actions[kind]().catch(() => undefined);
}

/** What no operation of a client makes. */
async function addOthers(place: Place): Promise<void> {
  using open = await openPlace(place);
  const { store } = open;
  const created = Date.now();
  await store.write(() => {
    store.policies.put({
      arn: "arn:aws:iam::000000000000:policy/p",
      policyId: "ANPAAAAAAAAAAAAAAAAAA",
      created,
      updated: created,
      description: "",
      tags: {},
      versions: [{ number: 1, created, text: document(allow("kms:*")) }],
      defaultVersion: 1,
      latestVersion: 1,
    });
    store.providers.put({
      arn: "arn:aws:iam::000000000000:oidc-provider/idp.example",
      created,
      issuer: "https://idp.example",
      clientIds: ["app"],
      thumbprints: [],
      tags: {},
    });
  });
}

/** The same, and the last uses of keys. */
async function others(place: Place): Promise<object> {
  using open = await openPlace(place);
  const { store } = open;
  return await store.read(() => ({
    policies: store.policies.list("", 10).items,
    providers: store.providers.list("", 10).items,
    lastUses: store.lastUses.list("", 100).items,
  }));
}

/** Everything that the API shows, and data under every version of every key that can encrypt. */
async function contents(keystore: Keystore): Promise<object> {
  const client = keystore.as("root");
  const keys: object[] = [];
  const { Keys } = await client.listKeys();
  for (const { KeyId } of Keys) {
    keys.push(
      await client.describeKey({ KeyId }),
      await client.getKeyPolicy({ KeyId }),
      await client.listGrants({ KeyId }),
      await client.listAliases({ KeyId }),
      await client.listResourceTags({ KeyId }),
      await client.listKeyRotations({ KeyId }),
    );
  }
  const accessKeys = await keystore.iam.accessKeys.list();
  const credentials = await Promise.all(
    accessKeys.map(({ accessKeyId }) => keystore.iam.credential(accessKeyId)),
  );
  const { keystoreId, accountId, region, created } = keystore.facts;
  const seed = await keystore.seeding.exportConfig();
  return JSON.parse(
    JSON.stringify({
      facts: { keystoreId, accountId, region, created },
      keys,
      accessKeys,
      credentials,
      seed,
    }),
  ) as object;
}

it.each(ways)(
  "moves everything from %s, and back",
  { timeout: 600_000 },
  async (_, source, target) => {
    const step = fc.tuple(fc.constantFrom(...operations), fc.nat(20));
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        const [a, b, c] = [source(), target(), source()];
        const { root } = a;
        const blobs: Uint8Array[] = [];
        let keystore = await createKeystore(a.path, { root });
        const KeyId = await newKey(keystore.as());
        await addOthers(a);
        for (const [i, [kind, n]] of steps.entries()) {
          await apply(keystore, kind, n + i);
          if (i > 4) continue;
          const encrypted = { KeyId, Plaintext: Uint8Array.of(i) };
          await keystore
            .as()
            .encrypt(encrypted)
            .then(({ CiphertextBlob }) => blobs.push(CiphertextBlob))
            .catch(() => undefined);
        }
        for (const next of [b, c]) {
          const before = await contents(keystore);
          const anchor = await keystore.audit.anchor();
          const records = await auditRecords(keystore);
          keystore.close();
          const last = next === b ? a : b;
          const more = await others({ ...last, root });
          const report = await moveKeystore(last.path, next.path, { root });
          expect(report.auditRecords).toBe(records.length);
          expect(await others({ ...next, root })).toEqual(more);
          keystore = await openKeystore(next.path, { root });
          const again = await auditRecords(keystore);
          expect(again.slice(0, records.length)).toEqual(records);
          expect(await contents(keystore)).toEqual(before);
          expect(await keystore.verify()).toEqual([]);
          expect(await keystore.audit.verify({ anchor })).toMatchObject({
            intact: true,
            anchor: "confirmed",
          });
          const moved = await rejection(openKeystore(last.path, { root }));
          expect(moved).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_MOVED" });
        }
        await keystore
          .as()
          .cancelKeyDeletion({ KeyId })
          .catch(() => undefined);
        await keystore
          .as()
          .enableKey({ KeyId })
          .catch(() => undefined);
        for (const [i, CiphertextBlob] of blobs.entries()) {
          const { Plaintext } = await keystore.as().decrypt({ CiphertextBlob });
          expect([...Plaintext]).toEqual([i]);
        }
        keystore.close();
      }),
      { numRuns: process.env["SLOW"] === undefined ? (onFiles ? 3 : 1) : 60, endOnFailure: true },
    );
  },
);

/** Whether somebody can change the keystore at a place. */
async function isUsable({ path }: Place, root: Place["root"]): Promise<boolean> {
  try {
    using keystore = await openKeystore(path, { root });
    await newKey(keystore.as());
    return true;
  } catch (error) {
    const { code } = error as { code?: string };
    expect([
      "ERR_ENVELOPE_KEYSTORE_MOVED",
      "ERR_ENVELOPE_KEYSTORE_IO",
      "ERR_ENVELOPE_KEYSTORE_FORMAT",
    ]).toContain(code);
    return false;
  }
}

/** All of them, or those around what changes something: the rest only reads and compares. */
function stepsToKillAt(count: number): readonly number[] {
  const all = Array.from({ length: count }, (_, i) => i + 1);
  if (process.env["SLOW"] !== undefined) return all;
  return all.filter((step) => step === 3 || step === 4 || step >= count - 2);
}

it.each(ways)(
  "a move of %s that is killed at any step is completed by another one",
  { timeout: 600_000 },
  async (_, source, target) => {
    let count = 0;
    for (let killed = 0, all = 1; killed < all; killed++) {
      const [a, b] = [source(), target()];
      const newRoot = { keyFile: `${inFile().path}.key` };
      const first = await createKeystore(a.path, { root: a.root });
      const KeyId = await newKey(first.as(), "alias/app");
      const { CiphertextBlob } = await first
        .as()
        .encrypt({ KeyId, Plaintext: Uint8Array.of(1, 2, 3) });
      const anchor = await first.audit.anchor();
      first.close();

      // The first one gets to its end, and says how many steps there are.
      const steps = stepsToKillAt(count);
      const step = String(steps[killed - 1] ?? 0);
      const child = start("mover", a.path, b.path, a.root.keyFile, newRoot.keyFile, step);
      const [output] = await Promise.all([child.stdout.toArray(), once(child, "close")]);
      expect(output.length > 0).toBe(killed === 0);
      if (killed === 0) {
        count = Number(Buffer.concat(output as Buffer[]).toString());
        all = stepsToKillAt(count).length + 1;
      }
      const usable = [await isUsable(a, a.root), await isUsable(b, newRoot)];
      expect(usable.filter(Boolean).length).toBeLessThanOrEqual(1);
      if (!(usable[1] ?? false)) {
        await moveKeystore(a.path, b.path, { root: a.root, targetRoot: newRoot });
      }
      using moved = await openKeystore(b.path, { root: newRoot });
      expect([...(await moved.as().decrypt({ CiphertextBlob })).Plaintext]).toEqual([1, 2, 3]);
      expect(await moved.verify()).toEqual([]);
      expect(await moved.audit.verify({ anchor })).toMatchObject({ anchor: "confirmed" });
      expect(await isUsable(a, a.root)).toBe(false);
    }
  },
);

// Requirements: F27
it("refuses changes here while it moves, from processes that have it open, and says afterwards where it is", async () => {
  const [a, b] = [from(), to()];
  const { root } = a;
  using other = await createKeystore(a.path, { root });
  const KeyId = await newKey(other.as());
  const refusals: Promise<string>[] = [];
  await moveKeystore(a.path, b.path, {
    root,
    onProgress: ({ step }) => {
      if (step === "copy") refusals.push(refusal(other.as().disableKey({ KeyId })));
    },
  });
  for (const one of await Promise.all(refusals)) expect(one).toContain("it is being moved to");
  expect(refusals).not.toEqual([]);
  for (const call of [
    () => other.as().generateDataKey({ KeyId, KeySpec: "AES_256" }),
    () => other.requireReady(),
    () => other.verify(),
    () => openKeystore(a.path, { root }),
    () => moveKeystore(a.path, b.path, { root }),
    () => moveKeystore(a.path, to().path, { root }),
  ]) {
    expect(await rejection(call())).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_MOVED" });
  }
  const place = onFiles ? b.path : /schema=\w+/.exec(b.path)?.[0];
  expect(await refusal(openKeystore(a.path, { root }))).toContain(place);
  // What it says of itself without its root key is still there.
  expect(await inspectKeystore(a.path)).toMatchObject({ rootKind: "key-file" });
});

it("takes back a move that is ended, and leaves nothing behind", async () => {
  const [a, b] = [from(), to()];
  const { root } = a;
  const targetRoot = { keyFile: `${inFile().path}.key` };
  using keystore = await createKeystore(a.path, { root });
  await newKey(keystore.as());
  for (const step of ["verify", "stop", "copy", "compare", "verify copy", "finish"]) {
    const controller = new AbortController();
    const ended = moveKeystore(a.path, b.path, {
      root,
      targetRoot,
      signal: controller.signal,
      onProgress: (progress) => {
        if (progress.step === step && step !== "finish") controller.abort();
        if (progress.step === step && step === "finish") throw new Error("it fails");
      },
    });
    await rejection(ended);
    expect(await isUsable(a, root)).toBe(true);
    expect(await isUsable(b, root)).toBe(false);
    expect(existsSync(targetRoot.keyFile)).toBe(false);
  }
  await newKey(keystore.as());
  await moveKeystore(a.path, b.path, { root, targetRoot });
  expect(await isUsable(b, targetRoot)).toBe(true);
});

it("does not move to where something is", async () => {
  const [a, b] = [from(), to()];
  using keystore = await createKeystore(a.path, { root: a.root });
  using taken = await createKeystore(b.path, { root: b.root });
  const refused = moveKeystore(a.path, b.path, { root: a.root });
  expect(await rejection(refused)).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_IO" });
  await newKey(keystore.as());
  await newKey(taken.as());
});

it.runIf(onFiles)("does not move what does not verify", async () => {
  const [a, b] = [from(), to()];
  const { root } = a;
  const keystore = await createKeystore(a.path, { root });
  await newKey(keystore.as(), "alias/app");
  keystore.close();
  attack(a.path, "UPDATE alias SET name = 'alias/other'");
  const refused = await rejection(moveKeystore(a.path, b.path, { root }));
  expect(refused).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_FORMAT" });
  expect(refused.message).toMatch(/it does not verify: (?:alias|key) .*alias/);
  expect(existsSync(b.path)).toBe(false);
  using again = await openKeystore(a.path, { root });
  await newKey(again.as());
});

it("a move can be canceled, and one that is complete only by force", async () => {
  const [a, b] = [from(), to()];
  const { root } = a;
  const keystore = await createKeystore(a.path, { root });
  keystore.close();
  expect(await cancelKeystoreMove(a.path, { root })).toBeUndefined();
  const child = start("mover", a.path, b.path, root.keyFile, "-", "4");
  await once(child, "close");
  expect(await isUsable(a, root)).toBe(false);
  expect(await cancelKeystoreMove(a.path, { root })).toBeDefined();
  expect(await isUsable(a, root)).toBe(true);
  const c = to();
  await moveKeystore(a.path, c.path, { root });
  const refused = cancelKeystoreMove(a.path, { root });
  expect(await rejection(refused)).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_MOVED" });
  expect(await isUsable(a, root)).toBe(false);
  await cancelKeystoreMove(a.path, { root, force: true });
  expect(await isUsable(a, root)).toBe(true);
});

it.skipIf(onFiles)("keeps the chains of all nodes, and their anchor", async () => {
  const [a, b, c] = [tempPlace(), inFile(), tempPlace()];
  const { root } = a;
  const nodes = [await createKeystore(a.path, { root })];
  nodes.push(await openKeystore(a.path, { root }), await openKeystore(a.path, { root }));
  for (const node of nodes) await newKey(node.as());
  const anchor = await nodes[1]?.audit.anchor();
  if (anchor === undefined) throw new Error("there are three nodes");
  for (const node of nodes) node.close();
  await moveKeystore(a.path, b.path, { root });
  for (const place of [b, c]) {
    if (place === c) await moveKeystore(b.path, c.path, { root });
    using keystore = await openKeystore(place.path, { root });
    await newKey(keystore.as());
    const report = await keystore.audit.verify({ anchor });
    expect(report).toMatchObject({ intact: true, anchor: "confirmed" });
    expect(report.chains).toHaveLength(2);
    expect(await keystore.verify()).toEqual([]);
  }
});
