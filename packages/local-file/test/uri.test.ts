import { existsSync, mkdirSync, readdirSync, renameSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { Cmk, openCmk } from "@env/core";
import { MemoryKms } from "@env/core/testing";
import { createKeystore, generateRootKey, openKeystore, type AuditRecord } from "@env/kms";
import { rejection } from "@env/testkit/refusal";
import { until } from "@env/testkit/turns";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openLocalFile } from "../src/index.ts";
import { keystorePath, parseLocalFileUri } from "../src/uri.ts";
import { tempKeystore } from "./support/keystore.ts";

const context = { tenant: "acme" };

afterEach(() => {
  vi.unstubAllEnvs();
});

it("a URL of PostgreSQL stays as it is, and must not have a password", () => {
  const url = "postgres://kms@one:5432,two:5432/keys?schema=a";
  expect(keystorePath(url, "/etc")).toBe(url);
  expect(keystorePath("keys.kms", "/etc")).toBe("/etc/keys.kms");
  for (const secret of ["kms:secret@one/keys", "one/keys?sslmode=require&password=secret"]) {
    expect(() => keystorePath(`postgres://${secret}`, "/etc")).toThrow("PGPASSWORD");
  }
});

it.each([
  ["keystore:./dev.kms?key=alias/app", { path: "./dev.kms", key: "alias/app" }],
  ["local-file:./dev.kms?key=alias/app", { path: "./dev.kms", key: "alias/app" }],
  ["local-file:dev.kms?key=alias%2Fapp", { path: "dev.kms", key: "alias/app" }],
  ["local-file:/var/lib/app.kms?key=x", { path: "/var/lib/app.kms", key: "x" }],
  ["local-file:///var/lib/app.kms?key=x", { path: "/var/lib/app.kms", key: "x" }],
  [
    "local-file:postgres://kms@one,two/keys%3Fschema=a%26sslmode=verify-full?key=x",
    { path: "postgres://kms@one,two/keys?schema=a&sslmode=verify-full", key: "x" },
  ],
  ["local-file:a%20b%3F%23%25.kms?key=x", { path: "a b?#%.kms", key: "x" }],
  ["local-file:dev.kms?key=a=b", { path: "dev.kms", key: "a=b" }],
  [
    "local-file:dev.kms?key=arn:aws:kms:local:000000000000:alias/app",
    { path: "dev.kms", key: "arn:aws:kms:local:000000000000:alias/app" },
  ],
  [
    "local-file:dev.kms?key=alias/app&principal=user/alice",
    { path: "dev.kms", key: "alias/app", principal: "user/alice" },
  ],
  [
    "local-file:dev.kms?key=x&readOnly=true&audit=stderr&patchedSqlite=false",
    { path: "dev.kms", key: "x", readOnly: true, audit: "stderr", patchedSqlite: false },
  ],
  [
    "local-file:dev.kms?key=x&auditMaxRecords=1000&auditMaxAgeDays=90&auditArchive=./old%26new",
    {
      path: "dev.kms",
      key: "x",
      auditMaxRecords: 1000,
      auditMaxAgeDays: 90,
      auditArchive: "./old&new",
    },
  ],
])("reads %s", (uri, expected) => {
  expect(parseLocalFileUri(uri)).toEqual(expected);
});

