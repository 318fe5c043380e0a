import { existsSync, readFileSync, writeFileSync } from "node:fs";
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
  const reported = await s3("report", "s3://reports", "--json");
  expect(JSON.parse(reported.stdout.toString())).toMatchObject({
    objects: 3,
    unencrypted: 1,
    failed: 0,
    cmks: [{ provider: "local-file", objects: 2 }],
  });
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
  const other = await s3("rewrap", "--context", "tenant=other", "s3://reports");
  expect(other).toMatchObject({
    code: 8,
    stderr: expect.stringContaining("s3://reports: 2 objects failed"),
  });
});
