/**
 * The mistake it stops: documentation that was true once. All `ts` code in Markdown files is
 * type-checked against the sources. What is marked `sh run` or `ts run` is run, in order and in one
 * folder that is empty at first; programs twice, for a reader runs them again. Every example is run and has its output in `examples/README.md`.
 * Links into the repository and their anchors must lead somewhere, also those in source comments. A
 * package's README is read on npm as well, so its links out of the package are whole addresses. Documents,
 * sources and tools keep to the style list of `style.ts`.
 *
 * Of a document with the comment `<!-- s3: bucket -->`, the code runs with a store in place of Amazon S3, which has
 * that bucket; of one with `<!-- postgres -->`, with a new PostgreSQL that `DATABASE_URL` names. Code marked with a
 * name, as in `ts tables.ts`, is a file that programs and commands find. Code that is not a whole program uses names that a comment in its document declares:
 *
 *     <!-- ts
 *     declare const envelope: import("@env/core").Envelope;
 *     -->
 *
 *     node --conditions=@env/source tools/check-docs.ts
 *     node --conditions=@env/source tools/check-docs.ts --style packages/core spec
 *
 * The second form lists only what the style list finds in these files and folders.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join, posix } from "node:path";
import { command, report } from "./command.ts";
import { brokenCode, brokenExamples } from "./documented-code.ts";
import { anchorsOf, linksOf } from "./markdown.ts";
import { bannedForms } from "./style.ts";
import { findFiles, readText, repositoryPage, root } from "./workspace.ts";

const EXAMPLES = "examples/README.md";

export interface Documents {
  /** The address of the repository's page. */
  readonly repository: string;
  /** Paths relative to the repository. */
  readonly markdown: readonly string[];
  /** TypeScript files, whose comments may refer to documents. */
  readonly sources: readonly string[];
  readonly read: (file: string) => string;
  readonly exists: (file: string) => boolean;
}

/** Links that lead nowhere, one sentence each. */
export function brokenLinks(documents: Documents): string[] {
  const { repository, markdown, sources, read, exists } = documents;
  const found: string[] = [];
  const check = (place: string, file: string, anchor: string | undefined): void => {
    if (!exists(file)) found.push(`${place}: there is no ${file}`);
    else if (anchor !== undefined && file.endsWith(".md") && !anchorsOf(read(file)).has(anchor)) {
      found.push(`${place}: ${file} has no heading for #${anchor}`);
    }
  };
  for (const document of markdown) {
    for (const { line, target } of linksOf(read(document))) {
      const place = `${document}:${line}`;
      const [path = "", anchor] = target.split("#");
      if (/^[a-z][a-z0-9+.-]*:/i.test(target)) {
        const file = fileOf(repository, path);
        if (file !== undefined) check(place, file, anchor);
        continue;
      }
      const file = path === "" ? document : posix.join(posix.dirname(document), path);
      const home = /^packages\/[^/]+\//.exec(document)?.[0];
      if (home !== undefined && !file.startsWith(home)) {
        found.push(`${place}: npm cannot follow ${target}; write ${repository}/blob/main/${file}`);
      }
      check(place, file, anchor);
    }
  }
  for (const source of sources) {
    for (const { file, anchor } of references(read(source))) check(source, file, anchor);
  }
  return found;
}

/** The file that an address of the repository shows; `undefined` for other addresses. */
function fileOf(repository: string, address: string): string | undefined {
  const views = [`${repository}/blob/main/`, `${repository}/tree/main/`];
  const view = views.find((each) => address.startsWith(each));
  return view && address.slice(view.length);
}

/** `spec/envelope-v1.md#encrypting, #decrypting` in a comment: a document and headings of it. */
export function references(text: string): { file: string; anchor: string | undefined }[] {
  const pattern = /\b((?:spec|docs)\/[\w./-]+\.md)((?:,? ?#[\w-]+)*)/g;
  return [...text.matchAll(pattern)].flatMap(([, file = "", anchors = ""]) => {
    const names = [...anchors.matchAll(/#([\w-]+)/g)].map((match) => match[1]);
    return (names.length === 0 ? [undefined] : names).map((anchor) => ({ file, anchor }));
  });
}

await command(import.meta, async ([option, ...places]) => {
  const markdown = findFiles("**/*.md", ".changeset/*.md").filter(
    (file) => !file.endsWith("CHANGELOG.md"),
  );
  const sources = findFiles("packages/*/src/**/*.{ts,tsx}");
  // Tests are left out: their names follow other rules, and those of this check quote the list.
  const tools = findFiles("tools/**/*.ts", "examples/**/*.ts").filter(
    (file) => !file.startsWith("tools/test/"),
  );
  const written = [...markdown, ...sources, ...tools];
  if (option === "--style") {
    const asked = written.filter((file) => places.some((place) => file.startsWith(place)));
    const forms = asked.flatMap((file) => bannedForms(file, readText(file)));
    return report("check-docs", forms, `${asked.length} files have no banned form`);
  }
  const examples = findFiles("examples/*.ts").map((file) => posix.basename(file));
  const exists = (file: string): boolean => existsSync(join(root, file));
  const found = [
    ...written.flatMap((file) => bannedForms(file, readText(file))),
    ...brokenLinks({ repository: repositoryPage(), markdown, sources, read: readText, exists }),
  ];
  const texts = markdown.map((file) => [file, readText(file)] as const);
  found.push(...(await brokenCode(Object.fromEntries(texts))));
  found.push(...(await brokenExamples(EXAMPLES, readText(EXAMPLES), examples)));
  const good = `${markdown.length} documents and ${examples.length} examples are good`;
  return report("check-docs", found, good);
});