it.each([
  ["file:SECRET.kms?key=x", "it must start with local-file:"],
  ["LOCAL-FILE:SECRET.kms?key=x", "it must start with local-file:"],
  ["local-file:SECRET.kms", "the key is missing; append ?key=alias/name or ?key=<key id>"],
  ["local-file:SECRET.kms?", "the key is missing; append ?key=alias/name or ?key=<key id>"],
  ["local-file:SECRET.kms?key", "the key is missing; append ?key=alias/name or ?key=<key id>"],
  ["local-file:SECRET.kms?key=", "the key is missing; append ?key=alias/name or ?key=<key id>"],
  ["local-file:?key=SECRET", "the path is missing"],
  [
    "local-file:dev.kms?key=x&passphrase=SECRET",
    "it has an unknown parameter; known are key, principal, readOnly, audit, auditMaxRecords, auditMaxAgeDays, auditArchive, patchedSqlite",
  ],
  [
    "local-file:dev.kms?SECRET",
    "it has an unknown parameter; known are key, principal, readOnly, audit, auditMaxRecords, auditMaxAgeDays, auditArchive, patchedSqlite",
  ],
  ["local-file:dev.kms?key=x&key=SECRET", "key is given twice"],
  [
    "local-file:dev.kms?Key=SECRET",
    "it has an unknown parameter; known are key, principal, readOnly, audit, auditMaxRecords, auditMaxAgeDays, auditArchive, patchedSqlite",
  ],
  ["local-file:dev.kms?key=x?SECRET", "it has more than one question mark; write %3F in a path"],
  ["local-file:dev.kms?key=x#SECRET", "it has a fragment; write %23 in a path"],
  [
    "local-file://me:SECRET@host/dev.kms?key=x",
    "it has a host or credentials; write local-file:./path or local-file:/path",
  ],
  ["local-file:%E0%A4SECRET.kms?key=x", "the path has a malformed percent-encoding"],
  ["local-file:dev.kms?key=%SECRET", "the key has a malformed percent-encoding"],
  ["local-file:dev.kms?key=x&principal=", "principal is empty"],
  [
    "local-file:dev.kms?key=x&principal=group/SECRET",
    "principal must be an ARN, user/name, role/name or root",
  ],
  ["local-file:dev.kms?key=x&readOnly=SECRET", "readOnly must be true or false"],
  ["local-file:dev.kms?key=x&readOnly=true&audit=SECRET", "audit must be none or stderr"],
  [
    "local-file:dev.kms?key=x&readOnly=true",
    "readOnly=true needs audit=none or audit=stderr, since nothing can be recorded in the file",
  ],
  ["local-file:dev.kms?key=x&audit=none", "audit is only for readOnly=true"],
  [
    "local-file:dev.kms?key=x&readOnly=true&audit=none&auditMaxRecords=1",
    "a keystore with readOnly=true keeps no records; leave out the limits of its audit log",
  ],
  [
    "local-file:dev.kms?key=x&auditMaxRecords=0",
    "auditMaxRecords must be a whole number from 1 to 999999999999",
  ],
  [
    "local-file:dev.kms?key=x&auditMaxAgeDays=1e3",
    "auditMaxAgeDays must be a whole number from 1 to 36500",
  ],
  [
    "local-file:dev.kms?key=x&auditArchive=SECRET",
    "auditArchive needs auditMaxRecords or auditMaxAgeDays",
  ],
  ["local-file:dev.kms?key=x&principal=root&principal=root", "principal is given twice"],
  ["local-file:SECRET%00.kms?key=x", "the path contains a NUL character"],
])("refuses %s without repeating it", async (uri, problem) => {
  const error = await rejection(openLocalFile(uri));
  expect(error).toMatchObject({
    code: "ERR_ENVELOPE_CONFIG",
    message: `local-file URI: ${problem}`,
  });
  expect(error).not.toHaveProperty("cause");
});

