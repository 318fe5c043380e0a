import { copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { PassThrough } from "node:stream";
import { createKeystore, generateRootKey, moveKeystore, openKeystore } from "@env/kms";
import { tempFolder } from "@env/testkit/folder";
import { startPostgres } from "@env/testkit/postgres";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { capture, ended, project, start } from "../support/command.ts";
import { ACCOUNT, populated, type Populated } from "../support/principals.ts";
import { interrupted } from "../../src/errors.ts";
import { main } from "../../src/main.ts";

/** Six records: CreateKey, CreateAlias, three PutPrincipal, and eve, who is refused. */
async function used(): Promise<Populated> {
  const env = await populated();
  using keystore = await env.open();
  const eve = keystore.as(`arn:aws:iam::${ACCOUNT}:user/eve`);
  await eve.describeKey({ KeyId: "alias/app" }).catch(() => undefined);
  return env;
}

const numbers = (stdout: Buffer): number[] =>
  stdout
    .toString()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line).sequence);

function tamper({ path }: Populated, sql: string): void {
  const database = new DatabaseSync(path("dev.kms"));
  database.exec(sql);
  database.close();
}

describe("envelope audit tail", () => {
  it("shows the latest records, in lines for people", async () => {
    const { run } = await used();
    const { code, stdout, stderr } = await run(["audit", "tail", "-n", "2"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = stdout.toString().trimEnd().split("\n");
    expect(lines).toHaveLength(2);
    expect(lines[1]).toMatch(
      /^\S+Z {2}6 +DescribeKey +user\/eve +key\/\S+ +AccessDeniedException {2}explicit-deny: identity policy "no", statement 1$/,
    );
  });

  it.each([
    [[], [1, 2, 3, 4, 5, 6]],
    [
      ["-n", "3"],
      [4, 5, 6],
    ],
    [
      ["-n", "99"],
      [1, 2, 3, 4, 5, 6],
    ],
    [["-n", "0"], []],
  ])("with %j shows the records %j", async (args, expected) => {
    const { run } = await used();
    const { code, stdout } = await run(["audit", "tail", ...args, "--json"]);
    expect({ code, numbers: numbers(stdout) }).toEqual({ code: 0, numbers: expected });
  });

  it("shows no part of them for all when it is interrupted", async () => {
    const { run } = await used();
    const signal = AbortSignal.abort(interrupted());
    expect(await run(["audit", "tail"], { signal })).toMatchObject({ code: 130 });
    expect(await run(["audit", "tail", "-f"], { signal })).toMatchObject({ code: 0 });
  });

  it("refuses a value that is not a number", async () => {
    const { run } = await populated();
    for (const lines of ["-1", "x", "1.5", ""]) {
      expect(await run(["audit", "tail", "-n", lines])).toMatchObject({ code: 2 });
    }
  });

  it("follows what others write, and ends with 0 and without a word when it is interrupted", async () => {
    const env = await used();
    const controller = new AbortController();
    const [stdout, stderr] = [new PassThrough(), capture()];
    const lines: string[] = [];
    const followed = main(
      ["audit", "tail", "-f", "-n", "1", "--json", "--keystore", env.path("dev.kms")],
      {
        stdin: new PassThrough(),
        stdout,
        stderr: stderr.stream,
        signal: controller.signal,
      },
    );
    await once(stdout, "data").then(([line]) => lines.push(String(line)));
    const next = once(stdout, "data").then(([line]) => lines.push(String(line)));
    {
      using keystore = await env.open();
      await keystore.as().generateRandom({ NumberOfBytes: 1 });
    }
    await next;
    controller.abort(new Error("interrupted"));
    expect(await followed).toBe(0);
    expect(stderr.bytes().toString()).toBe("");
    expect(lines.map((line) => JSON.parse(line).eventName)).toEqual([
      "DescribeKey",
      "GenerateRandom",
    ]);
  });

  it("ends quietly on Ctrl-C and when its reader goes", async () => {
    const env = await used();
    const child = start(["audit", "tail", "-f", "--keystore", "dev.kms"], env.folder);
    const end = ended(child);
    await once(child.stdout ?? child, "data");
    child.kill("SIGINT");
    expect(await end).toMatchObject({ code: 0, signal: null, stderr: "" });

    const piped = start(["audit", "tail", "-f", "--keystore", "dev.kms"], env.folder);
    const broken = ended(piped);
    await once(piped.stdout ?? piped, "data");
    piped.stdout?.destroy();
    // A closed pipe shows when something is written to it.
    using keystore = await env.open();
    await keystore.as().generateRandom({ NumberOfBytes: 1 });
    expect(await broken).toMatchObject({ code: 0, signal: null, stderr: "" });
  });
});

describe("envelope audit query", () => {
  it.each([
    [[], [1, 2, 3, 4, 5, 6]],
    [["--operation", "CreateKey"], [1]],
    [
      ["--operation", "kms:createkey", "--operation", "describekey"],
      [1, 6],
    ],
    [["--outcome", "refused"], [6]],
    [["--outcome", "succeeded", "--operation", "CreateAlias"], [2]],
    [["--principal", "user/eve"], [6]],
    [
      ["--principal", `arn:aws:iam::${ACCOUNT}:root`],
      [1, 2, 3, 4, 5],
    ],
    [
      ["--key", "alias/app"],
      [1, 2, 6],
    ],
    [["--key", `arn:aws:kms:local:${ACCOUNT}:alias/app`], [2]],
    [
      ["--since", "1h"],
      [1, 2, 3, 4, 5, 6],
    ],
    [["--until", "1h"], []],
    [["--since", "2999-01-01"], []],
    [["--key", "01234567-89ab-cdef-0123-456789abcdef"], []],
  ])("with %j finds the records %j", async (args, expected) => {
    const { run } = await used();
    const { code, stdout } = await run(["audit", "query", ...args, "--json"]);
    expect({ code, numbers: numbers(stdout) }).toEqual({ code: 0, numbers: expected });
  });

  it("finds records by the id of a key", async () => {
    const { run } = await used();
    const { stdout } = await run(["keys", "show", "alias/app", "--json"]);
    const { keyId } = JSON.parse(stdout.toString());
    const found = await run(["audit", "query", "--key", keyId, "--outcome", "refused", "--json"]);
    expect(numbers(found.stdout)).toEqual([6]);
  });

  it("reports on stderr that there is none, separately from the results", async () => {
    const { run } = await used();
    const { code, stdout, stderr } = await run(["audit", "query", "--operation", "Sign"]);
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({
      code: 0,
      stdout: "",
      stderr: "no matching records\n",
    });
  });

  it.each([
    [["--since", "yesterday"], 2],
    [["--key", "app"], 2],
    [["--outcome", "maybe"], 2],
    [["--key", "alias/none"], 4],
  ])("refuses %j", async (args, code) => {
    const { run } = await populated();
    expect(await run(["audit", "query", ...args])).toMatchObject({
      code,
      stderr: expect.stringMatching(/^error: /),
    });
  });

  it("leaves no record of itself", async () => {
    const { run } = await used();
    await run(["audit", "query", "--key", "alias/app"]);
    const { stdout } = await run(["audit", "tail", "--json"]);
    expect(numbers(stdout)).toHaveLength(6);
  });

  it("stops at a record that was altered", async () => {
    const env = await used();
    tamper(env, "UPDATE audit SET sealed = zeroblob(100) WHERE seq = 3");
    const { code, stdout, stderr } = await env.run(["audit", "query", "--json"]);
    expect({ code, numbers: numbers(stdout) }).toEqual({ code: 6, numbers: [1, 2] });
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: "ERR_ENVELOPE_KEYSTORE_FORMAT" } });
  });

  it("stops when it is interrupted", async () => {
    const env = await used();
    const { code, stdout } = await env.run(["audit", "query"], {
      signal: AbortSignal.abort(interrupted()),
    });
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 130, stdout: "" });
  });
});

