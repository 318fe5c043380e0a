/**
 * What can happen to the database under running nodes: it is cut off, killed, replaced by a standby, put back, changed by its
 * administrator. Nothing that was acknowledged is lost, and nothing that was not told as unknown is wrong.
 */
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { startPostgres, type Postgres } from "@env/testkit/postgres";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { tempFolder } from "@env/testkit/folder";
import { createKeystore, openKeystore, type Keystore, type KmsClient } from "../../../src/index.ts";
import { newKey } from "../../support/keystore.ts";

let server: Postgres;
let schemas = 0;
let schema: string;
let root: { keyFile: string };

beforeAll(async () => {
  const started = await startPostgres({ settings: { fsync: "off" } });
  if (typeof started === "string") throw new Error(started);
  server = started;
});
afterAll(() => server.stop());
beforeEach(() => {
  schema = `s${++schemas}`;
  root = { keyFile: `${tempFolder()}/key` };
});

function sql(text: string, on: Postgres = server): string {
  return on.run("psql", "-qtAX", "-v", "ON_ERROR_STOP=1", on.url, "-c", text).trim();
}

/** @param port - Of what stands between. Default: none. */
function urlOf(port?: number): string {
  const url = new URL(server.url);
  if (port !== undefined) url.port = String(port);
  return `${url.href}?schema=${schema}`;
}

async function create(): Promise<{ keystore: Keystore; client: KmsClient }> {
  const keystore = await createKeystore(urlOf(), { root });
  onTestFinished(() => keystore.close());
  return { keystore, client: keystore.as() };
}

async function open(url = urlOf(), busyTimeout = 5000): Promise<Keystore> {
  const keystore = await openKeystore(url, { root, busyTimeout });
  onTestFinished(() => keystore.close());
  return keystore;
}

