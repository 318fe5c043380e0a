import { describe, expect, it } from "vitest";
import { anchorsOf, fencesOf, headingsOf, linksOf, preludeOf } from "../markdown.ts";

const DOCUMENT = `# A title

\`\`\`ts run
# no heading
[no](link.md)
\`\`\`

See [one](a.md#b), ![two](<b.png>) and \`[no](c.md)\`.

\`\`\`\`md
\`\`\`ts
nested
\`\`\`
\`\`\`\`

## Context & aad: \`x\` ##

[three]: d.md "title"

<!-- ts
declare const n: number;
-->
`;

describe("Markdown", () => {
  it("has code with its line, and no code inside of code", () => {
    expect(fencesOf(DOCUMENT)).toEqual([
      { line: 4, info: "ts run", code: "# no heading\n[no](link.md)\n" },
      { line: 11, info: "md", code: "```ts\nnested\n```\n" },
    ]);
  });

  it("must end its code", () => {
    expect(() => fencesOf("text\n```ts\nx")).toThrow("the code that starts in line 3 has no end");
  });

  it("has headings and links outside of code", () => {
    expect(headingsOf(DOCUMENT)).toEqual([
      { level: 1, text: "A title" },
      { level: 2, text: "Context & aad: `x`" },
    ]);
    expect(linksOf(DOCUMENT)).toEqual([
      { line: 8, target: "a.md#b" },
      { line: 8, target: "b.png" },
      { line: 18, target: "d.md" },
    ]);
  });

  it("gives headings the anchors that GitHub gives them", () => {
    const headings =
      "# Which one do I need?\n## C2SP, §4: `aad` & co_op\n## Über [x](y)\n## Same\n## Same\n";
    expect([...anchorsOf(headings)]).toEqual([
      "which-one-do-i-need",
      "c2sp-4-aad--co_op",
      "über-x",
      "same",
      "same-1",
    ]);
  });

  it("declares names for its code in comments", () => {
    expect(preludeOf(DOCUMENT)).toBe("declare const n: number;\n");
  });
});
