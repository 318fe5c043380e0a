import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { startS3Server, type S3Server } from "@env/test-servers/s3";
import { pattern } from "@env/testkit/bytes";
import { beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { project } from "../support/command.ts";

const context = ["--context", "tenant=acme"];
let server: S3Server;
let env: Awaited<ReturnType<typeof project>>;

beforeEach(async () => {
  server = await startS3Server({ buckets: ["reports"] });
  onTestFinished(() => server.close());
  vi.stubEnv("AWS_ACCESS_KEY_ID", "test");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", "test");
  vi.stubEnv("AWS_REGION", "us-east-1");
  vi.stubEnv("AWS_ENDPOINT_URL_S3", server.url);
  onTestFinished(() => void vi.unstubAllEnvs());
  env = await project();
});

const s3 = (...args: string[]): ReturnType<typeof env.run> => env.run(["s3", ...args]);

describe("envelope s3 cp", () => {
  it.each(["metadata", "sidecar", "inline"])(
    "encrypts a file, with placement %s, and decrypts it",
    async (placement) => {
      const bytes = pattern(200_000);
      writeFileSync(env.path("a.bin"), bytes);
      const up = await s3(
        "cp",
        ...context,
        "--placement",
        placement,
        env.path("a.bin"),
        "s3://reports/x/a.bin",
        "--json",
      );
      expect(up).toMatchObject({ code: 0, stderr: "" });
      expect(JSON.parse(up.stdout.toString())).toMatchObject({
        to: "s3://reports/x/a.bin",
        placement,
      });
      expect(
        server.object("reports", "x/a.bin")?.body.includes(Buffer.from(bytes.subarray(0, 99))),
      ).toBe(false);
      const down = await s3("cp", ...context, "s3://reports/x/a.bin", env.path("b.bin"));
      expect(down.code).toBe(0);
      expect(Buffer.compare(readFileSync(env.path("b.bin")), bytes)).toBe(0);
    },
  );

  it("reads stdin and writes stdout", async () => {
    const input = Buffer.from("hello");
    expect((await env.run(["s3", "cp", ...context, "-", "s3://reports/x"], { input })).code).toBe(
      0,
    );
    const { code, stdout } = await s3("cp", ...context, "s3://reports/x", "-");
    expect([code, stdout.toString()]).toEqual([0, "hello"]);
  });

  it("leaves no file of an object that was altered, and replaces none without --force", async () => {
    writeFileSync(env.path("a"), pattern(50_000));
    await s3("cp", ...context, env.path("a"), "s3://reports/a");
    const again = await s3("cp", ...context, "s3://reports/a", env.path("a"));
    expect(again).toMatchObject({ code: 7, stderr: expect.stringContaining("add --force") });
    const { body = Buffer.alloc(0) } = server.object("reports", "a") ?? {};
    body[40_000] = (body[40_000] ?? 0) ^ 1;
    server.alter("reports", "a", { body });
    const altered = await s3("cp", ...context, "s3://reports/a", env.path("b"));
    expect(altered).toMatchObject({
      code: 3,
      stderr: expect.stringContaining("ERR_ENVELOPE_DECRYPT"),
    });
    expect(existsSync(env.path("b"))).toBe(false);
  });

  it.each([
    [["a", "b"], "one of the two is in S3"],
    [["s3://reports/a", "s3://reports/b"], "one of the two is in S3"],
    [["a", "s3://reports/"], "the name of the object is missing"],
    [["a", "s3://R/x"], "is not a location in S3"],
  ])("says what is wrong with %j", async (args, problem) => {
    const { code, stderr } = await s3("cp", ...context, ...args);
    expect([code, stderr]).toEqual([2, expect.stringContaining(problem)]);
  });

  it("says what S3 answers", async () => {
    const missing = await s3("cp", ...context, "s3://reports/none", env.path("x"));
    expect(missing).toMatchObject({
      code: 7,
      stderr: "error: s3://reports/none: there is no such object\n",
    });
    const bucket = await s3("ls", "s3://none");
    expect(bucket).toMatchObject({
      code: 7,
      stderr: "error: s3://none: there is no such bucket\n",
    });
    server.hook = () => ({ kind: "answer", code: "AccessDenied" });
    const denied = await s3("cp", ...context, "s3://reports/x", env.path("x"), "--json");
    expect(JSON.parse(denied.stderr)).toMatchObject({ error: { code: "ERR_CLI_S3", exitCode: 7 } });
  });
});

describe("envelope s3 cp --recursive", () => {
  const cp = (...args: string[]): ReturnType<typeof env.run> => s3("cp", ...context, "-r", ...args);
  const contents = { "a.txt": "one", "b/c.txt": "two", "b/d/e": "three" };

  function makeFolder(name: string): string {
    for (const [path, text] of Object.entries(contents)) {
      mkdirSync(dirname(env.path(`${name}/${path}`)), { recursive: true });
      writeFileSync(env.path(`${name}/${path}`), text);
    }
    return env.path(name);
  }

  it.each(["s3://reports", "s3://reports/x", "s3://reports/x/"])(
    "copies a folder to %s and back",
    async (location) => {
      const folder = makeFolder("from");
      symlinkSync("/etc", env.path("from/link"));
      writeFileSync(env.path("from/skip.tmp"), "");
      const up = await cp(folder, location, "--exclude", "*.tmp");
      expect(up).toMatchObject({ code: 0, stderr: expect.stringContaining("3 files copied") });
      expect(up.stderr).toContain("link: a symbolic link");
      const prefix = location === "s3://reports" ? "" : "x/";
      expect(server.keys("reports")).toEqual(Object.keys(contents).map((key) => prefix + key));
      server.put("reports", `${prefix}folder/`, {});
      server.put("reports", "x-ray/f", { body: Buffer.from("another folder") });
      const only = prefix === "" ? ["--exclude", "x-ray"] : [];
      const down = await cp(location, env.path("to"), ...only);
      expect(down).toMatchObject({ code: 0, stderr: expect.stringContaining("3 files copied") });
      for (const [path, text] of Object.entries(contents)) {
        expect(readFileSync(env.path(`to/${path}`), "utf8")).toBe(text);
      }
    },
  );

  it("has a JSON line for each, and leaves sidecars alone", async () => {
    const folder = makeFolder("from");
    await cp(folder, "s3://reports/x", "--placement", "sidecar");
    expect(server.keys("reports")).toHaveLength(6);
    const { stdout } = await cp("s3://reports/x", env.path("to"), "--json", "--concurrency", "1");
    const lines = stdout.toString().trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).from)).toEqual(
      Object.keys(contents).map((path) => `s3://reports/x/${path}`),
    );
  });

  it("goes on after what fails, and its exit code tells", async () => {
    await cp(makeFolder("from"), "s3://reports/x");
    const sealed = server.object("reports", "x/a.txt");
    for (const key of ["../out", "/etc/x", "CON", "c:d"]) {
      server.put("reports", `x/${key}`, {
        body: sealed?.body ?? Buffer.alloc(0),
        metadata: { ...sealed?.metadata },
      });
    }
    server.put("reports", "x/plain", { body: Buffer.from("not encrypted") });
    server.hook = ({ key }) =>
      key === "x/b/c.txt" ? { kind: "answer", code: "AccessDenied" } : undefined;
    const { code, stderr } = await cp("s3://reports/x/", env.path("to"));
    expect([code, stderr]).toEqual([8, expect.stringContaining("6 of 8 files failed")]);
    expect(stderr).toContain("s3://reports/x/b/c.txt: S3 denies access");
    expect(stderr).toContain("s3://reports/x/plain: not an envelope message");
    expect(stderr.match(/is not the path of a file/g)).toHaveLength(4);
    expect(new Set(readdirSync(env.path("to"), { recursive: true, encoding: "utf8" }))).toEqual(
      new Set(["a.txt", "b", join("b", "d"), join("b", "d", "e")]),
    );
    expect(existsSync(env.path("out"))).toBe(false);
  });

  it("replaces nothing unless it may, and follows no link out of the folder", async () => {
    await cp(makeFolder("from"), "s3://reports/x");
    mkdirSync(env.path("to"));
    mkdirSync(env.path("elsewhere"));
    writeFileSync(env.path("to/a.txt"), "mine");
    symlinkSync(env.path("elsewhere"), env.path("to/b"));
    const refused = await cp("s3://reports/x", env.path("to"));
    expect(refused).toMatchObject({
      code: 8,
      stderr: expect.stringContaining("it is not a folder"),
    });
    expect(readdirSync(env.path("elsewhere"))).toEqual([]);
    expect(readFileSync(env.path("to/a.txt"), "utf8")).toBe("mine");
    rmSync(env.path("to/b"));
    expect(await cp("s3://reports/x", env.path("to"), "--skip-existing")).toMatchObject({
      code: 0,
    });
    expect(readFileSync(env.path("to/a.txt"), "utf8")).toBe("mine");
    expect(await cp("s3://reports/x", env.path("to"), "--force")).toMatchObject({ code: 0 });
    expect(readFileSync(env.path("to/a.txt"), "utf8")).toBe("one");
  });

  it("works on as many at a time as it may", async () => {
    await cp(makeFolder("from"), "s3://reports/x");
    let now = 0;
    let most = 0;
    server.hook = async ({ operation }) => {
      if (operation !== "GetObject") return;
      most = Math.max(most, ++now);
      await new Promise((resolve) => setImmediate(resolve));
      now--;
    };
    expect(await cp("s3://reports/x", env.path("to"), "--concurrency", "2")).toMatchObject({
      code: 0,
    });
    expect(most).toBeLessThanOrEqual(2);
  });

  it.each([
    [["-", "s3://reports/x"], "- is one file"],
    [["s3://reports/x", "a", "--force", "--skip-existing"], "exclude each other"],
    [["a", "s3://reports/x", "--skip-existing"], "--skip-existing is for"],
    [["s3://reports/x", "a", "--concurrency", "0"], "is not a whole number"],
  ])("says what is wrong with %j", async (args, problem) => {
    const { code, stderr } = await cp(...args);
    expect([code, stderr]).toEqual([2, expect.stringContaining(problem)]);
  });
});