describe("envelope audit verify", () => {
  const anchorOf = (stdout: Buffer): string =>
    /^anchor {2}(\S+)$/m.exec(stdout.toString())?.[1] ?? "";

  it("says ok with number and span, and shows an anchor", async () => {
    const { run } = await used();
    const { code, stdout, stderr } = await run(["audit", "verify"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.toString()).toMatch(
      /^ok {2}6 records, numbers 1 to 6\nanchor {2}6:[0-9a-f]{64}\n$/,
    );
  });

  it.each([
    ["DELETE FROM audit WHERE seq = 3", "missing", 3],
    ["UPDATE audit SET sealed = zeroblob(100) WHERE seq = 2", "altered", 2],
    [
      "UPDATE audit SET (time, sealed) = (SELECT time, sealed FROM audit WHERE seq = 4) WHERE seq = 5",
      "moved",
      5,
    ],
    ["INSERT INTO audit SELECT 99, time, sealed FROM audit WHERE seq = 5", "unexpected", 99],
  ])("after %s names what is %s, and ends with 9", async (sql, kind, record) => {
    const env = await used();
    tamper(env, sql);
    const { code, stdout, stderr } = await env.run(["audit", "verify"]);
    expect({ code, stderr }).toEqual({ code: 9, stderr: "" });
    expect(stdout.toString()).toMatch(
      new RegExp(`^not ok {2}record ${record}: .* \\(${kind}\\)\\n$`),
    );
  });

  it("names the first of several problems, and all of them with --json", async () => {
    const env = await used();
    tamper(env, "DELETE FROM audit WHERE seq IN (2, 4)");
    const { stdout } = await env.run(["audit", "verify"]);
    expect(stdout.toString()).toMatch(/^not ok {2}record 2: .*\n1 more, shown with --json\n$/);
    const { code, stdout: json } = await env.run(["audit", "verify", "--json"]);
    expect(code).toBe(9);
    expect(JSON.parse(json.toString())).toMatchObject({
      intact: false,
      problems: [
        { kind: "missing", first: 2, last: 2 },
        { kind: "missing", first: 4, last: 4 },
      ],
    });
  });

  it("confirms an anchor, and finds by it that the whole file is an older one", async () => {
    const env = await used();
    const before = tempFolder();
    copyFileSync(env.path("dev.kms"), `${before}/dev.kms`);
    await env.run(["keys", "create"]);
    const anchor = anchorOf((await env.run(["audit", "verify"])).stdout);
    expect(anchor).toMatch(/^7:/);

    const confirmed = await env.run(["audit", "verify", "--anchor", anchor]);
    expect({ code: confirmed.code, stdout: confirmed.stdout.toString() }).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("the given anchor: confirmed\n"),
    });
    copyFileSync(`${before}/dev.kms`, env.path("dev.kms"));
    expect(await env.run(["audit", "verify"])).toMatchObject({ code: 0 });
    const older = await env.run(["audit", "verify", "--anchor", anchor]);
    expect({ code: older.code, stdout: older.stdout.toString() }).toMatchObject({
      code: 9,
      stdout: expect.stringMatching(/^not ok {2}.* \(anchor\)\n/),
    });
  });

  it("takes an anchor of its own command", async () => {
    const { run } = await used();
    const { code, stdout } = await run(["audit", "anchor"]);
    expect(code).toBe(0);
    const anchor = stdout.toString().trimEnd();
    expect(anchor).toMatch(/^6:[0-9a-f]{64}$/);
    const [sequence, digest] = anchor.split(":");
    expect(JSON.parse((await run(["audit", "anchor", "--json"])).stdout.toString())).toEqual({
      sequence: Number(sequence),
      digest,
    });
    expect(await run(["audit", "verify", "--anchor", anchor])).toMatchObject({ code: 0 });
  });

  it("refuses a value that is not an anchor", async () => {
    const { run } = await populated();
    expect(await run(["audit", "verify", "--anchor", "6:abc"])).toMatchObject({ code: 2 });
  });
});

