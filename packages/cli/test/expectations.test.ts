import { describe, expect, it } from "vitest";
import { parseExpectations } from "../src/expectations.ts";

const one = "principal: root, action: ListKeys, expect: allow";

describe("a file of expectations", () => {
  it("is read as YAML, with the line of each", () => {
    const text = `# who may
- { principal: user/alice, action: Decrypt, key: alias/app, context: { tenant: 7 }, expect: allow }

- name: a service
  principal: role/app
  action: CreateGrant
  alias: alias/x
  via: s3
  conditions: { aws:SourceIp: 10.0.0.1, kms:GrantOperations: [Decrypt, Encrypt] }
  grantTokens: [one]
  expect: deny
  because: explicit-deny
`;
    expect(parseExpectations("x.yaml", text)).toEqual([
      {
        line: 2,
        expect: "allow",
        question: {
          principal: "user/alice",
          action: "Decrypt",
          key: "alias/app",
          context: { tenant: "7" },
        },
      },
      {
        line: 4,
        name: "a service",
        question: {
          principal: "role/app",
          action: "CreateGrant",
          alias: "alias/x",
          via: "s3",
          conditions: { "aws:SourceIp": "10.0.0.1", "kms:GrantOperations": ["Decrypt", "Encrypt"] },
          grantTokens: ["one"],
        },
        expect: "deny",
        because: "explicit-deny",
      },
    ]);
  });

  it("may be about a grant, one that is there or one to be made", () => {
    const text = `
- { ${one}, grant: "0f" }
- principal: root
  action: CreateGrant
  newGrant:
    operations: [Decrypt, Encrypt]
    grantee: role/app
    retiring: user/alice
    retiringService: rds.amazonaws.com
    sourceArn: arn:aws:rds:local:000000000000:db:orders
    contextEquals: { tenant: 7 }
  expect: allow
- { ${one}, newGrant: { operations: [Decrypt], contextSubset: { a: b } } }
`;
    const [first, second, third] = parseExpectations("x", text);
    expect(first?.question).toMatchObject({ grant: "0f" });
    expect(second?.question.newGrant).toEqual({
      operations: ["Decrypt", "Encrypt"],
      grantee: "role/app",
      retiring: "user/alice",
      retiringService: "rds.amazonaws.com",
      sourceArn: "arn:aws:rds:local:000000000000:db:orders",
      contextEquals: { tenant: "7" },
    });
    expect(third?.question.newGrant).toEqual({
      operations: ["Decrypt"],
      contextSubset: { a: "b" },
    });
  });

  it.each([
    ["newGrant: 5", "x:1:64: newGrant is a map"],
    ["newGrant: { grantee: a }", "x:1:64: newGrant needs operations"],
    ["newGrant: { operations: Decrypt }", "x:1:78: operations is a list of text"],
    ["newGrant: { operation: [] }", 'x:1:66: newGrant has no "operation", only operations'],
    ["newGrant: { operations: [], contextEquals: 5 }", "x:1:97: contextEquals is a map"],
  ])("names line and column of a grant that is none: %s", (member, problem) => {
    let thrown = "";
    try {
      parseExpectations("x", `[{ ${one}, ${member} }]`);
    } catch (error) {
      thrown = (error as Error).message;
    }
    expect(thrown.slice(0, problem.length)).toBe(problem);
  });

  it("is read as JSON as well", () => {
    const text = JSON.stringify([{ principal: "root", action: "ListKeys", expect: "deny" }]);
    expect(parseExpectations("x.json", text)).toMatchObject([
      { line: 1, question: { principal: "root" }, expect: "deny" },
    ]);
  });

  it("takes a number and a word alike for text, leading zeros and all", () => {
    const [first] = parseExpectations("x", `[{ ${one}, context: { account: 000123, on: yes } }]`);
    expect(first?.question.context).toEqual({ account: "000123", on: "yes" });
  });

  it("takes __proto__ for a key like any other", () => {
    const [first] = parseExpectations("x", `[{ ${one}, context: { __proto__: x } }]`);
    expect(Object.entries(first?.question.context ?? {})).toEqual([["__proto__", "x"]]);
  });

  it.each([
    ["nothing", "", "x:1:1: a list"],
    ["no list", "a: b", "x:1:1: a list"],
    ["an empty list", "[]", "x:1:1: there is no expectation"],
    ["no map", "- x", "x:1:3: an expectation is a map"],
    ["a misspelt word", `- { ${one}, contxt: {} }`, 'x:1:55: an expectation has no "contxt"'],
    ["no principal", "- { action: a, expect: allow }", "x:1:3: an expectation needs principal"],
    ["no action", "- { principal: a, expect: allow }", "x:1:3: an expectation needs action"],
    ["no expect", "- { principal: a, action: b }", "x:1:3: an expectation needs expect"],
    ["another expect", `- { ${one.replace("allow", "yes")} }`, "x:1:48: expect is allow or deny"],
    ["a context that is no map", `- { ${one}, context: a=b }`, "x:1:64: context is a map"],
    ["a context with no text", `- { ${one}, context: { a: [b] } }`, "x:1:69: a of context is text"],
    ["a context without a value", `- { ${one}, context: { a } }`, "x:1:66: a has no value"],
    ["a word without a value", `- { key, ${one} }`, "x:1:5: key has no value"],
    ["tokens that are no list", `- { ${one}, grantTokens: a }`, "grantTokens is a list of text"],
    ["a word twice", `- { ${one}, expect: deny }`, "x:1:55: Map keys must be unique"],
    ["an alias of YAML", `- &a { ${one} }\n- *a`, "x:2:3: anchors and aliases"],
    ["an anchor that holds itself", `- &a [ *a ]`, "x:1:8: anchors and aliases"],
    ["a merge", `- { <<: { action: x }, ${one} }`, 'no "<<"'],
    ["what is no YAML", "- { a", "x:1:"],
    ["two documents", `- { ${one} }\n---\n- { ${one} }`, "x:"],
  ])("with %s is refused, with its place", (_, text, message) => {
    expect(() => parseExpectations("x", text)).toThrow(
      expect.objectContaining({
        code: "ERR_CLI_USAGE",
        message: expect.stringContaining(message),
      }),
    );
  });
});