describe("openLocalFile", () => {
  it("opens by a path relative to the base directory, and refuses calls once closed", async () => {
    const { path, keyId } = await tempKeystore();
    const baseDirectory = dirname(path);
    const cmk = await openLocalFile("local-file:./dev.kms?key=alias/app", { baseDirectory });
    const { entry } = await cmk.generateDataKey({ context });
    expect(entry.keyId).toBe(keyId);
    await cmk.close();
    await cmk.close();
    expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject({
      code: "ERR_ENVELOPE_CLOSED",
    });
  });

  it("leaves the file to nobody once closed", async () => {
    const { folder } = await tempKeystore();
    const path = join(folder, "alone.kms");
    (await createKeystore(path, { root: { keyFile: `${path}.key` } })).close();
    const cmk = await openLocalFile(`local-file:${path}?key=alias/app`);
    // SQLite removes its log when the last connection closes.
    expect(existsSync(`${path}-wal`)).toBe(true);
    await cmk.close();
    expect(existsSync(`${path}-wal`)).toBe(false);
  });

  it("starts from the working directory otherwise", async () => {
    const { path } = await tempKeystore();
    const written = relative(process.cwd(), path);
    await using cmk = await openLocalFile(`local-file:${written}?key=alias/app`);
    expect(cmk.keyId).toBe("alias/app");
  });

  it("opens through openCmk", async () => {
    const { path } = await tempKeystore();
    const openers = { "local-file": openLocalFile };
    const baseDirectory = dirname(path);
    const uri = "local-file:dev.kms?key=alias/app";
    await using cmk = await openCmk(uri, openers, { baseDirectory });
    expect(cmk.provider).toBe("local-file");
  });

  it("decodes the path", async () => {
    const { folder } = await tempKeystore();
    mkdirSync(join(folder, "a b?"));
    const path = join(folder, "a b?", "100%.kms");
    using keystore = await createKeystore(path, { root: { keyFile: `${path}.key` } });
    const { KeyMetadata } = await keystore.as().createKey();
    const uri = `local-file:${folder}/a%20b%3F/100%25.kms?key=${KeyMetadata.KeyId}`;
    await using cmk = await openLocalFile(uri);
    expect((await cmk.generateDataKey({ context })).keyVersion).toBe("1");
  });

  it("tells a missing keystore and a missing key apart, each when it can", async () => {
    const { folder } = await tempKeystore();
    const none = openLocalFile("local-file:none.kms?key=x", { baseDirectory: folder });
    expect(await rejection(none)).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_IO" });
    await using cmk = await openLocalFile("local-file:dev.kms?key=alias/none", {
      baseDirectory: folder,
    });
    expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject({
      code: "ERR_ENVELOPE_KMS_KEY_NOT_FOUND",
    });
  });

  it.each(["user/alice", "arn:aws:iam::000000000000:user/alice"])(
    "makes its calls as %s where the URI names that principal",
    async (principal) => {
      const { path, keystore } = await tempKeystore();
      const arn = "arn:aws:iam::000000000000:user/alice";
      const uri = `local-file:${path}?key=alias/app`;
      await using alice = await openLocalFile(`${uri}&principal=${principal}`);
      expect(await rejection(alice.generateDataKey({ context }))).toMatchObject({
        code: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
      });
      const statement = { Effect: "Allow", Action: "kms:GenerateDataKey", Resource: "*" };
      const text = JSON.stringify({ Version: "2012-10-17", Statement: statement });
      await keystore.iam.put({ arn, policies: [{ name: "app", text }] });
      (await alice.generateDataKey({ context })).dataKey[Symbol.dispose]();
      const { entries } = await keystore.audit.page({ principal: arn });
      expect(entries.map(({ record }) => record.errorCode)).toEqual([
        "AccessDeniedException",
        undefined,
      ]);
      await using root = await openLocalFile(uri);
      (await root.generateDataKey({ context })).dataKey[Symbol.dispose]();
    },
  );

  it("opens a keystore read-only, with its records on stderr", async () => {
    const { path, keyId } = await tempKeystore();
    const lines: string[] = [];
    const write = vi.spyOn(process.stderr, "write").mockImplementation((...call: unknown[]) => {
      const [text, done] = call;
      lines.push(String(text));
      if (typeof done === "function") done();
      return true;
    });
    await using cmk = await openLocalFile(
      `local-file:${path}?key=alias/app&readOnly=true&audit=stderr`,
    );
    const { entry, dataKey } = await cmk.generateDataKey({ context });
    dataKey[Symbol.dispose]();
    write.mockRestore();
    expect(entry.keyId).toBe(keyId);
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ eventName: "GenerateDataKey" });
  });

  it("limits the audit log, with an archive beside the keystore", async () => {
    const { path, folder, client, keyId: KeyId } = await tempKeystore();
    for (let i = 0; i < 20; i++) await client.describeKey({ KeyId });
    mkdirSync(join(folder, "archive"));
    const uri = `local-file:${path}?key=alias/app&auditMaxRecords=10&auditArchive=archive`;
    await using cmk = await openLocalFile(uri, { baseDirectory: folder });
    (await cmk.generateDataKey({ context })).dataKey[Symbol.dispose]();
    const archived = (): string[] =>
      readdirSync(join(folder, "archive")).filter((name) => name.endsWith(".json"));
    await until(() => archived().length > 0);
    expect(archived()).toHaveLength(1);
  });

  it("takes options instead of what the URI says", async () => {
    const { path } = await tempKeystore();
    const uri = `local-file:${path}?key=alias/app&readOnly=true&audit=stderr`;
    const sink = vi.fn<(record: AuditRecord) => void>();
    await using cmk = await openLocalFile(uri, { audit: { sink } });
    (await cmk.generateDataKey({ context })).dataKey[Symbol.dispose]();
    expect(sink).toHaveBeenCalledOnce();
  });

  it("passes alsoUnwrap on", async () => {
    const { path, client, keyId } = await tempKeystore();
    const uri = `local-file:${path}?key=alias/app`;
    await using writer = await openLocalFile(uri);
    const { entry } = await writer.generateDataKey({ context });
    const { KeyMetadata } = await client.createKey();
    await client.updateAlias({ AliasName: "alias/app", TargetKeyId: KeyMetadata.KeyId });
    await using reader = await openLocalFile(uri, { alsoUnwrap: [keyId] });
    using dataKey = await reader.unwrapDataKey(entry, { context });
    expect(dataKey.use((bytes) => bytes.length)).toBe(32);
  });
});