describe("envelope audit prune", () => {
  it("keeps the requested number of records, and the log still verifies", async () => {
    const { run } = await project();
    for (let i = 0; i < 5; i++) await run(["keys", "list"]);
    const { code, stdout } = await run(["audit", "prune", "--keep-records", "3", "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout.toString())).toMatchObject({
      removed: expect.toSatisfy((number: number) => number > 3),
      archives: [],
    });
    expect((await run(["audit", "verify"])).stdout.toString()).toMatch(/^ok .*were pruned$/ms);
  });

  it("archives what it removes", async () => {
    const { run, folder, path } = await project();
    await run(["keys", "list"]);
    mkdirSync(path("archive"));
    const args = ["audit", "archive", path("archive"), "--keep-records", "1"];
    const { code, stdout } = await run([...args, "--json"]);
    expect(code).toBe(0);
    const { removed, archives } = JSON.parse(stdout.toString());
    expect(archives).toEqual([expect.stringContaining(join(folder, "archive"))]);
    const { Records } = JSON.parse(readFileSync(archives[0], "utf8"));
    expect(Records).toHaveLength(removed);
  });

  it.each([
    [["prune", "--keep-days", "0"]],
    [["prune", "--keep-records", "-1"]],
    [["archive", "."]],
    [["archive", ".", "--keep-days", "x"]],
  ])("removes nothing for %j", async (args) => {
    const { run } = await project();
    const before = await run(["audit", "verify"]);
    expect((await run(["audit", ...args])).code).toBe(2);
    expect((await run(["audit", "verify"])).stdout).toEqual(before.stdout);
  });
});