/** Stands between a node and PostgreSQL. `cut` says what becomes of the next transaction's statement. */
async function between(): Promise<{
  readonly port: number;
  cut: "before" | "after" | undefined;
  isDown: boolean;
}> {
  const state: { port: number; cut: "before" | "after" | undefined; isDown: boolean } = {
    port: 0,
    cut: undefined,
    isDown: false,
  };
  const sockets = new Set<Socket>();
  const proxy = createServer((near) => {
    if (state.isDown) return near.destroy();
    const far = connect(Number(new URL(server.url).port), "127.0.0.1");
    let isCutting = false;
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
    }
    near.on("data", (bytes) => {
      if (state.cut !== undefined && bytes.includes("WITH ")) {
        isCutting = state.cut === "after";
        if (state.cut === "before") {
          state.cut = undefined;
          near.destroy();
          far.destroy();
          return;
        }
        state.cut = undefined;
      }
      far.write(bytes);
    });
    far.on("data", (bytes) => {
      // PostgreSQL answers once it has committed.
      if (isCutting) {
        near.destroy();
        far.destroy();
      } else near.write(bytes);
    });
    near.on("close", () => far.end());
    far.on("close", () => near.end());
    return undefined;
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = proxy.address();
  if (address === null || typeof address === "string") throw new Error("there is no port");
  state.port = address.port;
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  return state;
}

async function sound(keystore: Keystore): Promise<void> {
  expect(await keystore.verify()).toEqual([]);
  expect(await keystore.audit.verify()).toMatchObject({ intact: true });
}

async function names(keystore: Keystore): Promise<string[]> {
  const found: string[] = [];
  for await (const { record } of keystore.audit.query()) found.push(record.eventName);
  return found;
}

describe("a connection that is cut", () => {
  it.each(["before", "after"] as const)(
    "%s a commit makes a change once and answers it",
    async (cut) => {
      const { keystore, client } = await create();
      const KeyId = await newKey(client);
      const line = await between();
      const node = (await open(urlOf(line.port))).as();
      await node.describeKey({ KeyId });
      line.cut = cut;
      await node.createAlias({ AliasName: "alias/once", TargetKeyId: KeyId });
      line.cut = cut;
      await node.generateDataKey({ KeyId, NumberOfBytes: 16 });
      const recorded = await names(keystore);
      for (const name of ["CreateAlias", "GenerateDataKey"]) {
        expect(recorded.filter((one) => one === name)).toHaveLength(1);
      }
      await sound(keystore);
    },
  );

  // Requirements: F26
  it("and does not come back leaves the outcome unknown, and says so", async () => {
    const { keystore, client } = await create();
    const KeyId = await newKey(client);
    const line = await between();
    const node = (await open(urlOf(line.port), 300)).as();
    await node.describeKey({ KeyId });
    line.cut = "after";
    const call = node.createAlias({ AliasName: "alias/unknown", TargetKeyId: KeyId });
    line.isDown = true;
    await expect(call).rejects.toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_UNKNOWN_OUTCOME" });
    await expect(node.describeKey({ KeyId })).rejects.toMatchObject({
      code: "ERR_ENVELOPE_KEYSTORE_BUSY",
    });
    line.isDown = false;
    // It had happened.
    const { KeyMetadata } = await node.describeKey({ KeyId: "alias/unknown" });
    expect(KeyMetadata.KeyId).toBe(KeyId);
    await sound(keystore);
  });
});

describe("a database that is killed under load", () => {
  // Requirements: F23
  it("loses nothing that was acknowledged, and its nodes go on", async () => {
    const { keystore, client } = await create();
    const nodes = [client, (await open(urlOf(), 30_000)).as(), (await open(urlOf(), 30_000)).as()];
    const made: string[] = [];
    const progress = { isOver: false };
    const working = nodes.slice(1).map(async (node, i) => {
      for (let n = 0; !progress.isOver; n++) {
        const { KeyMetadata } = await node.createKey({ Description: `${i} ${n}` });
        made.push(KeyMetadata.KeyId);
        await node.generateDataKey({ KeyId: KeyMetadata.KeyId, NumberOfBytes: 16 });
      }
    });
    for (let kills = 0; kills < 2; kills++) {
      const before = made.length;
      while (made.length < before + 5) await new Promise((resolve) => setTimeout(resolve, 10));
      await server.kill();
      await server.start();
    }
    progress.isOver = true;
    await Promise.all(working);
    const again = await open();
    const keys = new Set<string>();
    for (let Marker: string | undefined, more = true; more;) {
      const page = await again.as().listKeys({ Limit: 1000, ...(Marker && { Marker }) });
      for (const { KeyId } of page.Keys) keys.add(KeyId);
      more = page.Truncated;
      Marker = page.NextMarker;
    }
    // Each key was made once, however often its connection was cut.
    expect([...keys].toSorted()).toEqual(made.toSorted());
    const recorded = await names(keystore);
    expect(recorded.filter((name) => name === "CreateKey")).toHaveLength(made.length);
    await sound(again);
  });
});

describe("a primary that is killed", () => {
  it("is replaced by its synchronous standby, without losing what was acknowledged", async () => {
    const standby = await startPostgres({
      settings: { fsync: "off" },
      fill: (run, folder) => run("pg_basebackup", "-D", folder, "-R", "-d", primary.url),
    });
    if (typeof standby === "string") throw new Error(standby);
    onTestFinished(() => standby.stop());
    sql("ALTER SYSTEM SET synchronous_standby_names = '*'", primary);
    sql("SELECT pg_reload_conf()", primary);
    const hosts = [primary, standby].map(({ url }) => new URL(url).host);
    const url = `postgres://test@${hosts.join(",")}/postgres`;
    const keystore = await createKeystore(url, { root, busyTimeout: 30_000 });
    onTestFinished(() => keystore.close());
    const second = await open(url, 30_000);
    const made: string[] = [];
    const progress = { isOver: false };
    const working = [keystore, second].map(async (node) => {
      while (!progress.isOver) made.push(await newKey(node.as()));
    });
    const reaches = async (count: number): Promise<void> => {
      while (made.length < count) await new Promise((resolve) => setTimeout(resolve, 10));
    };
    await reaches(10);
    await primary.kill();
    standby.run("pg_ctl", "promote", "-w", "-D", standby.folder);
    await reaches(made.length + 10);
    progress.isOver = true;
    await Promise.all(working);
    const recorded = await names(second);
    expect(recorded.filter((name) => name === "CreateKey")).toHaveLength(made.length);
    for (const KeyId of made) await second.as().describeKey({ KeyId });
    await sound(second);
  });

  let primary: Postgres;
  beforeAll(async () => {
    const started = await startPostgres({ settings: { fsync: "off" } });
    if (typeof started === "string") throw new Error(started);
    primary = started;
  });
  afterAll(() => primary.stop());
});

describe("the database's administrator", () => {
  it("cannot edit, remove or exchange a row unnoticed", async () => {
    const { keystore, client } = await create();
    const KeyId = await newKey(client, "alias/a");
    await newKey(client, "alias/b");
    const id = `key ${KeyId} in local`;
    const attacks: readonly (readonly [string, RegExp])[] = [
      [`UPDATE ${schema}.cmk SET deletion = 5 WHERE seq = 1`, /another deletion date/],
      [`DELETE FROM ${schema}.cmk WHERE seq = 1`, /its row was removed/],
      [
        `UPDATE ${schema}.cmk SET sealed = (SELECT sealed FROM ${schema}.cmk WHERE seq = 2) WHERE seq = 1`,
        /it was altered/,
      ],
      [
        `UPDATE ${schema}.alias SET uuid = (SELECT uuid FROM ${schema}.cmk WHERE seq = 2) WHERE name = 'alias/a'`,
        /alias rows that point at it are not those/,
      ],
    ];
    for (const [attack, problem] of attacks) {
      sql(
        `CREATE TABLE ${schema}.copy AS TABLE ${schema}.cmk; CREATE TABLE ${schema}.copy2 AS TABLE ${schema}.alias`,
      );
      sql(attack);
      const findings = await keystore.verify();
      expect(findings.find(({ record }) => record === id)?.problem).toMatch(problem);
      const fresh = await open();
      await expect(fresh.as().describeKey({ KeyId })).rejects.toMatchObject({
        code: "ERR_ENVELOPE_KEYSTORE_FORMAT",
      });
      fresh.close();
      sql(
        `DELETE FROM ${schema}.cmk; INSERT INTO ${schema}.cmk SELECT * FROM ${schema}.copy; DELETE FROM ${schema}.alias; INSERT INTO ${schema}.alias SELECT * FROM ${schema}.copy2; DROP TABLE ${schema}.copy, ${schema}.copy2`,
      );
    }
    await sound(keystore);
  });

  it("cannot keep a change from other nodes by editing the list of changes", async () => {
    const { client } = await create();
    const KeyId = await newKey(client);
    const other = (await open()).as();
    await other.describeKey({ KeyId });
    await client.disableKey({ KeyId });
    sql(`UPDATE ${schema}.change SET keys = '{"state":[[1]],"bucket":[]}'`);
    await expect(other.generateDataKey({ KeyId, NumberOfBytes: 16 })).rejects.toMatchObject({
      code: "ERR_ENVELOPE_KEYSTORE_FORMAT",
    });
  });

  // Requirements: F25
  it("cannot remove records of the log, or the row of a chain", async () => {
    const { keystore, client } = await create();
    const KeyId = await newKey(client);
    const copy = `CREATE TABLE ${schema}.copy AS TABLE ${schema}.chain`;
    sql(copy);
    await client.describeKey({ KeyId });
    sql(`DELETE FROM ${schema}.audit WHERE seq = 1`);
    expect((await keystore.audit.verify()).problems).toMatchObject([{ kind: "missing", first: 1 }]);
    sql(
      `UPDATE ${schema}.chain SET sealed = copy.sealed, commits = copy.commits FROM ${schema}.copy`,
    );
    await expect(client.describeKey({ KeyId })).rejects.toMatchObject({
      code: "ERR_ENVELOPE_KEYSTORE_FORMAT",
    });
  });

  it("cannot restore an older dump under running nodes", async () => {
    const { keystore, client } = await create();
    const KeyId = await newKey(client);
    const dump = `${server.folder}/${schema}.sql`;
    server.run("pg_dump", "-n", schema, "-f", dump, server.url);
    await client.disableKey({ KeyId });
    sql(`DROP SCHEMA ${schema} CASCADE`);
    server.run("psql", "-qX", server.url, "-f", dump);
    const call = client.generateDataKey({ KeyId, NumberOfBytes: 16 });
    await expect(call).rejects.toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_FORMAT" });
    await expect(call).rejects.toThrow("back at its change");
    await expect(keystore.requireReady()).rejects.toThrow("back at its change");
  });
});

describe("a database that cannot be used", () => {
  it("with a role that lacks rights is refused, and one with the least rights works", async () => {
    const { client } = await create();
    const KeyId = await newKey(client);
    const role = `role_${schema}`;
    sql(`CREATE ROLE ${role} LOGIN; GRANT USAGE ON SCHEMA ${schema} TO ${role}`);
    const url = urlOf().replace("test@", `${role}@`);
    await expect(openKeystore(url, { root })).rejects.toThrow("the role may not do this");
    sql(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${role}`);
    const node = (await open(url)).as();
    await node.disableKey({ KeyId });
    await expect(client.generateDataKey({ KeyId, NumberOfBytes: 16 })).rejects.toThrow("disabled");
  });

  it("that is read-only is not used, and used once it is not", async () => {
    const { client } = await create();
    const KeyId = await newKey(client);
    const role = `reader_${schema}`;
    sql(`CREATE ROLE ${role} LOGIN SUPERUSER`);
    sql(`ALTER ROLE ${role} SET default_transaction_read_only = on`);
    const url = urlOf().replace("test@", `${role}@`);
    const opened = openKeystore(url, { root, busyTimeout: 300 });
    await expect(opened).rejects.toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_BUSY" });
    await expect(opened).rejects.toThrow("it takes no changes");
    sql(`ALTER ROLE ${role} RESET default_transaction_read_only`);
    await (await open(url)).as().describeKey({ KeyId });
  });

  it.each([
    [() => `${server.url}?schema=nothing`, "ERR_ENVELOPE_KEYSTORE_FORMAT", "holds no keystore"],
    [() => server.url.replace(/postgres$/, "none"), "ERR_ENVELOPE_KEYSTORE_IO", "no such database"],
    [() => "postgres://127.0.0.1:1/none", "ERR_ENVELOPE_KEYSTORE_BUSY", "cannot be reached"],
  ])("is told apart: %#", async (url, code, problem) => {
    const opened = openKeystore(url(), { root, busyTimeout: 100 });
    await expect(opened).rejects.toMatchObject({ code });
    await expect(opened).rejects.toThrow(problem);
  });

  // Requirements: F22
  it("ends the calls that wait when it is closed", async () => {
    const { client } = await create();
    const keystore = await open();
    const reading = keystore.as().listKeys();
    keystore.close();
    await expect(reading).rejects.toMatchObject({ code: "ERR_ENVELOPE_CLOSED" });
    expect((await client.listKeys()).Keys).toEqual([]);
  });

  it("of another version is refused, and a keystore is not overwritten", async () => {
    await create();
    await expect(
      createKeystore(urlOf(), { root: { keyFile: `${root.keyFile}2` } }),
    ).rejects.toThrow("there is a keystore");
    sql(`UPDATE ${schema}.keystore SET version = 2`);
    await expect(openKeystore(urlOf(), { root })).rejects.toThrow(
      "format version 2; this build reads version 1",
    );
  });
});

describe("a chain of the audit log", () => {
  it("is continued by the next process, and taken over from one that is gone", async () => {
    const { keystore, client } = await create();
    const KeyId = await newKey(client);
    sql(`UPDATE ${schema}.chain SET touched = now() - interval '61 seconds'`);
    const other = await open();
    await other.as().describeKey({ KeyId });
    // The first process notices, and begins another chain.
    await client.describeKey({ KeyId });
    expect(sql(`SELECT count(*) FROM ${schema}.chain`)).toBe("2");
    expect(await names(keystore)).toEqual(["CreateKey", "DescribeKey", "DescribeKey"]);
    await sound(keystore);
  });

  it("is merged with the others where the log is followed, and anchored with them", async () => {
    const { keystore, client } = await create();
    const other = await open();
    const KeyId = await newKey(client);
    await other.as().describeKey({ KeyId });
    const anchor = await other.audit.anchor();
    const seen: string[] = [];
    for await (const { record } of keystore.audit.tail({ after: 0 })) {
      if (seen.push(record.eventName) === 3) break;
    }
    expect(seen).toEqual(["CreateKey", "DescribeKey", "AnchorAuditLog"]);
    expect(await keystore.audit.verify({ anchor })).toMatchObject({
      anchor: "confirmed",
      intact: true,
    });
    sql(`UPDATE ${schema}.audit SET sealed = sealed || '\\x00' WHERE seq = 1`);
    expect(await other.audit.verify({ anchor })).toMatchObject({ intact: false });
  });
});
