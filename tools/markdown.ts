/**
 * The little of Markdown that the checks need: headings, links and code.
 *
 * @module
 */

export interface Fence {
  /** Line of its first code line, from 1. */
  readonly line: number;
  /** What follows the opening marks: `ts run`. */
  readonly info: string;
  readonly code: string;
}

export interface Heading {
  readonly level: number;
  readonly text: string;
}

export interface Link {
  readonly line: number;
  readonly target: string;
}

/** Fenced code. */
export function fencesOf(markdown: string): Fence[] {
  const fences: Fence[] = [];
  let open: { marks: string; info: string; line: number; code: string[] } | undefined;
  for (const [index, text] of markdown.split("\n").entries()) {
    const match = /^\s*(`{3,}|~{3,})\s*(.*)$/.exec(text);
    const marks = match?.[1] ?? "";
    if (open === undefined) {
      if (match !== null) open = { marks, info: match[2]?.trim() ?? "", line: index + 2, code: [] };
    } else if (marks.startsWith(open.marks) && match?.[2] === "") {
      fences.push({ line: open.line, info: open.info, code: `${open.code.join("\n")}\n` });
      open = undefined;
    } else open.code.push(text);
  }
  if (open !== undefined) throw new Error(`the code that starts in line ${open.line} has no end`);
  return fences;
}

/** Declarations for the `ts` code of a document, in comments `<!-- ts … -->`. */
export function preludeOf(markdown: string): string {
  return [...markdown.matchAll(/^<!-- ts\n([\s\S]*?)^-->/gm)].map((match) => match[1]).join("\n");
}

/** Headings outside of code. */
export function headingsOf(markdown: string): Heading[] {
  return [...withoutCode(markdown).matchAll(/^(#{1,6}) (.+?)\s*#*$/gm)].map((match) => ({
    level: match[1]?.length ?? 0,
    text: match[2] ?? "",
  }));
}

/** The anchors that GitHub gives a document's headings. */
export function anchorsOf(markdown: string): Set<string> {
  const anchors = new Set<string>();
  for (const { text } of headingsOf(markdown)) {
    const slug = slugOf(text.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1"));
    let anchor = slug;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** The anchor that GitHub gives a heading without links, if none before it has the same. */
export function slugOf(text: string): string {
  return text
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, "")
    .replaceAll(" ", "-");
}

/** Targets of links and images outside of code. */
export function linksOf(markdown: string): Link[] {
  const links: Link[] = [];
  for (const [index, text] of withoutCode(markdown).split("\n").entries()) {
    const prose = text.replaceAll(/(`+)(?!`).*?[^`]\1(?!`)/g, "");
    const found = [
      ...prose.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g),
      ...prose.matchAll(/^\[[^\]]+\]:\s+<?([^\s>]+)/g),
    ];
    for (const match of found) links.push({ line: index + 1, target: match[1] ?? "" });
  }
  return links;
}

/** The document with its fenced code emptied, line by line. */
export function withoutCode(markdown: string): string {
  const lines = markdown.split("\n");
  for (const { line, code } of fencesOf(markdown)) {
    const count = code === "\n" ? 0 : code.split("\n").length - 1;
    for (let i = line - 1; i < line - 1 + count; i++) lines[i] = "";
  }
  return lines.join("\n");
}
