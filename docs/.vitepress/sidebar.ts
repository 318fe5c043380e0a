/**
 * The order of the pages. A document that is missing here, or here twice, fails the build.
 *
 * @module
 */
import type { DefaultTheme } from "vitepress";
import { headingsOf } from "../../tools/markdown.ts";
import { readText } from "../../tools/workspace.ts";
import { apiEntries } from "./api.ts";
import { addressOf, documents } from "./pages.ts";

const start = "Start";
const reference = "Reference";

const sections: Readonly<Record<string, readonly string[]>> = {
  [start]: ["README.md", "docs/concepts.md", "docs/faq.md"],
  Tutorials: [
    ...[
      "first-message",
      "files",
      "s3",
      "browser",
      "multi-cloud",
      "multi-tenant",
      "columns-drizzle",
      "columns-kysely",
      "columns-prisma",
      "columns-typeorm",
    ].map((name) => `docs/tutorials/${name}.md`),
    "examples/README.md",
  ],
  "How to": ["rotation", "leaked-key", "least-privilege", "disaster-recovery", "migrate"].map(
    (name) => `docs/how-to/${name}.md`,
  ),
  Operations: [
    "docs/operations/cost.md",
    "docs/operations/monitoring.md",
    "docs/operations/incidents.md",
    "docs/operations/postgresql.md",
    "docs/kms-server.md",
    "docs/console/README.md",
  ],
  Decisions: [
    "SECURITY.md",
    "docs/quality.md",
    "docs/defaults.md",
    "docs/backends.md",
    "docs/requirements.md",
    "docs/works-with.md",
    "docs/benchmarks/README.md",
  ],
  Packages: within("packages/"),
  [reference]: ["docs/errors.md"],
  Specifications: [
    "spec/README.md",
    ...within("spec/").filter((file) => file !== "spec/README.md"),
  ],
  Project: ["ARCHITECTURE.md", "CONTRIBUTING.md"],
};

/** Pages that are not documents of the repository. */
const generated: readonly DefaultTheme.SidebarItem[] = [
  { text: "Commands", link: "/commands" },
  {
    text: "API",
    collapsed: true,
    items: apiEntries().map(({ name }) => ({ text: name, link: `/api/${name}` })),
  },
];

export function sidebar(): DefaultTheme.SidebarItem[] {
  const shown = Object.values(sections).flat();
  const wrong = [
    ...documents.filter((document) => !shown.includes(document)),
    ...shown.filter((document, index) => shown.indexOf(document) !== index),
  ];
  if (wrong.length > 0) throw new Error(`not once in the sidebar: ${wrong.join(", ")}`);
  return Object.entries(sections).map(([text, files]) => ({
    text,
    collapsed: text !== start,
    items: [...files.map(item), ...(text === reference ? generated : [])],
  }));
}

function within(folder: string): string[] {
  return documents.filter((file) => file.startsWith(folder));
}

/** A document's title is its first heading. */
function item(document: string): DefaultTheme.SidebarItem {
  return { text: headingsOf(readText(document))[0]?.text ?? document, link: addressOf(document) };
}
