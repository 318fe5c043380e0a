/** What a decision costs, in steps: nothing that is accepted may take more than its share. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { decide, judge } from "../../src/policy/decide.ts";
import { DECISION_STEPS, Meter, TooManySteps } from "../../src/policy/meter.ts";
import { arnMatcher, matcher, ONE, tokens, type Token } from "../../src/policy/pattern.ts";
import type { AccessRequest, Grant } from "../../src/policy/request.ts";
import { stepsOf } from "../support/steps.ts";
import {
  A,
  ALICE,
  allow,
  alice,
  grant,
  keyFacts,
  NOW,
  policy,
  request,
  ROLE,
  session,
  withIam,
} from "./support/requests.ts";

const VARIABLES = new URL("../../src/policy/variables.ts", import.meta.url).href;

const forAlice = (Condition: object): string =>
  policy(allow({ Principal: { AWS: ALICE }, Condition }));

/** As many values as a policy has room for. */
const many = (value: string): string[] => {
  const room = 32_000 / (JSON.stringify(value).length + 1);
  return Array.from({ length: Math.floor(room) }, () => value);
};

function metered(asked: AccessRequest): number {
  const meter = new Meter();
  judge(asked, meter);
  return meter.spent;
}

function matchSteps(pattern: readonly Token[], value: string): number {
  const meter = new Meter();
  matcher(pattern)(value, meter);
  return meter.spent;
}

describe("a pattern", () => {
  const LENGTH = 65_536;
  const value = "a".repeat(LENGTH);

  it.each<[string, string]>([
    ["a star and a literal that nearly fits everywhere", `*${"a".repeat(15_000)}b*`],
    ["the same at the end", `*${"a".repeat(15_000)}b`],
    ["question marks behind a star", `*${"?".repeat(15_000)}b*`],
    ["question marks before a star", `${"?".repeat(15_000)}*b*`],
    ["many stars", `${"*a".repeat(5000)}*b`],
    ["runs of stars", `${"*".repeat(30_000)}b*`],
    ["a period that breaks off", `*${"ab".repeat(7000)}c*`],
    ["stars and question marks in turn", `${"*?".repeat(15_000)}b*`],
  ])("takes steps in proportion to pattern and value: %s", (_, text) => {
    expect(matchSteps(tokens(text), value)).toBeLessThan(4 * (LENGTH + text.length));
  });

  it("takes another pass for every literal between question marks", () => {
    const steps = (literals: number): number =>
      matchSteps(tokens(`*${"a?".repeat(literals)}b*`), value);
    expect(steps(20)).toBeLessThan(2.5 * steps(10));
    expect(steps(20)).toBeGreaterThan(15 * LENGTH);
  });

  it("looks at each part of an ARN once", () => {
    const meter = new Meter();
    const pattern = tokens(`a:*${"b?".repeat(3)}*:c:d:e:*`);
    expect(arnMatcher(pattern)(`a:${"b".repeat(LENGTH)}:c:d:e:f`, meter)).toBe(true);
    expect(meter.spent).toBeLessThan(6 * LENGTH);
  });

  it("finds what a literal between question marks leaves room for", () => {
    const segment: Token[] = [...tokens("*"), ONE, "a", ONE, "a", ONE, ...tokens("*c")];
    expect(matcher(segment)("bababc")).toBe(true);
    expect(matcher(segment)("babac")).toBe(false);
    expect(matcher(segment)("\u{1f600}a\u{1f600}a\u{1f600}c")).toBe(true);
  });
});

describe("a policy variable", () => {
  it("is read in one pass, whatever it contains", async () => {
    // Were there two ways to read spaces, this would take an hour. Nothing but the end of its process would stop it.
    const program = `
      import { template, VariableProblem } from ${JSON.stringify(VARIABLES)};
      try {
        template("\${x" + " ".repeat(2_000_000) + ",}", true);
      } catch (error) {
        process.stdout.write(String(error instanceof VariableProblem));
      }`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--conditions=@env/source", "--input-type=module", "--eval", program],
      { timeout: 120_000, killSignal: "SIGKILL" },
    );
    expect(stdout).toBe("true");
  });

  it("is filled in no further than the value is long", () => {
    const text = "${kms:EncryptionContext:a}".repeat(1200);
    const key = keyFacts({ policy: forAlice({ StringLike: { "kms:EncryptionContext:b": text } }) });
    const encryptionContext = { a: "x".repeat(4000), b: "x".repeat(4000) };
    expect(metered(request({ key, encryptionContext }))).toBeLessThan(60_000);
  });

  it("costs the same in a context of many pairs", () => {
    const text = many("${kms:EncryptionContext:b}");
    const key = keyFacts({
      policy: forAlice({ StringEquals: { "kms:EncryptionContext:a": text } }),
    });
    const pairs = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`k${i}`, ""]));
    const encryptionContext = { ...pairs, a: "x", b: "y" };
    expect(metered(request({ key, encryptionContext }))).toBeLessThan(100_000);
  });
});

