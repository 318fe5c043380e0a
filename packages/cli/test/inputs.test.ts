import { Buffer } from "node:buffer";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { describe, expect, it } from "vitest";
import { formOfFront, gather, listInputs, peek } from "../src/inputs.ts";
import { collect } from "./support/command.ts";

async function* pieces(...texts: string[]): AsyncGenerator<Uint8Array, void> {
  for (const text of texts) yield Buffer.from(text);
}

describe("peek", () => {
  it.each([
    ["one piece", ["envelope"]],
    ["many small ones", ["e", "n", "", "v", "e", "l", "ope"]],
    ["less than is asked for", ["en"]],
    ["nothing", []],
  ])("looks at %s and gives everything again", async (_, texts) => {
    const { front, pieces: all } = await peek(pieces(...texts), 5);
    const whole = texts.join("");
    expect(front.length).toBeGreaterThanOrEqual(Math.min(5, whole.length));
    expect(whole.startsWith(Buffer.from(front).toString())).toBe(true);
    expect(Buffer.concat(await collect(all)).toString()).toBe(whole);
  });
});

describe("gather", () => {
  it("stops reading where it is too much", async () => {
    let read = 0;
    const endless = async function* (): AsyncGenerator<Uint8Array, void> {
      for (;;) {
        read++;
        yield new Uint8Array(10);
      }
    };
    expect(await gather(endless(), 100)).toBeUndefined();
    expect(read).toBe(11);
    expect(await gather(pieces("a", "bc"), 3)).toEqual(Buffer.from("abc"));
  });
});

it("knows both forms of a message by their first bytes, and nothing else", () => {
  const forms = ["8e454e5601", "656e76312e", "656e763120", "8e454e", "00", ""];
  expect(forms.map((hex) => formOfFront(Buffer.from(hex, "hex")))).toEqual([
    "binary",
    "text",
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
});

describe("listInputs", () => {
  it("keeps the order given, and turns what is missing or a folder into a failure of its own", async () => {
    const folder = tempFolder();
    mkdirSync(join(folder, "d"));
    writeFileSync(join(folder, "d/x"), "1");
    const paths = ["d", "missing", "d/x"].map((name) => join(folder, name));
    expect(await listInputs(paths)).toMatchObject([
      { error: { code: "ERR_CLI_FILE", hint: "name the files in it" } },
      { error: { code: "ERR_CLI_FILE" } },
      { size: 1 },
    ]);
    expect(await listInputs(paths.slice(0, 1), { recursive: true })).toMatchObject([
      { path: paths[2], size: 1, folder: paths[0] },
    ]);
  });

  it("suggests --recursive only to commands that have it", async () => {
    const [input] = await listInputs([tempFolder()], { recursive: false });
    expect(input?.error).toMatchObject({ hint: "add --recursive for all files in it" });
  });

  it("names what it leaves alone in folders, and does not look into excluded ones", async () => {
    const folder = tempFolder();
    for (const name of ["a", "b.log", "sub/c.log", "sub/deep/d", "out/e", "node_modules/f"]) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), "1");
    }
    symlinkSync("a", join(folder, "link"));
    const inputs = await listInputs([folder], {
      recursive: true,
      exclude: ["*.log", "sub/deep/", "node_modules"],
      output: join(folder, "out"),
    });
    const seen = inputs.map(({ path, left }) => [relative(folder, path), left]);
    expect(seen).toEqual([
      ["a", undefined],
      ["b.log", "excluded"],
      ["link", "a symbolic link"],
      ["node_modules", "excluded"],
      ["out", "the output folder"],
      ["sub/c.log", "excluded"],
      ["sub/deep", "excluded"],
    ]);
  });

  it("takes stdin alone only", async () => {
    await expect(listInputs(["-", "x"])).rejects.toMatchObject({ code: "ERR_CLI_USAGE" });
  });
});
