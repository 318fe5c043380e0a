/**
 * An explanation of a decision as a tree for people: what decided, every policy, statement and condition with
 * what came of it, and what would have to be added.
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
import { printableLine } from "./text.ts";

/** `allowed  key-policy: key policy, statement "Allow use of the key"`, in one line. */
export function drawDecision({ decision }: Explanation): string {
  const { allowed, because, deciding } = decision;
  const decided = deciding === undefined ? "" : `: ${deciding}`;
  return printableLine(`${allowed ? "allowed" : "denied"}  ${because}${decided}`);
}

/** @param realm - Of the keystore: its principals are named short. */
export function drawExplanation(explanation: Explanation, realm: Realm): string {
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
    .map((lines) => lines.join("\n"))
    .join("\n\n");
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

/** Of a refused request: what is in the way, and what would do. */
function drawMissing(
  { decision, deniedBy, nearMisses, suggestions }: Explanation,
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
  return lines;
}

function drawAddition(addition: Addition, realm: Realm): string {
  if (addition.to === "grants") {
    const grantee = shortPrincipal(addition.grantee, realm);
    return `a grant for ${grantee} with ${addition.operations.join(", ")}`;
  }
  if (addition.to === "grant tokens") return `the grant token of grant ${addition.grantId}`;
  const name = addition.name === undefined ? "" : ` ${JSON.stringify(addition.name)}`;
  return `in the ${addition.to}${name}: ${JSON.stringify(addition.statement)}`;
}

function mark(matched: boolean, indent: number): string {
  return `${" ".repeat(indent)}${matched ? "✓" : "✗"}`;
}
