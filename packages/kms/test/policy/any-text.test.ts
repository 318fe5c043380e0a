/** What parsing and linting make of any text. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isKmsError } from "../../src/catalogue/errors.ts";
import { parsePolicy } from "../../src/policy/document.ts";
import { lintPolicy } from "../../src/policy/lint.ts";
import { policy } from "./support/requests.ts";
import { keyStatement, some } from "./support/worlds.ts";

describe("parsePolicy", () => {
  /** JSON that is nearly a policy: one value in one replaced. */
  const nearly = fc
    .tuple(some(keyStatement), fc.jsonValue({ maxDepth: 2 }), fc.nat())
    .map(([statements, value, where]) => {
      let left = where % 40;
      return JSON.stringify({ Version: "2012-10-17", Statement: statements }, (_, each: unknown) =>
        left-- === 0 ? value : each,
      );
    })
    .filter((text) => text !== undefined);
  const text = fc.oneof(fc.json(), fc.string(), nearly);
  const kind = fc.constantFrom("key" as const, "identity" as const);

  it("throws nothing but refusals, on any text", () => {
    fc.assert(
      fc.property(text, kind, (each, of) => {
        try {
          parsePolicy(each, of);
        } catch (error) {
          expect(isKmsError(error)).toBe(true);
          expect([
            "MalformedPolicyDocumentException",
            "LimitExceededException",
            "InvalidArnException",
          ]).toContain((error as Error).name);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it("refuses what the linter has an error of the document for, and nothing else", () => {
    const documentRules = new Set([
      "policy-size",
      "policy-characters",
      "json",
      "structure",
      "unknown-element",
      "missing-element",
      "invalid-principal",
      "invalid-action",
      "invalid-resource",
      "unknown-operator",
      "invalid-value",
      "invalid-variable",
      "duplicate-sid",
      "for-all-values-on-single-value",
    ]);
    fc.assert(
      fc.property(text, kind, (each, of) => {
        let refused = false;
        try {
          parsePolicy(each, of);
        } catch {
          refused = true;
        }
        expect(lintPolicy(each, of).some(({ code }) => documentRules.has(code))).toBe(refused);
      }),
      { numRuns: 3000 },
    );
  });

  it("takes every policy that the others here are made of", () => {
    fc.assert(
      fc.property(some(keyStatement), (statements) => {
        expect(parsePolicy(policy(...statements), "key").statements).toHaveLength(
          statements.length,
        );
      }),
    );
  });
});
