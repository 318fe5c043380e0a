import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { describe, expect, it } from "vitest";
import { run } from "../support/command.ts";
import { policy } from "../support/principals.ts";

const sound = policy({
  Sid: "Read",
  Effect: "Allow",
  Action: "kms:Decrypt",
  Resource: "arn:aws:kms:local:000000000000:key/01234567-89ab-cdef-0123-456789abcdef",
});
const wrong = `{
  "Version": "2012-10-17",
  "Statement": [{ "Effect": "Allow", "Action": "kms:Decryt", "Resource": "*" }]
}`;
const everyone = policy({
  Sid: "All",
  Effect: "Allow",
  Principal: "*",
  Action: "kms:Decrypt",
  Resource: "*",
});

function write(text: string | Uint8Array, name = "p.json"): string {
  const path = join(tempFolder(), name);
  writeFileSync(path, text);
  return path;
}

const identity = ["policy", "lint", "--kind", "identity"];

describe("envelope policy lint", () => {
  it("finds nothing in a sound policy", async () => {
    const { code, stdout, stderr } = await run([...identity, write(sound)]);
    expect({ code, stdout: stdout.toString(), stderr }).toEqual({
      code: 0,
      stdout: "",
      stderr: "no findings\n",
    });
  });

  it("names file, line and column of an error, and ends with 9", async () => {
    const path = write(wrong);
    const { code, stdout, stderr } = await run([...identity, path]);
    expect({ code, stderr }).toEqual({ code: 9, stderr: "1 finding\n" });
    expect(stdout.toString()).toBe(
      `${path}:3:48: error: There is no action kms:Decryt. Did you mean kms:Decrypt? [unknown-action]\n`,
    );
  });

  it("has a line of JSON for each finding, and shows them with --quiet", async () => {
    const path = write(wrong);
    const { code, stdout, stderr } = await run([...identity, path, "--json", "--quiet"]);
    expect({ code, stderr }).toEqual({ code: 9, stderr: "" });
    expect(JSON.parse(stdout.toString())).toEqual({
      path,
      code: "unknown-action",
      severity: "error",
      message: expect.stringContaining("kms:Decrypt"),
      pointer: "/Statement/0/Action",
      line: 3,
      column: 48,
    });
    expect(stdout.toString().split("\n")).toHaveLength(2);
  });

  it("lets warnings pass, but not with --strict", async () => {
    const path = write(everyone);
    const { code, stdout } = await run(["policy", "lint", path]);
    expect({ code, stdout: stdout.toString() }).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/: warning: .* \[public-principal\]\n/),
    });
    expect(await run(["policy", "lint", "--strict", path])).toMatchObject({ code: 9 });
    expect(await run([...identity, "--strict", write(sound)])).toMatchObject({ code: 0 });
  });

  it("takes a policy for a key's unless told otherwise, and says so", async () => {
    const { code, stdout, stderr } = await run(["policy", "lint", write(sound)]);
    expect({ code, stdout: stdout.toString() }).toMatchObject({
      code: 9,
      stdout: expect.stringContaining("needs a Principal"),
    });
    expect(stderr).toContain("add --kind identity");
    expect((await run(["policy", "lint", write(everyone)])).stderr).not.toContain("identity");
    expect((await run([...identity, write(sound)])).stderr).not.toContain("--kind");
  });

  it("reads stdin", async () => {
    const { code, stdout } = await run([...identity, "-"], { input: Buffer.from(wrong) });
    expect({ code, stdout: stdout.toString() }).toMatchObject({
      code: 9,
      stdout: expect.stringMatching(/^-:3:48: error: /),
    });
  });

  it("goes through several files, and tells one that cannot be read from one that is wrong", async () => {
    const paths = [write(wrong), join(tempFolder(), "none"), write(sound)];
    const { code, stdout, stderr } = await run([...identity, ...paths]);
    expect({ code, stdout: stdout.toString() }).toMatchObject({
      code: 8,
      stdout: expect.stringContaining("unknown-action"),
    });
    expect(stderr).toContain("none: there is no such file");
    const found = await run([...identity, write(sound), write(wrong)]);
    expect(found.code).toBe(9);
  });

  it.each([
    ["a folder", undefined, 7],
    ["no text", Buffer.from([0x7b, 0xff]), 2],
    ["more than anybody would call a policy", Buffer.alloc(2 ** 20 + 1, " "), 2],
  ])("refuses %s", async (_, bytes, code) => {
    const path = join(tempFolder(), "p.json");
    if (bytes === undefined) mkdirSync(path);
    else writeFileSync(path, bytes);
    expect(await run([...identity, path])).toMatchObject({
      code,
      stderr: expect.stringContaining(`error: ${path}: it `),
    });
  });

  it("finds a byte order mark, which the KMS would refuse", async () => {
    const { code, stdout } = await run([...identity, write(`\ufeff${sound}`)]);
    expect({ code, stdout: stdout.toString() }).toMatchObject({
      code: 9,
      stdout: expect.stringMatching(/:1:1: error: /),
    });
  });

  it("finds of a policy that is too long that it is", async () => {
    const { code, stdout } = await run([...identity, write(Buffer.alloc(2 ** 20, " "))]);
    expect({ code, stdout: stdout.toString() }).toMatchObject({
      code: 9,
      stdout: expect.stringContaining("[policy-size]"),
    });
  });

  it("keeps control characters of a policy away from the terminal", async () => {
    const text = policy({ Effect: "Allow", Action: "kms:\u001b[2J", Resource: "*" });
    const { stdout } = await run([...identity, write(text)]);
    expect(stdout.toString()).not.toContain("\u001b");
  });
});
