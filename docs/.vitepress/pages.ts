/**
 * The documents of this repository as pages of the site: their addresses, and where links between them lead.
 *
 * A document stays where it is read on GitHub and npm, so links are written for there, and translated here.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join, posix } from "node:path";
import { findFiles, repositoryPage, root } from "../../tools/workspace.ts";

const generated = join(root, "docs/generated");
/** Where the build collects documents and what it generates, so that all of them see the packages of the site. */
export const staged: string = join(generated, "pages");
/** Where the site is built. */
export const site: string = join(generated, "site");

/** The documents that are pages, relative to the repository. */
export const documents: readonly string[] = findFiles(
  "*.md",
  "{docs,spec,examples}/**/*.md",
  "packages/*/README.md",
).filter((file) => !/\/(?:testkit|test-servers)\//.test(file));

/** The file of a document's page: `errors.md` of `docs/errors.md`, `packages/core/index.md` of the package's README. */
export function pageOf(document: string): string {
  return document
    .replace(/^docs\//, "")
    .replace(/(^|\/)README\.md$/, "$1index.md")
    .toLowerCase();
}

/** The address of a document's page: `/errors`, `/packages/core/`. */
export function addressOf(document: string): string {
  return `/${pageOf(document)}`.replace(/(?:(\/)index)?\.md$/, "$1");
}

/**
 * Where a link of a document leads on the site: to a page, or else to the repository.
 *
 * @param document - The file with the link, relative to the repository.
 */
export function linkOf(document: string, target: string): string {
  const repository = repositoryPage();
  const [whole, anchor] = target.split("#");
  const path = whole?.replace(new RegExp(`^${repository}/(?:blob|tree)/main/`), "/") ?? "";
  if (path === "" || /^[a-z][a-z0-9+.-]*:/i.test(path)) return target;
  const file = posix
    .join(path.startsWith("/") ? "." : posix.dirname(document), decodeURI(path))
    .replace(/\/$/, "");
  const page = [file, posix.join(file, "README.md")].find(isPage);
  const hash = anchor === undefined ? "" : `#${anchor}`;
  if (page !== undefined) return addressOf(page) + hash;
  // VitePress reports what is nowhere as a dead link.
  if (!existsSync(join(root, file))) return `/${file}${hash}`;
  return `${repository}/${posix.extname(file) === "" ? "tree" : "blob"}/main/${file}${hash}`;
}

function isPage(file: string): boolean {
  return documents.includes(file) || (existsSync(join(staged, file)) && file.endsWith(".md"));
}
