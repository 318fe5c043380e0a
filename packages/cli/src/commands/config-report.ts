/**
 * What `envelope config check` found, as a table, or in a narrow terminal as a list.
 *
 * @module
 */
import { endOf, printableLine, table, widthOf, wrapLine } from "../text.ts";

/** One CMK, as printed with `--json`. `null` means that it could not be determined; `problems` says why. */
export interface CheckedCmk {
  readonly provider: string | null;
  /** The key as configured. */
  readonly keyId: string | null;
  /** The canonical id that entries carry. */
  readonly label: string | null;
  readonly reachable: boolean | null;
  readonly mayGenerate: boolean | null;
  readonly mayWrap: boolean | null;
  readonly mayUnwrap: boolean | null;
  readonly mayRewrap: boolean | null;
  readonly keyVersion: string | null;
  readonly latencyMs: number | null;
  readonly problems: readonly CmkProblem[];
}

interface CmkProblem {
  /** `open`, or a check of the adapters' doctors: `reach`, `key`, `generate`, `wrap`, `unwrap`, `rewrap`. */
  readonly check: string;
  readonly code: string;
  /** What is wrong, and the next step. */
  readonly message: string;
}

/** A problem of the configuration as a whole. */
export interface ConfigProblem {
  readonly check: "same key" | "settings" | "minWrapped";
  readonly message: string;
}

export interface CheckedConfig {
  readonly environment: string;
  readonly ok: boolean;
  /** The CMKs in the configured order. */
  readonly cmks: readonly CheckedCmk[];
  readonly problems: readonly ConfigProblem[];
  readonly crypto: UsedCrypto;
}

/** The crypto backend of this process. */
interface UsedCrypto {
  readonly name: string;
  readonly version: string;
  /** Why `@env/native` is not used although it is installed; `null` without that problem. */
  readonly problem: string | null;
}

/** @param columns - The width of the terminal; `undefined` for a pipe, which has no limit. */
export function drawReport(report: CheckedConfig, columns: number | undefined): string {
  const { cmks, environment, problems, ok, crypto } = report;
  return [
    drawCmks(cmks, columns),
    ...cmks.flatMap((cmk, index) => drawProblems(cmk, index, columns)),
    ...(problems.length === 0 ? [] : ["", "configuration"]),
    ...problems.map(({ check, message }) => problemLine(check, message, columns)),
    "",
    printableLine(`${environment}: ${ok ? "no problems" : "problems found"}`),
    printableLine(cryptoLine(crypto)),
  ].join("\n");
}

function cryptoLine({ name, version, problem }: UsedCrypto): string {
  const used = `crypto: ${name} (${version})`;
  return problem === null ? used : `${used}; @env/native does not load: ${problem}`;
}

const HEAD = [
  "CMK",
  "PROVIDER",
  "KEY",
  "REACHABLE",
  "GENERATE",
  "WRAP",
  "UNWRAP",
  "REWRAP",
  "VERSION",
  "LATENCY",
];
const KEY = 2;
/** A key that is cut to fewer characters is not recognisable. */
const MIN_KEY = 20;
/** AWS KMS names versions by 64 hex digits. The JSON has all of them. */
const MAX_VERSION = 12;

function drawCmks(cmks: readonly CheckedCmk[], columns: number | undefined): string {
  const rows = cmks.map((cmk, index) => cellsOf(cmk, index));
  const whole = table(HEAD, rows);
  const excess = columns === undefined ? 0 : Math.max(...whole.split("\n").map(widthOf)) - columns;
  if (excess <= 0) return whole;
  const longest = Math.max(...rows.map((row) => row[KEY]?.length ?? 0));
  const room = longest - excess;
  if (room < MIN_KEY) return rows.map(drawList).join("\n\n");
  const shortened = rows.map((row) => row.map((cell, i) => (i === KEY ? endOf(cell, room) : cell)));
  return table(HEAD, shortened);
}

function cellsOf(cmk: CheckedCmk, index: number): string[] {
  const { provider, keyId, keyVersion, latencyMs } = cmk;
  return [
    String(index + 1),
    provider ?? "?",
    printableLine(keyId ?? "?"),
    ...[cmk.reachable, cmk.mayGenerate, cmk.mayWrap, cmk.mayUnwrap, cmk.mayRewrap].map(wordOf),
    keyVersion === null ? "?" : startOf(keyVersion, MAX_VERSION),
    latencyMs === null
      ? "?"
      : `${latencyMs < 10 ? latencyMs.toFixed(1) : Math.round(latencyMs)} ms`,
  ];
}

function drawList(cells: readonly string[]): string {
  const lines = cells.map((cell, column) => `${HEAD[column]?.toLowerCase().padEnd(9)}  ${cell}`);
  return [`CMK ${cells[0]}`, ...lines.slice(1).map((line) => `  ${line}`)].join("\n");
}

function wordOf(answer: boolean | null): string {
  return answer === null ? "?" : answer ? "yes" : "no";
}

function problemLine(check: string, message: string, columns: number | undefined): string {
  return wrapLine(printableLine(`  ${check}: ${message}`), columns, 4);
}

/** Several checks that failed alike are one line. */
function drawProblems(
  { provider, keyId, problems }: CheckedCmk,
  index: number,
  columns: number | undefined,
): string[] {
  if (problems.length === 0) return [];
  const checks = new Map<string, string[]>();
  for (const { check, code, message } of problems) {
    const said = `${message} (${code})`;
    checks.set(said, [...(checks.get(said) ?? []), check]);
  }
  const name = [`CMK ${index + 1}`, provider ?? "", keyId ?? ""].join(" ").trim();
  const lines = [...checks].map(([said, of]) => problemLine(of.join(", "), said, columns));
  return ["", printableLine(name), ...lines];
}

function startOf(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
