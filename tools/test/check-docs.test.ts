import { describe, expect, it } from "vitest";
import { brokenLinks, references } from "../check-docs.ts";

function links(files: Readonly<Record<string, string>>): string[] {
  const names = Object.keys(files);
  return brokenLinks({
    repository: "https://example.com/o/r",
    markdown: names.filter((name) => name.endsWith(".md")),
    sources: names.filter((name) => name.endsWith(".ts")),
    read: (file) => files[file] ?? "",
    exists: (file) => Object.hasOwn(files, file),
  });
}

describe("links", () => {
  it("may lead to files, headings and other places", () => {
    const found = links({
      "README.md": "# Top\n[a](docs/a.md#b-c) [up](#top) [web](https://example.com/x#y)",
      "docs/a.md": "## B c\n[back](../README.md) [mail](mailto:a@b.c)",
      "packages/core/src/x.ts": "// docs/a.md#b-c",
    });
    expect(found).toEqual([]);
  });

  it("are found where the file or the heading is missing", () => {
    const found = links({
      "docs/a.md": "# Top\n\n[x](b.md) [y](#nowhere)\n[z](../docs/a.md#topp)",
      "packages/core/src/x.ts": "/** Source: docs/a.md#top, #bottom; spec/none.md */",
    });
    expect(found).toEqual([
      "docs/a.md:3: there is no docs/b.md",
      "docs/a.md:3: docs/a.md has no heading for #nowhere",
      "docs/a.md:4: docs/a.md has no heading for #topp",
      "packages/core/src/x.ts: docs/a.md has no heading for #bottom",
      "packages/core/src/x.ts: there is no spec/none.md",
    ]);
  });

  it("are followed into the repository by their address", () => {
    const page = "https://example.com/o/r/blob/main";
    const found = links({
      "packages/a/README.md": `[x](${page}/docs/a.md#top) [y](${page}/docs/b.md) [z](${page}/docs/a.md#no)`,
      "docs/a.md": "# Top",
    });
    expect(found).toEqual([
      "packages/a/README.md:1: there is no docs/b.md",
      "packages/a/README.md:1: docs/a.md has no heading for #no",
    ]);
  });

  it("out of a package are whole addresses, for its README is read on npm", () => {
    const found = links({
      "packages/a/README.md": "# A\n[x](../../docs/a.md#top) [y](src/index.ts) [z](#a)",
      "packages/a/src/index.ts": "",
      "docs/a.md": "# Top\n[back](../packages/a/README.md)",
    });
    expect(found).toEqual([
      "packages/a/README.md:2: npm cannot follow ../../docs/a.md#top; write https://example.com/o/r/blob/main/docs/a.md",
    ]);
  });

  it("in comments may name several headings of one document", () => {
    expect(references("Source: spec/v1.md#a-b, #c; RFC 5869")).toEqual([
      { file: "spec/v1.md", anchor: "a-b" },
      { file: "spec/v1.md", anchor: "c" },
    ]);
  });
});
