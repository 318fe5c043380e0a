import { rejection } from "@env/testkit/refusal";
import { describe, expect, it } from "vitest";
import { newId, withoutPath, type PrincipalRecord } from "../../src/store/iam-records.ts";
import { verifyStore } from "../../src/store/verify.ts";
import { attack, copyOf, openStore, putBack, tempStore, type OpenStore } from "../support/store.ts";

const ALICE = "arn:aws:iam::000000000000:user/alice";
const APP = "arn:aws:iam::000000000000:role/service/app";
const DEVELOPERS = "arn:aws:iam::000000000000:group/developers";

function principal(arn: string, change: Partial<PrincipalRecord> = {}): PrincipalRecord {
  return {
    arn,
    type: "user",
    userId: "AIDAAAAAAAAAAAAAAAAAA",
    created: 1,
    tags: { team: "payments", ümläut: "ß" },
    policies: [{ name: "app", text: '{"Statement":[]}' }],
    attached: [],
    boundary: undefined,
    groups: [],
    role: undefined,
    ...change,
  };
}

const alice: PrincipalRecord = principal(ALICE, {
  groups: [DEVELOPERS],
  boundary: { name: "b", text: "{}" },
});
const app = principal(APP, { type: "role", userId: "AROAAAAAAAAAAAAAAAAAA" });
const developers = principal(DEVELOPERS, { type: "group" });

async function setup(): Promise<OpenStore> {
  const open = await tempStore();
  await open.store.write(() => {
    for (const record of [alice, app, developers]) open.store.principals.put(record);
  });
  return open;
}

const get = ({ store }: OpenStore, arn: string): Promise<PrincipalRecord | undefined> =>
  store.read(() => store.principals.get(arn));

async function problem({ path, store }: OpenStore, reading: () => unknown): Promise<string> {
  const error = await rejection(store.read(reading));
  expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_FORMAT" });
  return error.message
    .replace(`keystore ${path}: `, "")
    .replace(". Check the path, or restore the file from a backup", "");
}

it("gives back what was put, the same object until it changes", async () => {
  const open = await setup();
  expect(await get(open, ALICE)).toEqual(alice);
  const first = await get(open, ALICE);
  expect(first).toEqual(alice);
  expect(await get(open, ALICE)).toBe(first);
  expect(await get(open, APP)).toEqual(app);
  await open.store.write(() => open.store.principals.put({ ...alice, tags: {} }));
  expect(await get(open, ALICE)).toEqual({ ...alice, tags: {} });
  expect(await get(await openStore(open.path), ALICE)).toEqual({ ...alice, tags: {} });
});

it("knows nobody else, whatever the name", async () => {
  const open = await setup();
  for (const arn of [`${ALICE}x`, ALICE.toUpperCase(), "", "é", `${ALICE}\0`, "x".repeat(3000)]) {
    expect(await get(open, arn), arn).toBeUndefined();
  }
});

it("deletes, once", async () => {
  const open = await setup();
  const remove = (): Promise<boolean> =>
    open.store.write(() => open.store.principals.delete(ALICE));
  expect(await remove()).toBe(true);
  expect(await get(open, ALICE)).toBeUndefined();
  expect(await remove()).toBe(false);
});

it("lists by ARN, in pages", async () => {
  const { store } = await setup();
  const page = (after: string): Promise<unknown> =>
    store.read(() => {
      const { items, next } = store.principals.list(after, 2);
      return [items.map(({ arn }) => arn), next];
    });
  expect(await page("")).toEqual([[DEVELOPERS, APP], APP]);
  expect(await page(APP)).toEqual([[ALICE], undefined]);
});

it("takes only ARNs of printable ASCII", async () => {
  const { store } = await setup();
  for (const arn of ["", "user alice", "arn:é", "x".repeat(2049)]) {
    const put = store.write(() => store.principals.put(principal(arn)));
    expect(await rejection(put), arn).toBeInstanceOf(RangeError);
  }
});

it("finds principals by their names, whatever their paths are", async () => {
  const open = await setup();
  const named = await open.store.read(() => open.store.principals.by(withoutPath(APP)));
  expect(named.map(({ arn }) => arn)).toEqual([APP]);
  expect(await open.store.read(() => open.store.principals.by("app"))).toEqual([]);
  const plan = open.database
    .prepare("EXPLAIN QUERY PLAN SELECT arn FROM principal WHERE name = ? ORDER BY arn")
    .get("x");
  expect(plan?.["detail"]).toContain("USING COVERING INDEX principal_by_name (name=?)");
});

