import { expect, it } from "vitest";
import { comparisonNames, operatorNamed } from "../../src/policy/operators.ts";
import { plainTemplate } from "../../src/policy/variables.ts";

/** Whether the comparison itself says that the two fit, negation aside; undefined: no such operand. */
function fits(operator: string, expected: string, actual: string): boolean | undefined {
  const comparison = operatorNamed(operator)?.comparison;
  if (comparison === undefined || comparison === "Null") throw new Error(operator);
  const operand = comparison.operand(plainTemplate(expected, comparison.wildcards));
  return operand?.(actual, () => "");
}

it("knows 27 comparisons", () => {
  expect(comparisonNames).toHaveLength(27);
});

it("takes an operator's name apart", () => {
  expect(operatorNamed("ForAllValues:StringNotLikeIfExists")).toMatchObject({
    name: "ForAllValues:StringNotLikeIfExists",
    set: "all",
    ifExists: true,
    comparison: { type: "String", negated: true, wildcards: true },
  });
  expect(operatorNamed("Bool")).toMatchObject({ set: undefined, ifExists: false });
  expect(operatorNamed("ForAnyValue:ArnEquals")).toMatchObject({ set: "any", ifExists: false });
});

it.each([
  "",
  "stringEquals",
  "StringEqual",
  "StringEquals ",
  "IfExists",
  "BoolIfExistsIfExists",
  "NullIfExists",
  "ForAnyValue:Null",
  "ForAnyValue:",
  "ForEachValue:Bool",
  "BoolNot",
  "NotBool",
  "NumericLessNotThanEquals",
  "constructor",
])("knows no operator %j", (name) => {
  expect(operatorNamed(name)).toBeUndefined();
});

it("negates by name alone: the comparison is the same", () => {
  expect(fits("StringNotEquals", "a", "a")).toBe(true);
  expect(operatorNamed("NotIpAddress")).toMatchObject({ comparison: { negated: true } });
  expect(operatorNamed("DateNotEquals")).toMatchObject({ comparison: { negated: true } });
  expect(operatorNamed("NumericLessThanEquals")).toMatchObject({ comparison: { negated: false } });
});

it.each([
  ["2026", "2026-01-01T00:00:00Z"],
  ["2026-03", "2026-03-01T00:00:00Z"],
  ["2026-03-04", "2026-03-04T00:00Z"],
  ["2026-03-04T05:06Z", "2026-03-04T05:06:00.000Z"],
  ["2026-03-04T05:06:07.125+02:00", "2026-03-04T03:06:07.125Z"],
  ["1700000000", "2023-11-14T22:13:20Z"],
  ["1700000000.5", "2023-11-14T22:13:20.5Z"],
])("takes %s for the time %s", (a, b) => {
  expect(fits("DateEquals", a, b)).toBe(true);
  expect(fits("DateEquals", b, a)).toBe(true);
});

it.each([
  "now",
  "2026-13-01",
  "2026-1-1",
  "2026-01-01T00:00",
  "2026-01-01 00:00Z",
  "01/02/2026",
  "",
])("takes %j for no time", (text) => {
  expect(fits("DateEquals", text, text)).toBeUndefined();
  expect(fits("DateGreaterThan", "1970", text)).toBe(false);
});

it.each(["", " 1", "1 ", "0x1", "1,5", "Infinity", "NaN", "1e", "--1"])(
  "takes %j for no number",
  (text) => {
    expect(fits("NumericEquals", text, text)).toBeUndefined();
    expect(fits("NumericGreaterThan", "-1", text)).toBe(false);
  },
);

it("takes padded base64 alone for bytes", () => {
  expect(fits("BinaryEquals", "QQ==", "QQ==")).toBe(true);
  expect(fits("BinaryEquals", "QQ", "QQ")).toBeUndefined();
  expect(fits("BinaryEquals", "Q*==", "Q*==")).toBeUndefined();
});

it("takes a pattern with fewer than six parts for no ARN, unless a variable may bring more", () => {
  const comparison = operatorNamed("ArnLike")?.comparison;
  if (comparison === undefined || comparison === "Null") throw new Error("no ArnLike");
  expect(comparison.operand(plainTemplate("arn:aws:s3:*", true))).toBeUndefined();
  const variable = { key: "aws:sourcearn", fallback: undefined };
  const operand = comparison.operand([variable]);
  expect(operand?.("arn:aws:s3:::b", () => "arn:aws:s3:::b")).toBe(true);
  expect(operand?.("arn:aws:s3:::b", () => "arn:aws:s3:::*")).toBe(false);
});
