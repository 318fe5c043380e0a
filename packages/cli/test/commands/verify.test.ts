import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { project } from "../support/command.ts";

const context = ["--context", "t=a"];

async function encrypted(...more: string[]): Promise<Awaited<ReturnType<typeof project>>> {
  const env = await project();
  writeFileSync(env.path("x"), "hello");
  const { code } = await env.run(["encrypt", ...context, ...more, env.path("x")]);
  expect(code).toBe(0);
  return env;
}

it.each([[[]], [["--text"]]])("verifies a message %j in a file and from stdin", async (more) => {
  const env = await encrypted(...more);
  const before = readdirSync(env.folder).toSorted();
  const file = await env.run(["verify", ...context, env.path("x.envelope"), "--json"]);
  expect(file).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(file.stdout.toString())).toEqual({
    path: env.path("x.envelope"),
    plaintextBytes: 5,
  });
  const input = readFileSync(env.path("x.envelope"));
  expect(await env.run(["verify", ...context, "-"], { input })).toMatchObject({
    code: 0,
    stdout: Buffer.from("ok  -  (5 B)\n"),
  });
  expect(readdirSync(env.folder).toSorted()).toEqual(before);
});

it("ends as decrypt does for what is wrong with a message", async () => {
  const env = await encrypted();
  const whole = readFileSync(env.path("x.envelope"));
  const altered = Buffer.from(whole);
  altered.writeUInt8((altered.at(-20) ?? 0) ^ 1, altered.length - 20);
  const cases: Record<string, Buffer> = {
    altered,
    truncated: whole.subarray(0, -30),
    header: whole.subarray(0, 100),
    plaintext: Buffer.from("hello"),
  };
  for (const [name, bytes] of Object.entries(cases)) {
    writeFileSync(env.path(name), bytes);
    const verified = await env.run(["verify", ...context, env.path(name)]);
    const decrypted = await env.run(["decrypt", ...context, env.path(name), "-o", env.path("out")]);
    expect(verified.code).toBe(3);
    expect(verified.stderr).toBe(decrypted.stderr);
  }
  const other = await env.run(["verify", "--context", "t=b", env.path("x.envelope")]);
  expect(other.code).toBe(3);
  expect(other.stderr).toContain("--context");
});

it("goes through folders, and never passes over a damaged message", async () => {
  const env = await encrypted();
  mkdirSync(env.path("d"));
  writeFileSync(env.path("d/good.envelope"), readFileSync(env.path("x.envelope")));
  writeFileSync(env.path("d/bad.envelope"), "no message any more");
  writeFileSync(env.path("d/other.txt"), "text");
  const { code, stdout, stderr } = await env.run(["verify", ...context, "-r", env.path("d")]);
  expect(code).toBe(8);
  expect(stdout.toString()).toBe(`ok  ${env.path("d/good.envelope")}  (5 B)\n`);
  expect(stderr).toContain("d/bad.envelope: ");
  expect(stderr).toContain("d/other.txt: not a message");
});
