import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { describe, expect, it } from "vitest";
import { collectPair, contextToRead, contextToWrite, readAad } from "../src/context.ts";

const usage = { code: "ERR_CLI_USAGE" };

describe("collectPair", () => {
  it("cuts at the first equals sign", () => {
    expect(collectPair("a=b=c")).toEqual([["a", "b=c"]]);
    expect(collectPair("b=", [["a", "1"]])).toEqual([
      ["a", "1"],
      ["b", ""],
    ]);
  });

  it("does not repeat a value in its errors", () => {
    const message = expect.not.stringContaining("s3cret");
    for (const [text, previous] of [
      ["s3cret", undefined],
      ["=s3cret", undefined],
      ["k=s3cret", [["k", "1"]]],
    ] as const) {
      expect(() => collectPair(text, previous)).toThrow(
        expect.objectContaining({ ...usage, message }),
      );
    }
  });
});

describe("contextToWrite", () => {
  const file = (content: string): { contextFile: string } => {
    const path = join(tempFolder(), "context.json");
    writeFileSync(path, content);
    return { contextFile: path };
  };

  it("takes pairs, a file, both, or none on purpose", async () => {
    expect({ ...(await contextToWrite({ context: [["a", "1"]] })) }).toEqual({ a: "1" });
    expect({ ...(await contextToWrite(file('{"b":"2"}'))) }).toEqual({ b: "2" });
    const both = { context: [["a", "1"]] as const, ...file('{"b":"2"}') };
    expect({ ...(await contextToWrite(both)) }).toEqual({ a: "1", b: "2" });
    expect(await contextToWrite({ context: false })).toEqual({});
  });

  it("keeps __proto__ as a key like any other", async () => {
    for (const options of [file('{"__proto__":"x"}'), { context: [["__proto__", "x"]] as const }]) {
      expect(Object.entries(await contextToWrite(options))).toEqual([["__proto__", "x"]]);
    }
  });

  it.each([
    ["no context at all", {}],
    ["a contradiction", { context: false as const, contextFile: "x" }],
  ])("refuses %s", async (_, options) => {
    await expect(contextToWrite(options)).rejects.toMatchObject(usage);
  });

  it.each(["", "{", "[]", "null", '"a"', '{"a":1}', '{"a":null}'])(
    "refuses the file %j",
    async (text) => {
      await expect(contextToWrite(file(text))).rejects.toMatchObject(usage);
    },
  );

  it("refuses a key that is given twice, and a file that is too long", async () => {
    const twice = { context: [["a", "1"]] as const, ...file('{"a":"1"}') };
    await expect(contextToWrite(twice)).rejects.toMatchObject(usage);
    await expect(contextToWrite(file(`{"a":"${"x".repeat(65_536)}"}`))).rejects.toMatchObject(
      usage,
    );
  });

  it("checks the rules of the format before anything is read", async () => {
    const reserved = contextToWrite({ context: [["env:format", "1"]] });
    await expect(reserved).rejects.toMatchObject(usage);
  });
});

describe("contextToRead", () => {
  it.each([
    ["nothing", {}],
    ["a context and --from-header", { context: [["a", "1"]] as const, fromHeader: true as const }],
    ["--require alone", { context: [["a", "1"]] as const, require: [["a", "1"]] as const }],
  ])("refuses %s", async (_, options) => {
    await expect(contextToRead(options)).rejects.toMatchObject(usage);
  });

  it("hands on what the stored context must have", async () => {
    const context = await contextToRead({ fromHeader: true, require: [["a", "1"]] });
    expect(context).toMatchObject({ require: { a: "1" } });
  });
});

describe("readAad", () => {
  it("is absent, a map or the bytes of a file, and never two of them", async () => {
    const aadFile = join(tempFolder(), "aad");
    writeFileSync(aadFile, "raw");
    expect(await readAad({})).toBeUndefined();
    expect(Object.entries((await readAad({ aad: [["id", "1"]] })) ?? {})).toEqual([["id", "1"]]);
    expect(Buffer.from((await readAad({ aadFile })) as Uint8Array).toString()).toBe("raw");
    await expect(readAad({ aad: [["id", "1"]], aadFile })).rejects.toMatchObject(usage);
  });
});
