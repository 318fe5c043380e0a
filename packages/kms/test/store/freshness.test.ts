import { createHash } from "node:crypto";
import { expect, it } from "vitest";
import { Bucket } from "../../src/store/bucket.ts";
import { Freshness } from "../../src/store/freshness.ts";
import { RowSealer } from "../../src/store/row-sealer.ts";
import { keyRecord, openStore, tempStore, withAliases, type OpenStore } from "../support/store.ts";

const ALICE = "arn:aws:iam::000000000000:user/alice";
const alice = {
  arn: ALICE,
  type: "user",
  userId: "AIDA",
  created: 1,
  tags: {},
  policies: [],
  boundary: undefined,
  groups: [],
  attached: [],
  role: undefined,
} as const;

/** The state row as the specification has it. */
function state({ database, root, keystoreId }: OpenStore): {
  revision: number;
  head: Record<string, unknown>;
  marks: Buffer;
} {
  const row = database.prepare("SELECT revision, sealed FROM state").get();
  const revision = Number(row?.["revision"]);
  const sealer = new RowSealer(root, keystoreId);
  const plaintext = sealer.open(`s${revision}`, row?.["sealed"] as Uint8Array);
  if (plaintext === undefined) throw new Error("the state does not open");
  const bytes = Buffer.from(plaintext);
  const end = 4 + bytes.readUInt32BE(0);
  const head = JSON.parse(bytes.toString("utf8", 4, end)) as Record<string, unknown>;
  return { revision, head, marks: bytes.subarray(end) };
}

it("lies in the file as specified", async () => {
  const open = await tempStore();
  const { store, database, root, keystoreId } = open;
  expect(state(open)).toMatchObject({
    revision: 1,
    head: { counts: {}, heads: {}, clock: { settled: 0, resets: 0 } },
    marks: Buffer.alloc(256 * 12),
  });
  const { keyId } = keyRecord();
  await store.write(() => {
    store.keys.insert(keyRecord({ keyId, ...withAliases("alias/a", "alias/b") }));
    store.keys.insert(keyRecord());
    store.principals.put(alice);
    store.setHead("log", 0, Uint8Array.of(1, 2, 3));
  });
  await store.write(() => {
    store.keys.update(keyRecord({ keyId, ...withAliases("alias/b") }));
    store.principals.put(alice);
  });
  const { revision, head, marks } = state(open);
  expect(revision).toBe(3);
  expect(head).toMatchObject({ counts: { klocal: 2, alocal: 1, p: 1 }, heads: { log: "AQID" } });

  const sealer = new RowSealer(root, keystoreId);
  const uuid = Buffer.from(keyId.replaceAll("-", ""), "hex");
  const key = database.prepare("SELECT sealed FROM cmk WHERE uuid = ?").get(uuid);
  const principal = database.prepare("SELECT sealed FROM principal").get();
  for (const [name, mark] of [
    [`k${uuid.toString("latin1")}local`, markOf(key?.["sealed"])],
    [`p${ALICE}`, markOf(principal?.["sealed"])],
    ["alocal:alias/b", "00".repeat(12)],
    ["alocal:alias/a", undefined],
  ] as const) {
    const number = createHash("sha256").update(name, "latin1").digest()[0] ?? 0;
    const sealed = database.prepare("SELECT sealed FROM bucket WHERE number = ?").get(number);
    const bytes = sealed?.["sealed"] as Uint8Array;
    expect(marks.toString("hex", number * 12, number * 12 + 12)).toBe(markOf(bytes));
    const bucket = Bucket.parse(sealer.open(`b${number}`, bytes) ?? new Uint8Array(1));
    const found = bucket?.get(name);
    expect(found === undefined ? undefined : Buffer.from(found, "latin1").toString("hex")).toBe(
      mark,
    );
  }
  await store.write(() => store.principals.delete(ALICE));
  expect(state(open).head).toMatchObject({ counts: { klocal: 2, alocal: 1, p: 0 } });
});

it("looks at the file again only when another connection has written", async () => {
  const open = await tempStore();
  const other = await openStore(open.path);
  const freshness = new Freshness(other.database, new RowSealer(open.root, open.keystoreId), false);
  const epochs: number[] = [];
  const look = async (): Promise<void> => {
    await other.database.read(() => freshness.refresh());
    epochs.push(freshness.epoch);
  };
  await look();
  await look();
  await open.store.read(() => open.store.keys.list("local", 0, 1));
  await look();
  await open.store.write(() => undefined);
  await look();
  await look();
  expect(epochs).toEqual([1, 1, 1, 2, 2]);
});

function markOf(sealed: unknown): string {
  return Buffer.from(sealed as Uint8Array).toString("hex", 1, 13);
}
