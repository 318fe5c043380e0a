import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  grantAllows as grantAllowsWithin,
  isWithin,
  namedBy,
  retirers,
  type GrantScope,
} from "../../src/policy/grant-match.ts";
import { Meter } from "../../src/policy/meter.ts";
import type { AccessRequest, Grant } from "../../src/policy/request.ts";
import {
  ALICE,
  BOB,
  bob,
  grant,
  NOW,
  request,
  ROLE,
  ROOT,
  session,
  SESSION,
} from "./support/requests.ts";

const grantAllows = (one: Grant, asked: AccessRequest): ReturnType<typeof grantAllowsWithin> =>
  grantAllowsWithin(one, asked, new Meter());

const hash = (token: string): string => createHash("sha256").update(token).digest("hex");

describe("grantAllows", () => {
  it("tells how the grant names the caller", () => {
    expect(grantAllows(grant(), request())).toEqual({ how: "direct" });
    expect(grantAllows(grant({ grantee: ROLE }), request({ caller: session }))).toEqual({
      how: "role",
    });
    expect(grantAllows(grant({ grantee: ROOT }), request())).toEqual({ how: "account" });
  });

  it("tells the first reason why it does not allow", () => {
    const late = grant({
      effective: NOW + 1,
      constraints: { encryptionContextSubset: { a: "1" } },
      tokenHashes: [hash("t")],
    });
    expect(grantAllows(late, request({ action: "kms:Encrypt", caller: bob }))).toEqual({
      miss: "operation",
    });
    expect(grantAllows(late, request({ caller: bob }))).toEqual({ miss: "grantee" });
    expect(grantAllows(late, request({ grantTokens: ["u"] }))).toEqual({
      miss: "not-yet-effective",
    });
    expect(grantAllows(late, request({ grantTokens: ["t"] }))).toEqual({ miss: "constraint" });
    expect(
      grantAllows(late, request({ grantTokens: ["t"], encryptionContext: { a: "1" } })),
    ).toEqual({ how: "direct" });
    const parent = grant({ operations: ["CreateGrant"] });
    expect(grantAllows(parent, request({ action: "kms:CreateGrant" }))).toEqual({
      miss: "child-grant",
    });
  });

  it("has to meet both constraints, if it should have both", () => {
    const both = grant({
      constraints: { encryptionContextEquals: { a: "1" }, encryptionContextSubset: { b: "2" } },
    });
    expect(grantAllows(both, request({ encryptionContext: { a: "1" } }))).toEqual({
      miss: "constraint",
    });
  });

  it("takes a token for the text it is and not for its hash", () => {
    const late = grant({ effective: NOW + 1, tokenHashes: [hash("t")] });
    expect(grantAllows(late, request({ grantTokens: [hash("t")] }))).toEqual({
      miss: "not-yet-effective",
    });
  });
});

it("matches nobody if the name is not a principal", () => {
  for (const principal of ["*", "", "alice", "arn:aws:iam::1:user/x"]) {
    expect(namedBy(principal, request())).toBeUndefined();
  }
});

it("may be retired by the retiring principal, and by the grantee if it says so", () => {
  expect(retirers(grant())).toEqual([]);
  expect(retirers(grant({ retiring: BOB }))).toEqual([BOB]);
  expect(retirers(grant({ retiring: BOB, operations: ["RetireGrant"] }))).toEqual([BOB, ALICE]);
});

describe("isWithin", () => {
  const context = fc.dictionary(fc.constantFrom("a", "A", "b"), fc.constantFrom("1", "2"), {
    maxKeys: 3,
    noNullPrototype: true,
  });
  const constraints = fc.option(
    fc.oneof(
      context.map((encryptionContextEquals) => ({ encryptionContextEquals })),
      context.map((encryptionContextSubset) => ({ encryptionContextSubset })),
    ),
    { nil: undefined },
  );
  const operations = fc.subarray(["Decrypt", "Encrypt"]);
  const scope = fc.tuple(operations, constraints).map(([list, found]): GrantScope => {
    return found === undefined ? { operations: list } : { operations: list, constraints: found };
  });

  it("lets a child do nothing that its parent cannot do", () => {
    fc.assert(
      fc.property(scope, scope, context, (child, parent, encryptionContext) => {
        fc.pre(isWithin(child, parent));
        for (const action of ["kms:Decrypt", "kms:Encrypt"] as const) {
          const asked = request({ action, encryptionContext });
          const byChild = "how" in grantAllows(grant(child), asked);
          const byParent = "how" in grantAllows(grant(parent), asked);
          expect(byChild && !byParent).toBe(false);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it("lets a grant be handed on as it is, and on and on", () => {
    fc.assert(
      fc.property(scope, scope, scope, (a, b, c) => {
        expect(isWithin(a, a)).toBe(true);
        if (isWithin(a, b) && isWithin(b, c)) expect(isWithin(a, c)).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });
});

it("applies to a session that it names as it applies to a user", () => {
  expect(grantAllows(grant({ grantee: SESSION }), request({ caller: session }))).toEqual({
    how: "direct",
  });
});
