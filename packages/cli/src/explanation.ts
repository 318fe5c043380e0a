/**
 * An explanation of a decision as a tree for people: what decided, how every policy, statement and condition
 * evaluated the request, and what would have to be added.
 *
 * @module
 */
import type {
  Addition,
  Check,
  ExplainedGrant,
  ExplainedPolicy,
  ExplainedStatement,
  Explanation,
} from "@env/kms";
import { shortPrincipal, type Realm } from "./arn.ts";
import { printableLine, wrapLine } from "./text.ts";

/** `allowed  key-policy: key policy, statement "Allow use of the key"`, in one line. */
export function drawDecision({ decision }: Explanation): string {
  const { allowed, because, deciding } = decision;
  const decided = deciding === undefined ? "" : `: ${deciding}`;
  return printableLine(`${allowed ? "allowed" : "denied"}  ${because}${decided}`);
}

/**
 * @param realm - That of the keystore: its principals are named short.
 * @param columns - The width of the terminal; `undefined` wraps nothing.
 */
export function drawExplanation(explanation: Explanation, realm: Realm, columns?: number): string {
  const { caller, action, resource, policies, grants } = explanation;
  const sections = [
    [
      drawDecision(explanation),
      printableLine(`  ${shortPrincipal(caller, realm)} asks for ${action} on ${resource}`),
    ],
    ...policies.map(drawPolicy),
    grants.length === 0 ? [] : ["grants", ...grants.flatMap(drawGrant)],
    drawMissing(explanation, realm),
    explanation.hints.map(({ message }) => `hint: ${printableLine(message)}`),
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.map((line) => wrapped(line, columns)).join("\n"))
    .join("\n\n");
}

/** Below the text of the line, behind its mark and label. */
function wrapped(line: string, columns: number | undefined): string {
  const [start = ""] = /^ *(?:[✓✗] (?:[a-z]+ {2,})?|[0-9]+\. |and )?/.exec(line) ?? [];
  return wrapLine(line, columns, Math.max(start.length, 4));
}

function drawPolicy({ policy, statements }: ExplainedPolicy): string[] {
  const name = policy.name === undefined ? "" : ` ${JSON.stringify(policy.name)}`;
  return [printableLine(`${policy.type}${name}`), ...statements.flatMap(drawStatement)];
}

function drawStatement(statement: ExplainedStatement): string[] {
  const { index, sid, effect, matched, deciding, principal, action, resource } = statement;
  const name = sid === undefined || sid === "" ? "" : ` ${JSON.stringify(sid)}`;
  const checks: readonly (readonly [string, Check])[] = [
    ["principal", principal],
    ["action", action],
    ["resource", resource],
    ...(statement.variables === undefined ? [] : [["variables", statement.variables] as const]),
    ...statement.conditions.map((condition) => ["condition", condition] as const),
  ];
  const verdict = `${matched ? "matches" : "does not match"}${deciding ? ", decides" : ""}`;
  return [
    printableLine(`${mark(matched, 2)} statement ${index + 1}${name}, ${effect}: ${verdict}`),
    ...checks.map(([label, check]) =>
      printableLine(`${mark(check.matched, 6)} ${label.padEnd(9)}  ${check.why}`),
    ),
  ];
}

function drawGrant({ grantId, name, matched, deciding, why }: ExplainedGrant): string[] {
  const named = name === undefined ? "" : ` ${JSON.stringify(name)}`;
  const decides = deciding ? ", decides" : "";
  return [printableLine(`${mark(matched, 2)} grant ${grantId}${named}: ${why}${decides}`)];
}

/** What is in the way of a refused request, and what would allow it. */
function drawMissing(
  { decision, deniedBy, nearMisses, suggestions, suggestionsTruncated }: Explanation,
  realm: Realm,
): string[] {
  if (decision.allowed) return [];
  const lines = [
    ...deniedBy.map((title) => `in the way: ${title}`),
    ...nearMisses.map((miss) => `near miss: ${miss}`),
  ].map(printableLine);
  const once = deniedBy.length === 0 ? "" : ", once nothing denies it";
  if (suggestions.length > 0) lines.push(`any one of these would allow it${once}:`);
  for (const [i, { additions }] of suggestions.entries()) {
    for (const [j, addition] of additions.entries()) {
      const number = j === 0 ? `${i + 1}.` : "   and";
      lines.push(printableLine(`  ${number} ${drawAddition(addition, realm)}`));
    }
  }
  if (suggestionsTruncated) {
    lines.push("  More grants are waiting for their token than were tried here.");
  }
  return lines;
}

function drawAddition(addition: Addition, realm: Realm): string {
  if (addition.to === "grants") {
    const grantee = shortPrincipal(addition.grantee, realm);
    const {
      encryptionContextEquals: equals,
      encryptionContextSubset: subset,
      sourceArn,
    } = addition.constraints ?? {};
    const constraints = [
      equals && `EncryptionContextEquals ${JSON.stringify(equals)}`,
      subset && `EncryptionContextSubset ${JSON.stringify(subset)}`,
      sourceArn && `SourceArn ${sourceArn}`,
    ].filter((one) => one !== undefined);
    const only = constraints.length === 0 ? "" : `, constrained to ${constraints.join(" and ")}`;
    return `a grant for ${grantee} with ${addition.operations.join(", ")}${only}`;
  }
  if (addition.to === "grant tokens") return `the grant token of grant ${addition.grantId}`;
  const name = addition.name === undefined ? "" : ` ${JSON.stringify(addition.name)}`;
  // One line with spaces, so that it can be wrapped and still be copied.
  const statement = JSON.stringify(addition.statement, null, 1).replaceAll(/\n */g, " ");
  return `in the ${addition.to}${name}: ${statement}`;
}

function mark(matched: boolean, indent: number): string {
  return `${" ".repeat(indent)}${matched ? "✓" : "✗"}`;
}
