/**
 * The mistake it stops: sentences that a native reader has to read twice. Each form below was once
 * common in this repository; CONTRIBUTING.md#style shows pairs. Scans Markdown outside of code, and
 * whole TypeScript files, where comments and texts are the only lines that such words fit.
 *
 * Words in code spans are exempt, so that a document can name a form or quote an output.
 *
 * @module
 */
import { withoutCode } from "./markdown.ts";

interface Form {
  readonly found: RegExp;
  readonly better: string;
}

/** A space between two words, wherever the line was broken. */
const words = (pattern: RegExp): RegExp =>
  new RegExp(pattern.source.replaceAll(" ", String.raw`\s+`), "g");

const forms: readonly Form[] = [
  {
    found: words(
      /(?<!\b[Tt]here (?:\w+ )?)\b(?:is|are|was|were|be) no (?!longer\b|one\b|more than\b)\w+/,
    ),
    better: '"is not a …", or "is not …"',
  },
  { found: words(/(?<!\b[Tt]here )\b(?:is|are|was|were) none\b/), better: '"is not one"' },
  {
    found: words(/\bst(?:ands|ood)\b(?! (?:for|in for)\b)/),
    better: '"is", "is written" or "appears"',
  },
  { found: words(/\b(?:told|tells?) apart\b/), better: '"distinguished"' },
  { found: words(/\bfor ever\b/), better: '"forever", "indefinitely" or "never ends"' },
  { found: words(/\bno more(?=[.,;:)"])/), better: '"no longer", or "nothing else"' },
  {
    found: words(/(?<!\bit )\b(?:comes|came) to\b/),
    better: 'the verb itself: "results in", "starts to"',
  },
  { found: words(/\bmakes? one\b(?=[.,;:)"'`]| there\b| here\b)/), better: '"creates it"' },
  { found: words(/, too(?=[.,;:)"])/), better: '"also", before the verb' },
  { found: words(/\bof one that\b/), better: 'the noun: "of a file that"' },
  {
    found: words(/(?<!\b(?:[Uu]ntil|[Bb]y|[Ss]ince|[Ee]ven|[Bb]ack|and)) then[.;]/),
    better: "no closing then",
  },
  { found: words(/\bin clear\b/), better: '"in the clear" or "unencrypted"' },
  { found: words(/\bsheds? load\b/), better: '"is throttling requests"' },
  { found: words(/\bnot so: /), better: '"assertion failed: "' },
  {
    found:
      /\/\*\*\s+(?:\*\s+)?(?:Of|By|As|For|To|From|With|Without|In|On|Under|At(?! most| least))\b/g,
    better: "a sentence or noun phrase that is understood without the name below it",
  },
];

/** Banned forms in a file, one sentence each. */
export function bannedForms(file: string, text: string): string[] {
  const prose = file.endsWith(".md") ? markdownProse(text) : sourceProse(text);
  return forms
    .flatMap(({ found, better }) => [...prose.matchAll(found)].map((match) => ({ match, better })))
    .toSorted((a, b) => a.match.index - b.match.index)
    .map(({ match, better }) => {
      const line = prose.slice(0, match.index).split("\n").length;
      return `${file}:${line}: "${match[0].replaceAll(/\s+/g, " ")}": write ${better}`;
    });
}

function markdownProse(text: string): string {
  return withoutSpans(withoutCode(text)).replaceAll(/\]\([^)\s]*\)/g, "]");
}

/** Comments lose their marks and code spans. Other lines stay whole: there a backtick opens a text. */
function sourceProse(text: string): string {
  const comments = /^([ \t]*)(?:\/\*\*?|\*|\/\/)[^\n]*$(?:\n[ \t]*(?:\*|\/\/)[^\n]*$)*/gm;
  return text.replaceAll(comments, (comment) =>
    withoutSpans(comment.replaceAll(/^([ \t]*)(?:\*(?!\/)|\/\/)/gm, "$1")),
  );
}

/** The text without its code spans, and with all of its lines. */
function withoutSpans(text: string): string {
  return text.replaceAll(/(`+)(?!`)[^]*?[^`]\1(?!`)/g, (span) =>
    span.includes("\n\n") ? span : `\`${span.replaceAll(/[^\n]/g, "")}\``,
  );
}