it("makes unique ids of 21 characters", () => {
  expect(newId("user")).toMatch(/^AIDA[A-Z2-7]{17}$/);
  expect(newId("role")).toMatch(/^AROA[A-Z2-7]{17}$/);
  expect(newId("group")).toMatch(/^AGPA[A-Z2-7]{17}$/);
  expect(newId("user")).not.toBe(newId("user"));
});

it("keeps policies and tags from whoever reads the file", async () => {
  const { path } = await setup();
  const [row] = copyOf(path, "principal").get("principal") ?? [];
  expect(Object.keys(row ?? {})).toEqual(["arn", "sealed", "name"]);
  const bytes = Buffer.from(row?.["sealed"] as Uint8Array);
  for (const secret of ["payments", "Statement", "AIDA"])
    expect(bytes.includes(secret)).toBe(false);
});

describe("rows that were tampered with", () => {
  const PUT_BACK = "an older row of it was put back";

  // Requirements: F11
  it("do not give a principal another name", async () => {
    const open = await setup();
    attack(open.path, `UPDATE principal SET name = 'x' WHERE arn = '${ALICE}'`);
    const renamed = `principal ${ALICE} does not verify: its row has another name`;
    expect(await problem(open, () => open.store.principals.by("x"))).toBe(renamed);
    expect(await problem(open, () => open.store.principals.get(ALICE))).toBe(renamed);
  });

  // Requirements: F11
  it("are errors that name the principal", async () => {
    const open = await setup();
    const rows = (sql: string): void => attack(open.path, sql);
    rows(
      `UPDATE principal SET sealed = (SELECT sealed FROM principal WHERE arn = '${APP}') WHERE arn = '${ALICE}'`,
    );
    const altered = `principal ${ALICE} does not verify: it was altered, or belongs to another row or keystore`;
    expect(await problem(open, () => open.store.principals.get(ALICE))).toBe(altered);
    expect(await problem(open, () => open.store.principals.list("", 10))).toBe(altered);
    rows(`DELETE FROM principal WHERE arn = '${ALICE}'`);
    const removed = `principal ${ALICE} does not verify: its row was removed`;
    expect(await problem(open, () => open.store.principals.get(ALICE))).toBe(removed);
    expect(await problem(open, () => open.store.principals.list("", 1))).toBe(removed);
    const again = open.store.write(() => open.store.principals.put(alice));
    expect((await rejection(again)).message).toContain(removed);
    expect(await verifyStore(open.database, open.store, () => undefined)).toEqual([
      { record: `principal ${ALICE}`, problem: "its row was removed" },
    ]);
  });

  it("are noticed when an older one is put back", async () => {
    const open = await setup();
    const old = copyOf(open.path, "principal");
    await open.store.write(() => open.store.principals.put({ ...alice, policies: [] }));
    putBack(open.path, old);
    const named = `principal ${ALICE} does not verify: ${PUT_BACK}`;
    expect(await problem(open, () => open.store.principals.get(ALICE))).toBe(named);
    expect(await verifyStore(open.database, open.store, () => undefined)).toEqual([
      { record: `principal ${ALICE}`, problem: PUT_BACK },
    ]);
  });

  it("are noticed when it was deleted, or is another one of that name", async () => {
    const open = await setup();
    const { path, store } = open;
    const old = copyOf(path, "principal");
    await store.write(() => store.principals.delete(ALICE));
    putBack(path, old);
    const deleted = "it was deleted, and its row was put back";
    expect(await problem(open, () => store.principals.get(ALICE))).toBe(
      `principal ${ALICE} does not verify: ${deleted}`,
    );
    expect(await verifyStore(open.database, store, () => undefined)).toEqual([
      { record: `principal ${ALICE}`, problem: deleted },
    ]);
    attack(path, `DELETE FROM principal WHERE arn = '${ALICE}'`);
    await store.write(() => store.principals.put({ ...alice, userId: newId("user") }));
    putBack(path, old);
    expect(await problem(open, () => store.principals.get(ALICE))).toBe(
      `principal ${ALICE} does not verify: ${PUT_BACK}`,
    );
  });

  it("are found by looking at everything, also by names that no principal has", async () => {
    const open = await setup();
    attack(
      open.path,
      "INSERT INTO principal VALUES ('', x'', ''); INSERT INTO principal VALUES ('ünïcode €', x'', '')",
    );
    const found = await verifyStore(open.database, open.store, () => undefined);
    expect(found).toEqual([
      { record: "principal ", problem: "its row was added" },
      { record: "principal ünïcode €", problem: "its row was added" },
    ]);
    expect(await problem(open, () => open.store.principals.list("", 10))).toBe(
      "a row of the table principal does not verify: it is out of bounds",
    );
  });
});
