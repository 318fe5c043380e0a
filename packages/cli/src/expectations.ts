/**
 * The file of a simulation: a list of questions about permissions, with the answer that is expected.
 *
 * Parsing is strict: a misspelt word must not drop an expectation or change its meaning.
 *
 * @module
 */
import {
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Node,
  type YAMLMap,
} from "yaml";
import { CommandError } from "./errors.ts";
import { readTextInput } from "./inputs.ts";
import type { NewGrant, Question } from "./question.ts";
import type { Ui } from "./ui.ts";

export interface Expectation {
  /** Its line in the file, counted from 1. */
  readonly line: number;
  readonly name?: string | undefined;
  readonly question: Question;
  readonly expect: "allow" | "deny";
  /** The reason of a decision, such as `explicit-deny`. */
  readonly because?: string | undefined;
}

const MAX_BYTES = 2 ** 24;

/**
 * Reads a file of expectations.
 *
 * @param path - `-` for stdin.
 * @throws CommandError `ERR_CLI_USAGE` with line and column for what is not an expectation; `ERR_CLI_FILE`.
 */
export async function readExpectations(ui: Ui, path: string): Promise<Expectation[]> {
  return parseExpectations(path, await readTextInput(ui, path, MAX_BYTES));
}

/** @param path - For errors. */
export function parseExpectations(path: string, text: string): Expectation[] {
  const lines = new LineCounter();
  // JSON is YAML: one parser gives places in both. Words and numbers alike are text here.
  const document = parseDocument(text, { lineCounter: lines, schema: "failsafe" });
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  const [error] = document.errors;
  if (error !== undefined) {
    const [problem = ""] = error.message.split(/ at line |:\n/);
    throw new CommandError("ERR_CLI_USAGE", `${place(error.pos[0])}: ${problem}`);
  }
  const refuse: Refuse = (node, problem) => {
    throw new CommandError(
      "ERR_CLI_USAGE",
      `${place(node?.range?.[0] ?? 0)}: ${problem}`,
      "envelope policy simulate --help shows an example",
    );
  };
  visit(document, {
    Alias: (_, node) => refuse(node, "anchors and aliases are not taken here: write it out"),
  });
  const { contents } = document;
  if (!isSeq(contents)) return refuse(contents, "a list of expectations is required");
  if (contents.items.length === 0) return refuse(contents, "there is no expectation in the list");
  return contents.items.map((item) => {
    const node = isNode(item) ? item : undefined;
    if (!isMap(node))
      return refuse(node, "an expectation is a map: principal, action, key, expect");
    const { line } = lines.linePos(node.range?.[0] ?? 0);
    return readExpectation(node, line, refuse);
  });
}

type Refuse = (node: Node | null | undefined, problem: string) => never;

const MEMBERS = [
  "name",
  "principal",
  "action",
  "key",
  "alias",
  "context",
  "via",
  "conditions",
  "grantTokens",
  "grant",
  "newGrant",
  "expect",
  "because",
] as const;
type Member = (typeof MEMBERS)[number];

function readExpectation(map: YAMLMap, line: number, refuse: Refuse): Expectation {
  const members = membersOf(map, "an expectation", MEMBERS, refuse);
  const text = (name: Member): string | undefined =>
    members.has(name) ? textOf(members.get(name), name, refuse) : undefined;
  const required = (name: Member): string =>
    text(name) ?? refuse(map, `an expectation needs ${name}`);

  const expect = required("expect");
  if (expect !== "allow" && expect !== "deny") {
    refuse(members.get("expect"), "expect is allow or deny");
  }
  const context = members.has("context") ? members.get("context") : undefined;
  const conditions = members.get("conditions");
  const grantTokens = members.get("grantTokens");
  const newGrant = members.get("newGrant");
  return {
    line,
    name: text("name"),
    question: {
      principal: required("principal"),
      action: required("action"),
      key: text("key"),
      alias: text("alias"),
      context: context && toRecord(context, "context", refuse, textOf),
      via: text("via"),
      conditions: conditions && toRecord(conditions, "conditions", refuse, textOrTexts),
      grantTokens: grantTokens && textsOf(grantTokens, "grantTokens", refuse),
      grant: text("grant"),
      newGrant: newGrant && readNewGrant(newGrant, refuse),
    },
    expect: expect === "allow" ? "allow" : "deny",
    because: text("because"),
  };
}

const GRANT_TEXTS = [
  "grantee",
  "granteeService",
  "retiring",
  "retiringService",
  "sourceArn",
] as const;
const GRANT_MEMBERS = ["operations", ...GRANT_TEXTS, "contextEquals", "contextSubset"] as const;

function readNewGrant(node: Node, refuse: Refuse): NewGrant {
  if (!isMap(node)) return refuse(node, "newGrant is a map");
  const members = membersOf(node, "newGrant", GRANT_MEMBERS, refuse);
  const texts = GRANT_TEXTS.flatMap((name) =>
    members.has(name) ? [[name, textOf(members.get(name), name, refuse)] as const] : [],
  );
  const context = (name: "contextEquals" | "contextSubset"): Record<string, string> | undefined => {
    const given = members.get(name);
    return given && toRecord(given, name, refuse, textOf);
  };
  const operations = members.get("operations") ?? refuse(node, "newGrant needs operations");
  return {
    operations: textsOf(operations, "operations", refuse),
    ...Object.fromEntries(texts),
    contextEquals: context("contextEquals"),
    contextSubset: context("contextSubset"),
  };
}

function membersOf(
  map: YAMLMap,
  what: string,
  known: readonly string[],
  refuse: Refuse,
): ReadonlyMap<string, Node> {
  const members = new Map<string, Node>();
  for (const [name, node, at] of pairsOf(map, refuse)) {
    if (!known.includes(name)) {
      refuse(at, `${what} has no ${JSON.stringify(name)}, only ${known.join(", ")}`);
    }
    members.set(name, node);
  }
  return members;
}

function* pairsOf(
  map: YAMLMap,
  refuse: Refuse,
): Generator<readonly [name: string, value: Node, at: Node | undefined]> {
  for (const { key, value } of map.items) {
    const at = isNode(key) ? key : undefined;
    const name = textOf(at, "a name", refuse);
    yield [name, isNode(value) ? value : refuse(at, `${name} has no value`), at];
  }
}

function toRecord<T>(
  node: Node,
  name: string,
  refuse: Refuse,
  read: (node: Node | undefined, name: string, refuse: Refuse) => T,
): Record<string, T> {
  if (!isMap(node)) return refuse(node, `${name} is a map`);
  // Without a prototype: __proto__ is a key like any other.
  const record: Record<string, T> = Object.create(null);
  for (const [key, value] of pairsOf(node, refuse)) {
    record[key] = read(value, `${key} of ${name}`, refuse);
  }
  return record;
}

function textOrTexts(
  node: Node | undefined,
  name: string,
  refuse: Refuse,
): string | readonly string[] {
  return isSeq(node) ? textsOf(node, name, refuse) : textOf(node, name, refuse);
}

function textsOf(node: Node, name: string, refuse: Refuse): readonly string[] {
  if (!isSeq(node)) return refuse(node, `${name} is a list of text`);
  return node.items.map((item) => textOf(isNode(item) ? item : undefined, name, refuse));
}

function textOf(node: Node | undefined, name: string, refuse: Refuse): string {
  if (isScalar(node) && typeof node.value === "string") return node.value;
  return refuse(node, `${name} is text`);
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "range" in value;
}
