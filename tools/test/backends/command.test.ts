/** The runbook of docs/backends.md, on the command line: every CMK by its URI. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { main } from "@env/cli";
import { inspect } from "@env/core";
import { tempFolder } from "@env/testkit/folder";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { withCredentialsFor, withoutConfiguration } from "./support/environment.ts";
import { startAws, startGcp, startLocal, startVault, type Backend } from "./support/backends.ts";

beforeEach(withoutConfiguration);
afterEach(() => {
  vi.unstubAllEnvs();
});

async function envelope(...args: readonly string[]): Promise<string> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const [said, complained] = [text(stdout), text(stderr)];
  const host = { stdin: Readable.from([]), stdout, stderr, signal: new AbortController().signal };
  const code = await main(args, host);
  stdout.end();
  stderr.end();
  expect({ code, complained: await complained }).toEqual({ code: 0, complained: "" });
  return said;
}

it.each([
  ["AWS KMS to Cloud KMS", startAws, startGcp],
  ["Cloud KMS to Transit", startGcp, startVault],
  ["Transit to AWS KMS", () => startVault("aad"), startAws],
  ["a local keystore to AWS KMS", startLocal, startAws],
] as const)("wraps under two, and moves: from %s", async (_, startOld, startNext) => {
  const [old, next]: readonly Backend[] = await Promise.all([startOld(), startNext()]);
  if (old === undefined || next === undefined) throw new Error("there are two");
  withCredentialsFor([old, next]);
  const folder = tempFolder();
  const file = join(folder, "report.pdf");
  const config = join(folder, "envelope.config.json");
  const configure = (...cmks: readonly Backend[]): void => {
    const environments = { production: { cmks: cmks.map(({ uri }) => uri) } };
    writeFileSync(config, JSON.stringify({ environments }));
  };
  const always = ["--config", config, "--environment", "production", "--quiet"];
  const tenant = ["--context", "tenant=acme", ...always];
  const providers = (): unknown => {
    const message = readFileSync(`${file}.envelope`);
    return inspect(message).entries?.map(({ provider }) => provider);
  };
  const payload = (): Buffer => {
    const message = readFileSync(`${file}.envelope`);
    return message.subarray(inspect(message).headerBytes);
  };

  writeFileSync(file, "the report");
  configure(old);
  await envelope("encrypt", file, ...tenant);
  expect(providers()).toEqual([old.provider]);
  const before = payload();

  configure(old, next);
  await envelope("rewrap", `${file}.envelope`, ...tenant);
  expect(providers()).toEqual([old.provider, next.provider]);

  configure(next);
  await envelope("rewrap", `${file}.envelope`, "--from", old.uri, ...tenant);
  expect(providers()).toEqual([next.provider]);
  expect(payload()).toEqual(before);

  await old.retire();
  expect(await envelope("decrypt", `${file}.envelope`, "-o", "-", ...tenant)).toBe("the report");
});
