import { readdirSync } from "node:fs";
import { tempFolder } from "@env/testkit/folder";
import { describe, expect, it, vi } from "vitest";
import { Spool } from "../src/spool.ts";
import { collect } from "./support/command.ts";

const read = async (spool: Spool): Promise<string> =>
  Buffer.concat(await collect(spool.read())).toString();

describe("Spool", () => {
  it.each([1, 4, 8, 100])("gives back what it got, with %i bytes in memory", async (max) => {
    await using spool = new Spool(max);
    for (const parts of [["one"], ["", "two"], [], ["three"]]) {
      await spool.write(parts.map((part) => Buffer.from(part)));
    }
    expect(await read(spool)).toBe("onetwothree");
  });

  it("keeps its data on disk in a file without a name", async () => {
    const folder = tempFolder();
    vi.stubEnv("TMPDIR", folder);
    await using spool = new Spool(1);
    await spool.write([Buffer.from("secret")]);
    vi.unstubAllEnvs();
    expect(readdirSync(folder)).toEqual([]);
    expect(await read(spool)).toBe("secret");
  });

  it("wipes what it holds in memory", async () => {
    const part = Buffer.from("secret");
    {
      await using spool = new Spool();
      await spool.write([part]);
    }
    expect(part.every((byte) => byte === 0)).toBe(true);
  });
});