it("envelope s3 cat writes a range", async () => {
  writeFileSync(env.path("a"), pattern(100_000));
  await s3("cp", ...context, env.path("a"), "s3://reports/a");
  const whole = await s3("cat", ...context, "s3://reports/a");
  expect(Buffer.compare(whole.stdout, pattern(100_000))).toBe(0);
  const range = await s3("cat", ...context, "--range", "-10", "s3://reports/a");
  expect(range.stdout).toEqual(Buffer.from(pattern(100_000).subarray(-10)));
  const beyond = await s3("cat", ...context, "--range", "100000-", "s3://reports/a");
  expect(beyond).toMatchObject({ code: 2, stderr: expect.stringContaining("0-99999") });
});

it("envelope s3 ls, report and rewrap tell what objects depend on", async () => {
  for (const key of ["a", "b"]) {
    await env.run(["s3", "cp", ...context, "-", `s3://reports/${key}`], {
      input: Buffer.from(key),
    });
  }
  server.put("reports", "plain", { body: Buffer.from("not encrypted") });
  const listed = await s3("ls", "s3://reports");
  expect(listed.stdout.toString().split("\n")).toEqual([
    expect.stringContaining("s3://reports/a  (local-file "),
    expect.stringContaining("s3://reports/b"),
    expect.stringContaining("s3://reports/plain  (not encrypted)"),
    "",
  ]);
  const at = ["--checkpoint", env.path("checkpoint")];
  const reported = await s3("report", "s3://reports", "--json", ...at);
  expect(JSON.parse(reported.stdout.toString())).toMatchObject({
    objects: 3,
    unencrypted: 1,
    failed: 0,
    cmks: [{ provider: "local-file", objects: 2 }],
  });
  expect(existsSync(env.path("checkpoint"))).toBe(false);
  writeFileSync(env.path("checkpoint"), "{}");
  const other = await s3("report", "s3://reports", ...at);
  expect(other).toMatchObject({ code: 3 });
  expect(other.stderr).toContain("is not the checkpoint of a report of this bucket and prefix");
  rmSync(env.path("checkpoint"));
  await env.run(["keys", "rotate", "alias/app"]);
  const dry = await s3("rewrap", ...context, "s3://reports", "--dry-run");
  expect(dry.stdout.toString()).toContain("2 would be rewrapped");
  const rewrapped = await s3(
    "rewrap",
    ...context,
    "s3://reports",
    "--checkpoint",
    env.path("checkpoint"),
  );
  expect(rewrapped.stdout.toString()).toContain(
    "3 objects: 2 rewrapped, 1 not encrypted, 0 failed",
  );
  expect(existsSync(env.path("checkpoint"))).toBe(false);
  const another = await s3("rewrap", "--context", "tenant=other", "s3://reports");
  expect(another).toMatchObject({
    code: 8,
    stderr: expect.stringContaining("s3://reports: 2 objects failed"),
  });
});