describe("envelope audit on a log of several chains", () => {
  it("shows one log, verifies all chains, and anchors them", async ({ skip }) => {
    const server = await startPostgres({ settings: { fsync: "off" } });
    if (typeof server === "string") return skip(server);
    onTestFinished(() => server.stop());
    onTestFinished(() => void vi.unstubAllEnvs());
    vi.stubEnv("ENVELOPE_ROOT_KEY", generateRootKey());
    const env = await project();
    const root = { environment: "ENVELOPE_ROOT_KEY" };
    const first = await createKeystore(server.url, { root });
    const { KeyMetadata } = await first.as().createKey();
    const { KeyId } = KeyMetadata;
    const nodes = [first, await openKeystore(server.url, { root })];
    for (let i = 0; i < 3; i++) {
      for (const node of nodes) await node.as().generateDataKey({ KeyId, NumberOfBytes: 16 });
    }
    for (const node of nodes) node.close();

    const audit = async (at: string, ...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await env.run(["audit", "--keystore", at, ...args]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      return stdout.toString();
    };
    const operations = (text: string): string[] =>
      text
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).eventName);
    const expected = ["CreateKey", ...Array.from({ length: 6 }, () => "GenerateDataKey")];
    expect(operations(await audit(server.url, "query", "--json"))).toEqual(expected);
    expect(operations(await audit(server.url, "tail", "-n", "4", "--json"))).toEqual(
      expected.slice(-4),
    );
    const second = 2 ** 36;
    const verified = await audit(server.url, "verify");
    expect(verified).toMatch(
      new RegExp(
        `^ok {2}7 records in 2 chains\nchain 0 {2}4 records, numbers 1 to 4\nchain 1 {2}3 records, numbers ${second + 1} to ${second + 3}\nanchor {2}[0-9]+:[0-9a-f]{64}\n$`,
      ),
    );
    const anchor = (await audit(server.url, "anchor")).trimEnd();
    expect(await audit(server.url, "verify", "--anchor", anchor)).toContain("anchor: confirmed");

    // Back in a file, the chains are the same, and pruned.
    const path = env.path("back.kms");
    await moveKeystore(server.url, path, { root });
    expect(await audit(path, "verify", "--anchor", anchor)).toContain("anchor: confirmed");
    await audit(path, "prune", "--keep-records", "2");
    const pruned = await audit(path, "verify", "--anchor", anchor);
    expect(pruned).toMatch(/^ok {2}4 records in 2 chains$/m);
    expect(pruned).toContain(`the records of chain 1 up to ${second + 1} were pruned`);
    return undefined;
  });
});
