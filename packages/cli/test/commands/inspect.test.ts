import { readFileSync, truncateSync, writeFileSync } from "node:fs";
import { Readable } from "node:stream";
import { beforeEach, describe, expect, it } from "vitest";
import { interruptRewrap, project } from "../support/command.ts";

let env: Awaited<ReturnType<typeof project>>;

beforeEach(async () => {
  env = await project();
  writeFileSync(env.path("x"), "hello");
  const context = ["--context", "tenant=\u001b[31macme\u202e", "--store-context"];
  await env.run(["encrypt", ...context, env.path("x")]);
});

const inspect = async (name: string): Promise<Record<string, unknown>> =>
  JSON.parse((await env.run(["inspect", "--json", env.path(name)])).stdout.toString());

describe("envelope inspect", () => {
  it("tells what the header says", async () => {
    expect(await inspect("x.envelope")).toMatchObject({
      form: "binary",
      version: 1,
      suite: "Cobblestone-256",
      headerBytes: 4096,
      payloadBytes: 77,
      plaintextBytes: 5,
      storedContext: { tenant: "\u001b[31macme\u202e" },
      entries: [{ provider: "local-file", wrappedBytes: 93, keyVersion: "1" }],
    });
  });

  it("lets no stored value act on the terminal", async () => {
    for (const args of [[], ["--json"]]) {
      const { stdout } = await env.run(["inspect", env.path("x.envelope"), ...args]);
      for (const control of ["\u001b", "\u202e"]) expect(stdout.toString()).not.toContain(control);
      expect(stdout.toString()).toContain("\\u001b[31macme\\u202e");
    }
  });

  it("reads the header only: a file of 1 TB takes no time", async () => {
    truncateSync(env.path("x.envelope"), 1e12);
    expect(await inspect("x.envelope")).toMatchObject({ payloadBytes: 1e12 - 4096 });
  });

  it("shows the header that an interrupted rewrap promised, and changes nothing", async () => {
    const before = readFileSync(env.path("x.envelope"));
    await env.run(["keys", "rotate", "alias/app"]);
    await env.run(["rewrap", "--from-header", env.path("x.envelope")]);
    interruptRewrap(env.path("x.envelope"), before, readFileSync(env.path("x.envelope")));
    const torn = readFileSync(env.path("x.envelope"));
    expect(await inspect("x.envelope")).toMatchObject({ entries: [{ keyVersion: "2" }] });
    expect(readFileSync(env.path("x.envelope")).equals(torn)).toBe(true);
  });

  it("says where no plaintext can have the length", async () => {
    truncateSync(env.path("x.envelope"), 4096 + 60);
    expect(await inspect("x.envelope")).not.toHaveProperty("plaintextBytes");
    const { stdout } = await env.run(["inspect", env.path("x.envelope")]);
    expect(stdout.toString()).toContain("was truncated");
  });

  it("reads stdin, also one that does not end", async () => {
    const message = readFileSync(env.path("x.envelope"));
    const whole = await env.run(["inspect", "-", "--json"], { input: message });
    expect(JSON.parse(whole.stdout.toString())).toMatchObject({ payloadBytes: 77 });
    const endless = new Readable({
      read() {
        this.push(Buffer.alloc(65_536));
      },
    });
    endless.unshift(message.subarray(0, 4096));
    const { stdout } = await env.run(["inspect", "-", "--json"], { input: endless });
    const facts = JSON.parse(stdout.toString()) as Record<string, unknown>;
    expect(facts).toMatchObject({ headerBytes: 4096 });
    expect(facts).not.toHaveProperty("payloadBytes");
  });

  it("needs neither configuration nor keystore", async () => {
    writeFileSync(env.path("envelope.config.json"), "not JSON");
    expect(await inspect("x.envelope")).toMatchObject({ plaintextBytes: 5 });
  });
});
