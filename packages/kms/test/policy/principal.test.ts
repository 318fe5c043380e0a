import { describe, expect, it } from "vitest";
import {
  awsPrincipal,
  federatedPrincipal,
  named,
  servicePrincipal,
} from "../../src/policy/principal.ts";
import { A, ALICE, request, ROLE, ROOT, session, SESSION } from "./support/requests.ts";

describe("awsPrincipal", () => {
  it.each([
    ["*", { kind: "everyone" }],
    [A, { kind: "account", accountId: A }],
    [ROOT, { kind: "account", accountId: A }],
    [ALICE, { kind: "arn", arn: ALICE }],
    [ROLE, { kind: "arn", arn: ROLE }],
    [SESSION, { kind: "arn", arn: SESSION }],
    [
      `arn:aws:sts::${A}:federated-user/x`,
      { kind: "arn", arn: `arn:aws:sts::${A}:federated-user/x` },
    ],
  ])("reads %s", (text, principal) => {
    expect(awsPrincipal(text)).toEqual(principal);
  });

  it.each([
    "",
    "alice",
    "1111",
    "**",
    `arn:aws:iam::${A}:user/a*`,
    `arn:aws:iam::${A}:user/a?`,
    `arn:aws:iam::${A}:group/staff`,
    `arn:aws:iam::${A}:user/`,
    `arn:aws:sts::${A}:assumed-role/app`,
    `arn:aws:iam::${A}:policy/x`,
    "AIDAEXAMPLE",
  ])("takes %j for no principal", (text) => {
    expect(awsPrincipal(text)).toBe("not-a-principal");
  });

  it.each([
    "arn:aws:iam::1111:user/alice",
    "arn:aws:iam:us-east-1:111122223333:user/alice",
    `arn:aws:s3:::bucket`,
    "arn:",
    `arn:aws:iam::${A}:`,
  ])("takes %j for no ARN of a principal", (text) => {
    expect(awsPrincipal(text)).toBe("not-an-arn");
  });
});

it("reads services and identity providers", () => {
  expect(servicePrincipal("s3.amazonaws.com")).toEqual({
    kind: "service",
    name: "s3.amazonaws.com",
  });
  expect(servicePrincipal("*")).toBe("not-a-principal");
  expect(servicePrincipal("S3.amazonaws.com")).toBe("not-a-principal");
  expect(federatedPrincipal("accounts.example.com")).toEqual({
    kind: "federated",
    provider: "accounts.example.com",
  });
  expect(federatedPrincipal("")).toBe("not-a-principal");
  expect(federatedPrincipal("*.example.com")).toBe("not-a-principal");
});

it("gives the strongest of several, in any order", () => {
  const account = { kind: "account", accountId: A } as const;
  const role = { kind: "arn", arn: ROLE } as const;
  const own = { kind: "arn", arn: SESSION } as const;
  const asked = request({ caller: session });
  expect(named([account], asked)).toBe("account");
  expect(named([account, role], asked)).toBe("role");
  expect(named([role, account], asked)).toBe("role");
  expect(named([role, own, account], asked)).toBe("direct");
  expect(named([], asked)).toBeUndefined();
});