describe("a decision", () => {
  const context = Object.fromEntries(Array.from({ length: 900 }, (_, i) => [`key${i}`, ""]));

  it.each<[string, AccessRequest]>([
    [
      "a full policy of plain statements",
      request({
        key: keyFacts({
          policy: policy(
            ...many("x")
              .slice(0, 400)
              .map(() => allow({ Principal: "*", Action: "kms:Sign" })),
          ),
        }),
      }),
    ],
    [
      "a full policy of literal values",
      request({
        key: keyFacts({
          policy: forAlice({ StringEquals: { "kms:EncryptionContext:a": many("b") } }),
        }),
        encryptionContext: { a: "x".repeat(8000) },
      }),
    ],
    [
      "150 conditions and a full context",
      request({
        key: keyFacts({
          policy: forAlice({
            StringEqualsIfExists: Object.fromEntries(
              Array.from({ length: 150 }, (_, i) => [`kms:EncryptionContext:c${i}`, "x"]),
            ),
          }),
        }),
        encryptionContext: context,
      }),
    ],
    [
      "thousands of grants with constraints, and a full context",
      request({
        key: keyFacts({
          policy: policy(allow({ Principal: { AWS: ROLE }, Action: "kms:Sign" })),
          grants: Array.from({ length: 2000 }, () =>
            grant({ constraints: { encryptionContextSubset: { a: "1", b: "2", c: "3" } } }),
          ),
        }),
        encryptionContext: context,
      }),
    ],
    [
      "thousands of waiting grants and ten tokens",
      request({
        key: keyFacts({
          policy: policy(allow({ Principal: { AWS: ROLE }, Action: "kms:Sign" })),
          grants: Array.from({ length: 2000 }, () =>
            grant({ effective: NOW + 1, tokenHashes: ["0".repeat(64), "1".repeat(64)] }),
          ),
        }),
        grantTokens: Array.from({ length: 10 }, (_, i) => `token ${i}`),
      }),
    ],
    [
      "grants of a role with a boundary, which is asked once for all of them",
      request({
        caller: {
          ...session,
          boundary: {
            name: "wide",
            text: policy(
              ...many("x")
                .slice(0, 300)
                .map(() => allow({ Action: "kms:Sign" })),
            ),
          },
        },
        key: keyFacts({
          policy: policy(allow({ Principal: { AWS: ALICE } })),
          grants: Array.from({ length: 2000 }, () => grant({ grantee: ROLE })),
        }),
      }),
    ],
  ])("stays far below its limit: %s", (_, asked) => {
    expect(metered(asked)).toBeLessThan(DECISION_STEPS / 5);
  });

  it("looks at each grant token and each pair of the context once, however many grants there are", () => {
    const waiting = { effective: NOW + 1, tokenHashes: ["0".repeat(64)] };
    const constrained = { constraints: { encryptionContextSubset: { a: "1" } } };
    const ask = (more: Partial<Grant>, pairs: number, tokenCount: number): number => {
      const grants = Array.from({ length: 500 }, () => grant(more));
      const key = keyFacts({ policy: policy(allow({ Principal: { AWS: ROLE } })), grants });
      const names = Array.from({ length: pairs }, (_, i) => [`key${i}`, ""]);
      const encryptionContext = Object.fromEntries(names);
      const grantTokens = Array.from({ length: tokenCount }, (_, i) => `token ${i}`);
      const asked = request({ key, encryptionContext, grantTokens });
      return stepsOf(() => decide(asked));
    };
    ask(waiting, 1, 1);
    ask(constrained, 1, 1);
    expect(ask(waiting, 1, 10) - ask(waiting, 1, 1)).toBeLessThan(100);
    expect(ask(constrained, 900, 1) - ask(constrained, 1, 1)).toBeLessThan(20_000);
  });

  it("is a refusal where it would take more, whoever would be let in", () => {
    const patterns = many("*a?b*");
    const key = keyFacts({
      policy: forAlice({ StringNotLike: { "kms:EncryptionContext:a": patterns } }),
    });
    const asked = request({ key, encryptionContext: { a: "a".repeat(8000) } });
    expect(decide(asked)).toEqual({
      allowed: false,
      because: "too-many-steps",
      reason: "because its policies and grants take more than 500000 steps to evaluate",
    });
    expect(decide({ ...asked, encryptionContext: { a: "a" } }).allowed).toBe(true);
  });

  it("is a refusal in the same way where IAM takes too long", () => {
    const patterns = many("*a?b*");
    const caller = withIam(
      alice,
      allow({ Condition: { StringNotLike: { "kms:EncryptionContext:a": patterns } } }),
    );
    const asked = request({ caller, encryptionContext: { a: "a".repeat(8000) } });
    expect(decide(asked).because).toBe("too-many-steps");
  });

  it("takes the same steps every time", () => {
    const asked = request({ caller: withIam(alice, allow()), encryptionContext: { a: A } });
    expect(metered({ ...asked })).toBe(metered(asked));
  });
});

describe("a meter", () => {
  it("ends what spends more than there is", () => {
    const meter = new Meter(10);
    meter.spend(10);
    expect(meter.spent).toBe(10);
    expect(() => meter.spend(1)).toThrow(TooManySteps);
  });
});
