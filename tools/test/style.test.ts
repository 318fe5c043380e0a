import { describe, expect, it } from "vitest";
import { bannedForms } from "../style.ts";

const markdown = (text: string): string[] => bannedForms("a.md", text);
const source = (text: string): string[] => bannedForms("a.ts", text);

describe("banned forms", () => {
  it.each([
    ["That is no key.", '"is no key"'],
    ["This is none.", '"is none"'],
    ["It stands in the header.", '"stands"'],
    ["They are not told apart.", '"told apart"'],
    ["It waits for ever.", '"for ever"'],
    ["It is read no more.", '"no more"'],
    ["What the call came to.", '"came to"'],
    ["`envelope init` makes one.", '"makes one"'],
    ["Their members, too.", '", too"'],
    ["The name of one that failed.", '"of one that"'],
    ["It is lost then.", '" then."'],
    ["It is logged in clear.", '"in clear"'],
    ["The KMS sheds load.", '"sheds load"'],
    ["not so: a is b", '"not so: "'],
  ])("are found: %s", (text, form) => {
    expect(markdown(`# T\n\n${text}\n`)).toEqual([
      expect.stringContaining(`a.md:3: ${form.replaceAll(/" (?=then)/g, '" ')}: write `),
    ]);
  });

  it.each([
    "There is no key, and there will be no key. It is no longer a key, and is no one's.",
    "`pnpm` stands for `npx pnpm`. This file stands in for it.",
    "There is no more than one, and for everything else there are no more keys.",
    "It came together. When it comes to keys, it makes one call.",
    "It is too long, too long by far.",
    "It was open until then; by then, it was not.",
  ])("are not found in English: %s", (text) => {
    expect(markdown(text)).toEqual([]);
  });

  it("are found across a line break, with the line they start in", () => {
    expect(markdown("# T\n\nA name is\nno key.")).toEqual([
      expect.stringMatching(/^a\.md:3: "is no key"/),
    ]);
    expect(source("/**\n * A name is\n * no key.\n */")).toEqual([
      expect.stringMatching(/^a\.ts:2: "is no key"/),
    ]);
  });

  it("may be quoted in code, and in nothing but code", () => {
    expect(markdown("Write `is no key` and ``is `no` key``.\n\n```sh\nis no key\n```\n")).toEqual(
      [],
    );
    expect(source("// `is no key` is quoted\n/** `is\n * no key` */")).toEqual([]);
    expect(source("throw new Error(`${name} is no key`);")).toHaveLength(1);
    expect(source('say("is no key"); // `x`')).toHaveLength(1);
  });

  it("begin a docstring with a bare preposition", () => {
    expect(source("  /** Of the first key. */")).toHaveLength(1);
    expect(source("/**\n * By name.\n */")).toHaveLength(1);
    expect(source("/** At most 10 bytes. */\n/** Offset of the key. */\n// For a reason.")).toEqual(
      [],
    );
  });
});
