import { describe, expect, it } from "vitest";
import { ANY, ONE } from "../../src/policy/pattern.ts";
import {
  filled,
  plainTemplate,
  template,
  VariableProblem,
  variablesOf,
} from "../../src/policy/variables.ts";

describe("template", () => {
  it("takes text, wildcards and variables apart", () => {
    expect(template("a*${aws:userName}?${*}${?}${$}", true).filter((part) => part !== "")).toEqual([
      "a",
      ANY,
      { key: "aws:username", fallback: undefined },
      ONE,
      "*",
      "?",
      "$",
    ]);
  });

  it("leaves stars alone where there are no wildcards", () => {
    expect(template("a*", false)).toEqual(["a*"]);
  });

  it("reads a default, spaces in it and around it", () => {
    const text = "${ aws:PrincipalTag/My Team , 'a b, c' }";
    expect(variablesOf(template(text, true))).toEqual([
      { key: "aws:principaltag/my team", fallback: "a b, c" },
    ]);
    expect(variablesOf(template("${a:b, ''}", true))).toEqual([{ key: "a:b", fallback: "" }]);
  });

  it.each(["${", "${a", "a${b:c}${", "${}", "${ }", "${a${b}}", "${a, b}", "${a, 'b}", "${'a'}"])(
    "refuses %j",
    (text) => {
      expect(() => template(text, true)).toThrow(VariableProblem);
    },
  );

  it("takes a lone dollar sign and braces for text", () => {
    expect(template("$a {b} }", true)).toEqual(["$a {b} }"]);
  });
});

it("knows no variables in a plain template", () => {
  expect(plainTemplate("${a:b}*", true)).toEqual(["${a:b}", ANY]);
  expect(plainTemplate("${a:b}*", false)).toEqual(["${a:b}*"]);
});

it("fills variables with text that stays text", () => {
  expect(filled(template("x${a:b}*", true), ({ key }) => `<${key}*>`)).toEqual(
    ["x", "<a:b*>", "", ANY].filter((part) => part !== ""),
  );
});
