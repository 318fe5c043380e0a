import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { isKmsError } from "../../src/errors.ts";
import { decide } from "../../src/policy/decide.ts";
import { explain } from "../../src/policy/explain.ts";
import { comparisonNames } from "../../src/policy/operators.ts";
import type { AccessRequest } from "../../src/policy/request.ts";
import { vectors } from "./support/vectors.ts";

const specification = readFileSync(
  new URL("../../../../spec/authorization.md", import.meta.url),
  "utf8",
);

/** The decision, or the name of the error. */
function outcome(request: AccessRequest): object {
  try {
    const { allowed, because, deciding } = decide(request);
    return { allowed, because, ...(deciding === undefined ? {} : { deciding }) };
  } catch (error) {
    if (!isKmsError(error)) throw error;
    return { error: error.name };
  }
}

it.each(vectors)("$name", ({ request, expect: expected, comment }) => {
  const { deciding, ...rest } = expected as { deciding?: string };
  // Where nothing is said of what decided, nothing is asked.
  expect(outcome(request), comment).toEqual(
    deciding === undefined ? expect.objectContaining(rest) : expected,
  );
});

it("are all there", () => {
  expect(vectors).toHaveLength(702);
});

it("are about every rule of the specification", () => {
  const rules = [...specification.matchAll(/^\*\*([A-Z]\d+)\*\*/gm)].map(([, name]) => name);
  const covered = new Set(vectors.flatMap((vector) => vector.rules));
  expect(rules).toHaveLength(63);
  expect(rules.filter((rule) => !covered.has(rule ?? ""))).toEqual([]);
  expect([...covered].filter((rule) => !rules.includes(rule))).toEqual([]);
});

it("lead to sections of the specification", () => {
  const anchors = new Set(
    [...specification.matchAll(/^## (.+)$/gm)].map(([, title = ""]) =>
      title.toLowerCase().replaceAll(" ", "-"),
    ),
  );
  for (const { spec, name } of vectors) {
    expect(anchors, name).toContain(spec.replace("authorization.md#", ""));
  }
});

it("have every operator hold and fail, plain, with IfExists and with both prefixes", () => {
  const seen = new Set(
    vectors.flatMap(({ operators = [], expect: expected }) =>
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

it.each(vectors.filter((vector) => "because" in vector.expect))(
  "$name is explained as it is decided",
  ({ request }) => {
    expect(explain(request).decision).toEqual(decide(request));
  },
);
