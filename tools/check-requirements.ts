/**
 * Which test holds which requirement of `spec/*.md`.
 *
 * The mistake it stops: a requirement that nothing would notice if it were broken. Each MUST and SHOULD has an id,
 * and the test that fails without it names that id: `// Requirements: E12, E13` directly above the test, or above
 * the case that a vector comes from. spec/README.md says how ids are given.
 *
 *     node tools/check-requirements.ts           the check, and a table per document
 *     node tools/check-requirements.ts E12 F4    the text of these requirements, and where they are tested
 *
 * @module
 */
import { command, report } from "./command.ts";
import { withoutCode } from "./markdown.ts";
import { findFiles, readText } from "./workspace.ts";

export interface Requirement {
  readonly id: string;
  /** `spec/envelope-v1.md:53` */
  readonly place: string;
  readonly level: "MUST" | "SHOULD";
  readonly text: string;
}

/** A test that says which requirement it is about. */
export interface Mention {
  readonly id: string;
  readonly place: string;
}

interface Block {
  readonly line: number;
  readonly text: string;
}

const KEYWORD = /\b(?:MUST|SHOULD)\b/;
const LIST_ITEM = /^\s*(?:-|\d+\.) /;
/** The name of a rule, which is about the whole paragraph: `**D4** If the caller …`. */
const RULE = /^\*\*([A-Z]\d+)\*\*/;
/** An id behind a requirement, and not a link to one. */
const ID = /\[([A-Z]\d+)\](?!\()/;
const MENTION = /^\s*\/\/ Requirements: (.*)$/;
const TEST = /^\s*(?:it|describe)(?:\.(?:each|for|skipIf|runIf)\b.*)?[(<]/;
const VECTOR = /^\s*(?:"[\w-]+"|\w+): \w*\(/;

/** The requirements of a document, and what is wrong with their ids. */
export function requirementsOf(
  file: string,
  markdown: string,
): { requirements: Requirement[]; findings: string[] } {
  const requirements: Requirement[] = [];
  const findings: string[] = [];
  const blocks = blocksOf(markdown);
  let lead: string | undefined;
  for (const [index, { line, text }] of blocks.entries()) {
    if (text.includes("RFC 2119")) continue;
    const place = `${file}:${line}`;
    const add = (id: string, requirement: string, keywords: string): void => {
      const level = /\bMUST\b/.test(keywords) || !KEYWORD.test(keywords) ? "MUST" : "SHOULD";
      requirements.push({ id, place, level, text: requirement.trim() });
    };
    const rule = RULE.exec(text)?.[1];
    if (rule !== undefined) {
      add(rule, text, text);
      continue;
    }
    if (!LIST_ITEM.test(text)) lead = undefined;
    const [first = "", ...rest] = text.split(ID);
    let piece = first;
    for (let i = 0; i < rest.length; i += 2) {
      const id = rest[i] ?? "";
      if (lead === undefined && !KEYWORD.test(piece))
        findings.push(`${place}: [${id}] is not behind a MUST or SHOULD`);
      else add(id, piece, `${lead ?? ""} ${piece}`);
      piece = rest[i + 1] ?? "";
    }
    // What a sentence requires of the list below it has an id at each of the items.
    const items = LIST_ITEM.test(blocks[index + 1]?.text ?? "");
    if (KEYWORD.test(piece) && piece.endsWith(":") && items) lead = piece;
    else if (KEYWORD.test(piece) || (lead !== undefined && rest.length === 0))
      findings.push(`${place}: a requirement without an id: ${piece.trim()}`);
  }
  return { requirements, findings };
}

/** Paragraphs, list items and rows of tables, each in one line. */
function blocksOf(markdown: string): Block[] {
  const blocks: { line: number; text: string }[] = [];
  let open: { line: number; text: string } | undefined;
  for (const [index, text] of withoutCode(markdown).split("\n").entries()) {
    if (text.trim() === "" || /^[#|]/.test(text)) open = undefined;
    else if (open === undefined || LIST_ITEM.test(text))
      blocks.push((open = { line: index + 1, text }));
    else open.text += ` ${text.trim()}`;
    if (text.startsWith("|")) blocks.push({ line: index + 1, text });
  }
  return blocks;
}

/** What the comments of a file with tests name, and which of these comments say nothing. */
export function mentionsIn(
  file: string,
  source: string,
): { mentions: Mention[]; findings: string[] } {
  const mentions: Mention[] = [];
  const findings: string[] = [];
  const lines = source.split("\n");
  const subject = file.endsWith(".test.ts") ? TEST : VECTOR;
  for (const [index, line] of lines.entries()) {
    const place = `${file}:${index + 1}`;
    const list = MENTION.exec(line)?.[1];
    if (list === undefined) {
      if (/^\s*\/[/*]+ ?requirements?:/i.test(line))
        findings.push(`${place}: write "// Requirements: E1, E2"`);
      continue;
    }
    const below = lines.slice(index + 1).find((next) => !MENTION.test(next)) ?? "";
    if (!subject.test(below)) findings.push(`${place}: is not directly above a test`);
    for (const id of list.split(", ")) mentions.push({ id, place });
  }
  return { mentions, findings };
}

/** The rules that the cases of the authorization say they are about: `decides("M4 P1", …)`. */
export function rulesIn(file: string, source: string): Mention[] {
  return source
    .split("\n")
    .flatMap((line, index) =>
      [...line.matchAll(/"([A-Z]\d+(?: [A-Z]\d+)*)"/g)].flatMap(([, rules = ""]) =>
        rules.split(" ").map((id) => ({ id, place: `${file}:${index + 1}` })),
      ),
    );
}

/** Ids that are given twice, named but not given, or required but not tested. */
export function gaps(requirements: readonly Requirement[], mentions: readonly Mention[]): string[] {
  const places = new Map<string, string>();
  const findings: string[] = [];
  for (const { id, place } of requirements) {
    const first = places.get(id);
    if (first !== undefined) findings.push(`${place}: ${id} is also at ${first}`);
    else places.set(id, place);
  }
  for (const { id, place } of mentions)
    if (!places.has(id)) findings.push(`${place}: no specification has a requirement "${id}"`);
  const tested = new Set(mentions.map(({ id }) => id));
  for (const { id, place, level, text } of requirements)
    if (level === "MUST" && !tested.has(id))
      findings.push(`${place}: no test names ${id}: ${text}`);
  return findings;
}

/** How many requirements of each document a test names. */
export function coverage(
  requirements: readonly Requirement[],
  mentions: readonly Mention[],
): string[] {
  const tested = new Set(mentions.map(({ id }) => id));
  const documentOf = ({ place }: Requirement): string => place.replace(/:\d+$/, "");
  const documents = [...new Set(requirements.map(documentOf))];
  const width = Math.max(...documents.map((name) => name.length));
  return documents.map((document) => {
    const count = (level: string): string => {
      const all = requirements.filter((one) => documentOf(one) === document && one.level === level);
      return `${all.filter(({ id }) => tested.has(id)).length} of ${all.length} ${level}`;
    };
    return `${document.padEnd(width)}  ${count("MUST").padEnd(14)}  ${count("SHOULD")}`;
  });
}

await command(import.meta, (ids) => {
  const documents = findFiles("spec/*-v*.md", "spec/authorization.md").map((file) =>
    requirementsOf(file, readText(file)),
  );
  const tests = findFiles(
    "packages/*/test/**/*.test.ts",
    "tools/test/**/*.test.ts",
    "tools/gen-vectors/cases/*.ts",
  ).map((file) => mentionsIn(file, readText(file)));
  const cases = findFiles("packages/kms/test/policy/cases/*.ts");

  const requirements = documents.flatMap((document) => document.requirements);
  const mentions = [
    ...tests.flatMap((test) => test.mentions),
    ...cases.flatMap((file) => rulesIn(file, readText(file))),
  ];
  for (const { id, place, level, text } of requirements) {
    if (!ids.includes(id)) continue;
    console.log(`${id} (${level}) ${place}\n  ${text}`);
    for (const mention of mentions) if (mention.id === id) console.log(`    ${mention.place}`);
  }
  const findings = [
    ...[...documents, ...tests].flatMap((source) => source.findings),
    ...gaps(requirements, mentions),
  ];
  for (const line of ids.length === 0 ? coverage(requirements, mentions) : []) console.log(line);
  return report("check-requirements", findings, `${requirements.length} requirements`);
});
