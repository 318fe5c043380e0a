import { describe, expect, it } from "vitest";
import { coverage, gaps, mentionsIn, requirementsOf, rulesIn } from "../check-requirements.ts";

const read = (markdown: string): ReturnType<typeof requirementsOf> =>
  requirementsOf("spec/x-v1.md", markdown);
const found = (...requirements: readonly string[]): unknown =>
  requirements.map((text) => {
    const [id, level, line] = text.split(" ");
    return expect.objectContaining({ id, level, place: `spec/x-v1.md:${line}` });
  });
const required = (id: string, level: "MUST" | "SHOULD" = "MUST") => ({
  id,
  level,
  place: "spec/x-v1.md:1",
  text: `It ${level} work.`,
});

describe("the requirements of a document", () => {
  it("are the MUSTs and SHOULDs, each with the id behind it", () => {
    const { requirements, findings } = read(
      [
        "# Title",
        "",
        "A reader MUST read,",
        "to the end. [X1] It SHOULD be quick, [X2] and MUST NOT fail. [X3] It MAY rest.",
        "",
        "- A writer SHOULD write, and MUST close. [X4]",
        "- It is a list. Rows MUST be short. [X5]",
        "",
        "| a | A cell MUST have one as well. [X6] |",
      ].join("\n"),
    );
    expect(findings).toEqual([]);
    expect(requirements).toEqual(
      found("X1 MUST 3", "X2 SHOULD 3", "X3 MUST 3", "X4 MUST 6", "X5 MUST 7", "X6 MUST 9"),
    );
    expect(requirements[1]?.text).toBe("It SHOULD be quick,");
  });

  it("are each of the items where one sentence requires a whole list", () => {
    const list =
      "A reader MUST refuse:\n\n- an empty file; [X1]\n- a long one. [X2]\n\nThat is all.";
    expect(read(list)).toEqual({ requirements: found("X1 MUST 3", "X2 MUST 4"), findings: [] });
    expect(read(list.replace(" [X2]", "")).findings).toEqual([
      "spec/x-v1.md:4: a requirement without an id: - a long one.",
    ]);
  });

  it("are the rules of a document that names them", () => {
    const rules = "**D1** Deny decides.\n\n**D2** It MUST be so, as in [D1](#x).";
    expect(read(rules)).toEqual({ requirements: found("D1 MUST 1", "D2 MUST 3"), findings: [] });
  });

  it("are neither in code nor where the words are explained", () => {
    const text = "```text\nIt MUST run.\n```\n\nMUST and SHOULD are as in RFC 2119.";
    expect(read(text)).toEqual({ requirements: [], findings: [] });
  });

  it.each([
    ["no id", "It MUST run.", "a requirement without an id: It MUST run."],
    ["an id before it", "[X1] It MUST run.", "[X1] is not behind a MUST or SHOULD"],
    ["an id for the one before it alone", "It MUST run. [X1] It SHOULD sit.", "without an id"],
    ["a link for an id", "It MUST run. [X1](#x)", "without an id"],
    ["a list that is not there", "It MUST do this:\n\nIt runs.", "without an id"],
  ])("are refused with %s", (_, text, finding) => {
    const { findings } = read(text);
    expect(findings[0]).toContain(finding);
  });
});

describe("what tests name", () => {
  it.each([
    'it("x", () => {',
    "it.each([",
    "describe.each<string>([",
    'describe("x", () => {',
    'it.skipIf(windows)("x", () => {',
  ])("is directly above %s", (test) => {
    const source = `  // Requirements: X1, X2\n  // Requirements: X3\n  ${test}`;
    expect(mentionsIn("a.test.ts", source)).toEqual({
      mentions: [
        { id: "X1", place: "a.test.ts:1" },
        { id: "X2", place: "a.test.ts:1" },
        { id: "X3", place: "a.test.ts:2" },
      ],
      findings: [],
    });
  });

  it.each(['"key-31-bytes": (kit) => {', "plus: () =>", '"reserved-env": refuses({'])(
    "is directly above the case of a vector: %s",
    (subject) => {
      const source = `  // Requirements: X1\n  ${subject}`;
      expect(mentionsIn("cases/layout.ts", source).findings).toEqual([]);
      expect(mentionsIn("cases/layout.ts", source).mentions).toHaveLength(1);
    },
  );

  it.each([
    ["// Requirements: X1\n\nit()", "is not directly above a test"],
    ["// Requirements: X1\nconst a = 1;", "is not directly above a test"],
    ['// Requirements: X1\nit.skip("x", () => {', "is not directly above a test"],
    ['// Requirement: X1\nit("x", () => {', 'write "// Requirements: E1, E2"'],
    ['/* requirements: X1 */\nit("x", () => {', 'write "// Requirements: E1, E2"'],
  ])("is refused in %j", (source, finding) => {
    expect(mentionsIn("a.test.ts", source).findings).toEqual([`a.test.ts:1: ${finding}`]);
  });

  it("is what the cases of the authorization say they are about", () => {
    expect(rulesIn("c.ts", 'decides("M4 P1", "a Deny", x),\n"T1",\n"D1x", "Hello"')).toEqual([
      { id: "M4", place: "c.ts:1" },
      { id: "P1", place: "c.ts:1" },
      { id: "T1", place: "c.ts:2" },
    ]);
  });
});

describe("gaps", () => {
  it("are an id given twice, one that is not given, and a MUST without a test", () => {
    const requirements = [required("X1"), required("X1"), required("X2"), required("X3", "SHOULD")];
    const mentions = [
      { id: "X1", place: "a.test.ts:1" },
      { id: "X2,X3", place: "a.test.ts:2" },
    ];
    expect(gaps(requirements, mentions)).toEqual([
      "spec/x-v1.md:1: X1 is also at spec/x-v1.md:1",
      'a.test.ts:2: no specification has a requirement "X2,X3"',
      "spec/x-v1.md:1: no test names X2: It MUST work.",
    ]);
    expect(gaps([required("X1")], mentions.slice(0, 1))).toEqual([]);
  });

  it("are counted per document", () => {
    const mentions = [{ id: "X1", place: "a.test.ts:1" }];
    const requirements = [
      required("X1"),
      required("X2", "SHOULD"),
      { ...required("Y1"), place: "spec/longer-v1.md:7" },
    ];
    expect(coverage(requirements, mentions)).toEqual([
      "spec/x-v1.md       1 of 1 MUST     0 of 1 SHOULD",
      "spec/longer-v1.md  0 of 1 MUST     0 of 0 SHOULD",
    ]);
  });
});
