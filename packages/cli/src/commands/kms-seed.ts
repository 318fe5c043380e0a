/**
 * Seeds as text. JSON is YAML, so one parser reads both.
 *
 * @module
 */
import type { SeedDocument } from "@env/kms";
import {
  Document,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
} from "yaml";
import { usageError } from "../errors.ts";
import { printableLine } from "../text.ts";

export interface SeedText {
  /** The parsed value, of any type. */
  readonly value: unknown;
  /**
   * Where in the text the value at a place is, or the name of the member there, as `:3:5`. For what is not
   * there, where it is missing from.
   *
   * @param place - Names and numbers, from the outside inwards.
   */
  readonly position: (place: readonly (string | number)[], of: "name" | "value") => string;
}

/**
 * Reads a seed's text.
 *
 * @param path - For errors, which do not quote the text: there may be key material in it.
 * @throws CommandError `ERR_CLI_USAGE` with line and column.
 */
export function parseSeedText(path: string, text: string): SeedText {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    const { line, col } = lines.linePos(problem.pos[0]);
    const words = problem.code.toLowerCase().replaceAll("_", " ");
    throw usageError(`${path}:${line}:${col}: it is not YAML: ${words}`);
  }
  try {
    return {
      value: document.toJS(),
      position: (place, of) => {
        const { line, col } = lines.linePos(offsetOf(document, place, of));
        return `:${line}:${col}`;
      },
    };
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    throw usageError(`${path}: an alias has no anchor before it, or there are too many aliases`);
  }
}

/** The offset in the text of what is at a place, or of the innermost part of the place that exists. */
function offsetOf(
  document: Document,
  place: readonly (string | number)[],
  of: "name" | "value",
): number {
  let node: unknown = document.contents;
  let offset = startOf(node) ?? 0;
  for (const step of place) {
    if (isAlias(node)) node = node.resolve(document);
    const found = isMap(node)
      ? node.items.find(({ key }) => isScalar(key) && nameOf(key.value) === step)
      : isSeq(node)
        ? node.items[Number(step)]
        : undefined;
    if (found === undefined) return offset;
    const name = isPair(found) ? startOf(found.key) : undefined;
    node = isPair(found) ? found.value : found;
    offset = (of === "name" ? name : undefined) ?? startOf(node) ?? name ?? offset;
  }
  return offset;
}

/** The name that a YAML key becomes: numbers become text, and null an empty name. */
function nameOf(key: unknown): string {
  return typeof key === "string" ? key : key === null ? "" : JSON.stringify(key);
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
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
