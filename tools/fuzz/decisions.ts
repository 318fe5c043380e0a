/**
 * Decisions of the local KMS that take long: policies, encryption contexts and grants as large as the API
 * accepts them, made of what is slow to compare.
 *
 * Whatever the input, a decision takes no more steps than it may, the same steps every time, and a step
 * takes no longer than is said. To read a policy, to lint it and to explain a decision have limits of their
 * own.
 *
 * Source: spec/authorization.md#cost
 *
 * @module
 */
import { isKmsError, lintPolicy } from "@env/kms";
import { judge } from "@env/kms/policy/decide";
import { parsePolicy } from "@env/kms/policy/document";
import { explain } from "@env/kms/policy/explain";
import { DECISION_STEPS, Meter } from "@env/kms/policy/meter";
import type { AccessRequest, Grant } from "@env/kms/policy/request";
import type { Bytes } from "./mutate.ts";
import { Random } from "./random.ts";
import { expect, Finding } from "./targets.ts";

/**
 * Milliseconds of the processor. A decision takes less than 10: ten times as many are a mistake on any
 * machine. Reading and linting 32 KiB takes less than 50, an explanation some 40 decisions.
 */
export const limits = { decide: 100, read: 250, lint: 1000, explain: 4000 } as const;

/** What is fuzzed. The tests put broken ones in its place. */
export interface Engine {
  readonly judge: typeof judge;
  readonly read: (text: string) => unknown;
  readonly lint: (text: string) => unknown;
  readonly explain: (request: AccessRequest) => unknown;
  /** Milliseconds of the processor that this process has used. */
  readonly clock: () => number;
}

export const engine: Engine = {
  judge,
  read: (text) => parsePolicy(text, "key"),
  lint: (text) => lintPolicy(text, "key"),
  explain,
  clock: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
};

/** @param input - The seed of one request, in its first four bytes. */
export function decisions(input: Bytes, { judge: judgeWith, read, lint, ...rest }: Engine): void {
  const seed = new DataView(input.buffer, input.byteOffset).getUint32(0);
  const request = slowRequest(new Random(seed));
  const text = request.key?.policy ?? "";
  const { clock } = rest;
  within("reading a policy", limits.read, clock, () => attempted(() => read(text)));
  if (attempted(() => parsePolicy(text, "key")) === "refused") return;

  const meter = new Meter(DECISION_STEPS);
  const { because } = judgeWith({ ...request }, meter);
  const again = new Meter(DECISION_STEPS);
  judgeWith({ ...request }, again);
  expect(again.spent === meter.spent, "one request takes two numbers of steps");
  expect(
    meter.spent <= DECISION_STEPS || because === "too-many-steps",
    "a decision took more steps than it may",
  );
  within("a decision", limits.decide, clock, () =>
    judgeWith({ ...request }, new Meter(DECISION_STEPS)),
  );
  within("linting", limits.lint, clock, () => lint(text));
  within("an explanation", limits.explain, clock, () => rest.explain({ ...request }));
}

/** The fastest of three counts: the first may have compiled code, and any may have collected garbage. */
function within(what: string, maxMs: number, clock: () => number, run: () => unknown): void {
  let fastest = Infinity;
  for (let tries = 0; tries < 3 && fastest > maxMs; tries += 1) {
    const before = clock();
    run();
    fastest = Math.min(fastest, clock() - before);
  }
  if (fastest > maxMs) throw new Finding(`${what} takes ${Math.round(fastest)} ms`);
}

/** A document that is refused is as good as one that is taken, as long as that is quick. */
function attempted(run: () => unknown): "taken" | "refused" {
  try {
    run();
    return "taken";
  } catch (error) {
    if (isKmsError(error)) return "refused";
    throw error;
  }
}

const ACCOUNT = "111122223333";
const ALICE = `arn:aws:iam::${ACCOUNT}:user/alice`;
const KEY_ARN = `arn:aws:kms:local:${ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab`;
const NOW = 1_700_000_000_000;
const MAX_POLICY_BYTES = 32_768;
const MAX_CONTEXT_BYTES = 8192;

