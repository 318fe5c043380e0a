import { describe, expect, it } from "vitest";
import { differences } from "../check-adapters.ts";

const HEADINGS = [
  "Install",
  "Use",
  "Calls and permissions",
  "Context",
  "Limits",
  "Errors",
  "Rotation",
  "Live tests",
];

function readme(headings: readonly string[]): string {
  return headings.map((heading) => `## ${heading}\n`).join("\n");
}

describe("an adapter", () => {
  it("has the files and headings of all, and may have more", () => {
    const text = readme([...HEADINGS.slice(0, 3), "Where the keys live", ...HEADINGS.slice(3)]);
    expect(differences({ name: "a", has: () => true, readme: text })).toEqual([]);
  });

  it("is told which file or heading it lacks", () => {
    const found = differences({
      name: "a",
      has: (file) => file !== "src/uri.ts",
      readme: readme(HEADINGS.slice(1)),
    });
    expect(found).toEqual(["a has no src/uri.ts", `a: README.md has no heading "Install"`]);
  });

  it("keeps their order", () => {
    const text = readme(["Use", "Install", ...HEADINGS.slice(2)]);
    expect(differences({ name: "a", has: () => true, readme: text })).toEqual([
      `a: the README's headings are not in the order ${HEADINGS.join(" · ")}`,
    ]);
  });
});
