import { expect, it } from "vitest";
import { filesOf, inserted } from "../new-adapter.ts";
import { readText } from "../workspace.ts";

// The template's own tests: whoever starts from it starts from what passes.
await import("../new-adapter/template/test/conformance.test.ts");

const files = filesOf("oci-kms", "OCI Vault");

it("makes a package without a trace of the template's name", () => {
  const made = [...files].filter(([file]) => file.startsWith("packages/oci-kms/"));
  expect(made.map(([file]) => file)).toEqual(
    expect.arrayContaining([
      "packages/oci-kms/package.json",
      "packages/oci-kms/src/adapter.ts",
      "packages/oci-kms/test/conformance.test.ts",
    ]),
  );
  for (const [, text] of made) expect(text).not.toMatch(/acme/i);
  expect(files.get("packages/oci-kms/src/index.ts")).toContain("openOciKms");
});

it.each(["tsconfig.json", "vitest.config.ts", "tools/boundaries.ts", "tools/package.json"])(
  "adds the package to %s, once and in order",
  (file) => {
    const before = readText(file).split("\n");
    const after = files.get(file)?.split("\n") ?? [];
    const added = after.filter((line) => line.includes("oci-kms"));
    expect(added).toHaveLength(1);
    expect(after.length).toBeGreaterThan(before.length);
  },
);

it("inserts in front of the first later name, and in front of the last if there is none", () => {
  const pattern = /^- (\w+)\n/gm;
  expect(inserted("- a\n- c\n", pattern, "- b\n")).toBe("- a\n- b\n- c\n");
  expect(inserted("- a\n- c\n", pattern, "- d\n")).toBe("- a\n- d\n- c\n");
  expect(() => inserted("none", pattern, "- d\n")).toThrow("there is no list");
});
