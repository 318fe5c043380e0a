/** The cases of spec/authorization.md, and what they have to be about. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { isKmsError } from "../../src/catalogue/errors.ts";
import { decide } from "../../src/policy/decide.ts";
import { explain } from "../../src/policy/explain.ts";
import { comparisonNames } from "../../src/policy/operators.ts";
import type { AccessRequest } from "../../src/policy/request.ts";
import { cases as namedCases } from "./cases/all.ts";

const specification = readFileSync(
  new URL("../../../../spec/authorization.md", import.meta.url),
  "utf8",
);

const cases = namedCases.map(([, one]) => one);

/** The decision, or the name of the error. */
function outcome(request: AccessRequest): object {
  try {
    const { allowed, because, deciding } = decide(request);
    return { allowed, because, ...(deciding !== undefined && { deciding }) };
  } catch (error) {
    if (!isKmsError(error)) throw error;
    return { error: error.name };
  }
}

describe("a decision, and its explanation", () => {
  const titled = namedCases.map(([name, one]) => [`${name}: ${one.comment}`, one] as const);

  it.each(titled)("%s", (_title, { request, expected }) => {
    expect(outcome(request)).toEqual(
      "allowed" in expected && expected.deciding === undefined
        ? expect.objectContaining(expected)
        : expected,
    );
    if ("allowed" in expected) expect(explain(request).decision).toEqual(decide(request));
  });
});

describe("the cases", () => {
  it("have distinct names", () => {
    expect(new Set(namedCases.map(([name]) => name)).size).toBe(cases.length);
  });

  it("are about every rule of the specification, and about no other", () => {
    const rules = [...specification.matchAll(/^\*\*([A-Z]\d+)\*\*/gm)].map(([, name = ""]) => name);
    const covered = new Set(cases.flatMap((one) => one.rules));
    expect([...covered].toSorted()).toEqual(rules.toSorted());
  });

  it("have every operator hold and fail, plain, with IfExists and with both prefixes", () => {
    const seen = new Set(
      cases.flatMap(({ operators, expected }) =>
        operators.map((name) => `${name} ${"allowed" in expected && expected.allowed}`),
      ),
    );
    const wanted = comparisonNames.flatMap((name) =>
      name === "Null" ? [name] : [name, `${name}IfExists`],
    );
    const prefixed = ["ForAnyValue", "ForAllValues"].flatMap((prefix) =>
      ["StringEquals", "StringNotEquals", "StringEqualsIfExists", "StringLike"].map(
        (name) => `${prefix}:${name}`,
      ),
    );
    for (const name of [...wanted, ...prefixed]) {
      expect(seen).toContain(`${name} true`);
      expect(seen).toContain(`${name} false`);
    }
  });

  it("cover the operators that the specification names, and no others are known", () => {
    const section = /^## Operators$(.*?)^## /ms.exec(specification)?.[1] ?? "";
    const named = new Set(
      [...section.matchAll(/`([A-Za-z]+(?:Equals|Like|Than|IgnoreCase|Address)|Bool|Null)`/g)].map(
        ([, name]) => name,
      ),
    );
    expect(named).toEqual(new Set(comparisonNames));
  });
});
