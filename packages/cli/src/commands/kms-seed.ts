/**
 * Seeds as text. JSON is YAML, so one parser reads both.
 *
 * @module
 */
import type { SeedDocument } from "@env/kms";
import { Document, isScalar, LineCounter, parseDocument, visit } from "yaml";
import { usageError } from "../errors.ts";
import { printableLine } from "../text.ts";

/**
 * The value of a seed's text, whatever it is.
 *
 * @param path - For errors, which do not quote the text: there may be key material in it.
 * @throws CommandError `ERR_CLI_USAGE` with line and column.
 */
export function parseSeedText(path: string, text: string): unknown {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    const { line, col } = lines.linePos(problem.pos[0]);
    const words = problem.code.toLowerCase().replaceAll("_", " ");
    throw usageError(`${path}:${line}:${col}: it is not YAML: ${words}`);
  }
  try {
    return document.toJS();
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    throw usageError(`${path}: an alias has no anchor before it, or there are too many aliases`);
  }
}

/** A seed as YAML that stays the same when a terminal must not see all of it. */
export function seedText(seed: SeedDocument): string {
  const document = new Document(seed, { aliasDuplicateObjects: false });
  visit(document, {
    Scalar: (_, node) => {
      // What is shown escaped is the same text in double quotes, and only there.
      if (isScalar(node) && typeof node.value === "string" && hidden(node.value)) {
        node.type = "QUOTE_DOUBLE";
      }
    },
  });
  return document.toString({ lineWidth: 0 }).trimEnd();
}

function hidden(text: string): boolean {
  return printableLine(text) !== text;
}
