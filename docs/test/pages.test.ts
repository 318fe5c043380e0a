import { expect, it } from "vitest";
import { repositoryPage } from "../../tools/workspace.ts";
import { addressOf, linkOf } from "../.vitepress/pages.ts";

const repository = repositoryPage();

it("gives every document an address without the folder of the documentation", () => {
  expect(
    ["README.md", "docs/errors.md", "docs/console/README.md", "SECURITY.md"].map(addressOf),
  ).toEqual(["/", "/errors", "/console/", "/security"]);
});

it("leads from document to document, and keeps the heading", () => {
  expect(linkOf("packages/core/README.md", "#streams")).toBe("#streams");
  expect(linkOf("docs/backends.md", "defaults.md#limits")).toBe("/defaults#limits");
  expect(linkOf("docs/backends.md", "../packages/core/README.md")).toBe("/packages/core/");
  expect(linkOf("README.md", "packages/core")).toBe("/packages/core/");
  const whole = `${repository}/blob/main/docs/errors.md#err_envelope_decrypt`;
  expect(linkOf("packages/core/README.md", whole)).toBe("/errors#err_envelope_decrypt");
});

it("leads to the repository where there is no page, and elsewhere unchanged", () => {
  expect(linkOf("docs/backends.md", "../examples/fields.ts")).toBe(
    `${repository}/blob/main/examples/fields.ts`,
  );
  expect(linkOf("README.md", "packages/core/src")).toBe(
    `${repository}/tree/main/packages/core/src`,
  );
  expect(linkOf("README.md", "https://example.com/docs/errors.md")).toBe(
    "https://example.com/docs/errors.md",
  );
});

it("leaves what is nowhere for VitePress to report", () => {
  expect(linkOf("docs/backends.md", "nowhere.md")).toBe("/docs/nowhere.md");
});