describe("the root key", () => {
  const open = async (path: string): Promise<string> => {
    await using cmk = await openLocalFile(`local-file:${path}?key=alias/app`);
    const { entry } = await cmk.generateDataKey({ context });
    return entry.provider;
  };

  it("is in <path>.key", async () => {
    const { path } = await tempKeystore();
    expect(await open(path)).toBe("local-file");
    renameSync(`${path}.key`, `${path}.elsewhere`);
    expect(await rejection(open(path))).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_ROOT_KEY" });
    const root = { keyFile: `${path}.elsewhere` };
    await using cmk = await openLocalFile(`local-file:${path}?key=alias/app`, { root });
    expect(cmk.provider).toBe("local-file");
  });

  it("is in ENVELOPE_ROOT_KEY", async () => {
    vi.stubEnv("ENVELOPE_ROOT_KEY", generateRootKey());
    const { path } = await tempKeystore({ environment: "ENVELOPE_ROOT_KEY" });
    expect(await open(path)).toBe("local-file");
    vi.stubEnv("ENVELOPE_ROOT_KEY", undefined);
    const error = await rejection(open(path));
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_ROOT_KEY" });
    expect(error.message).toContain("ENVELOPE_ROOT_KEY");
  });

  it("is sealed under the passphrase in ENVELOPE_PASSPHRASE", async () => {
    const { path } = await tempKeystore({ passphrase: "correct horse", scryptN: 2 ** 15 });
    const error = await rejection(open(path));
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_ROOT_KEY" });
    expect(error.message).toContain("ENVELOPE_PASSPHRASE");
    vi.stubEnv("ENVELOPE_PASSPHRASE", "correct horse");
    expect(await open(path)).toBe("local-file");
    vi.stubEnv("ENVELOPE_PASSPHRASE", "battery staple");
    expect(await rejection(open(path))).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_ROOT_KEY" });
  });

  it("must be given where a CMK holds it", async () => {
    const kms = new MemoryKms();
    const root = { cmk: new Cmk(kms.driver(kms.createKey())) };
    const { path } = await tempKeystore(root);
    expect(await rejection(open(path))).toMatchObject({ code: "ERR_ENVELOPE_CONFIG" });
    await using cmk = await openLocalFile(`local-file:${path}?key=alias/app`, { root });
    expect((await cmk.generateDataKey({ context })).keyVersion).toBe("1");
    using keystore = await openKeystore(path, { root });
    expect(keystore.facts.rootKind).toBe("cmk");
  });
});