/** What patterns and values are made of: what nearly fits, in many places. */
const PIECES = [
  "a",
  "b",
  "ab",
  "*",
  "?",
  "*a",
  "a?",
  "?*",
  " ",
  ":",
  "arn:a:b:c:d:",
  "${a:b}",
  "${x",
] as const;
const OPERATORS = [
  "StringEquals",
  "StringNotEqualsIgnoreCase",
  "StringLike",
  "StringNotLike",
  "ForAllValues:StringNotLike",
  "ForAnyValue:StringLike",
  "ForAllValues:ArnNotLike",
  "ArnLike",
  "NumericNotEquals",
  "ForAllValues:DateNotEquals",
  "NotIpAddress",
] as const;
const KEYS = [
  "kms:EncryptionContext:a",
  "kms:EncryptionContextKeys",
  "aws:PrincipalArn",
  "aws:unknown",
] as const;

/** A request in which one thing is as large as can be, and the others may be. */
function slowRequest(random: Random): AccessRequest {
  return {
    caller: { arn: ALICE, accountId: ACCOUNT, type: "user" },
    action: "kms:Decrypt",
    resource: KEY_ARN,
    resourceAccount: ACCOUNT,
    key: {
      policy: slowPolicy(random),
      aliases: [],
      tags: {},
      grants: random.chance(20) ? slowGrants(random) : [],
      keySpec: "SYMMETRIC_DEFAULT",
      keyUsage: "ENCRYPT_DECRYPT",
      origin: "AWS_KMS",
    },
    encryptionContext: slowContext(random),
    grantTokens: ["one", "two"],
    now: NOW,
  };
}

/** Pieces one after another, some of them many times. */
function slowText(random: Random, maxChars: number): string {
  let text = "";
  const parts = 1 + random.below(4);
  for (let i = 0; i < parts; i += 1) {
    const most = random.chance(50) ? 2 : maxChars;
    text += random.pick(PIECES).repeat(1 + random.below(most));
  }
  return text.slice(0, maxChars);
}

function slowPolicy(random: Random): string {
  const statement: Record<string, unknown> = {
    Effect: random.chance(70) ? "Allow" : "Deny",
    Principal: { AWS: ALICE },
    Action: "kms:*",
    Resource: "*",
  };
  const room = MAX_POLICY_BYTES - 400;
  const longest = random.pick([5, 20, 1000, room]);
  const full = (make: () => string): string[] => {
    const values: string[] = [];
    for (let left = room; left > 0;) {
      const value = make();
      left -= JSON.stringify(value).length + 1;
      if (left > 0) values.push(value);
    }
    return values.length === 0 ? ["x"] : values;
  };
  const kind = random.below(10);
  if (kind === 0)
    statement["Action"] = full(() => `kms:${slowText(random, 10).replaceAll(/[^a*?]/g, "")}a`);
  else if (kind === 1) statement["Resource"] = full(() => slowText(random, longest));
  else if (kind === 2) statement["Principal"] = { AWS: full(() => ACCOUNT) };
  else if (kind === 3) {
    const keys = full(() => `aws:${slowText(random, 20)}${random.below(2 ** 30)}${"_".repeat(8)}`);
    statement["Condition"] = { StringNotLike: Object.fromEntries(keys.map((key) => [key, "*a"])) };
  } else {
    const same = slowText(random, longest);
    const make = random.chance(50) ? (): string => same : (): string => slowText(random, longest);
    statement["Condition"] = { [random.pick(OPERATORS)]: { [random.pick(KEYS)]: full(make) } };
  }
  return JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
}

function slowContext(random: Random): Record<string, string> {
  if (random.chance(50)) return { a: slowText(random, MAX_CONTEXT_BYTES - 5) };
  const context: Record<string, string> = {};
  const value = slowText(random, 1 + random.below(30));
  for (let left = MAX_CONTEXT_BYTES, i = 0; left > 60; i += 1) {
    const name = `${slowText(random, 5)}${i}`;
    context[name] = value;
    left -= 4 + Buffer.byteLength(name) + value.length;
  }
  return context;
}

function slowGrants(random: Random): Grant[] {
  const waiting = random.chance(50);
  const encryptionContextSubset = Object.fromEntries(
    Array.from({ length: 8 }, (_, i) => [`k${i}`, "x"]),
  );
  return Array.from({ length: 1500 }, (_, i) => ({
    grantId: String(i).padStart(64, "0"),
    created: 0,
    effective: waiting ? NOW + 1 : 0,
    grantee: ALICE,
    issuingAccount: `arn:aws:iam::${ACCOUNT}:root`,
    operations: ["Decrypt"],
    constraints: { encryptionContextSubset },
    tokenHashes: ["0".repeat(64)],
  }));
}
