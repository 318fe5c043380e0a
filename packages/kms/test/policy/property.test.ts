/** What holds for any policies and any requests. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { smallestAdditions, type Addition } from "../../src/policy/additions.ts";
import { decide } from "../../src/policy/decide.ts";
import { explain } from "../../src/policy/explain.ts";
import type { Grant } from "../../src/policy/request.ts";
import { A, grant } from "./support/requests.ts";
import {
  allowed,
  changed,
  iamStatement,
  idle,
  keyStatement,
  named,
  place,
  PLACES,
  toRequest,
  world,
  type World,
} from "./support/worlds.ts";

const times = process.env["SLOW"] === undefined ? 1 : 50;
const runs = { numRuns: 500 * times };
/** Cases for which a precondition holds, which few do: the others are not counted. */
const filtered = { numRuns: 100 * times };

describe("decide", () => {
  it("allows nothing more for one more Deny", () => {
    fc.assert(
      fc.property(
        world,
        place,
        keyStatement,
        iamStatement,
        fc.nat(),
        (from, at, forKey, forIam, index) => {
          const deny = { ...(at === "key" ? forKey : forIam), Effect: "Deny" };
          const after = changed(from, at, (of) => of.toSpliced(index % (of.length + 1), 0, deny));
          fc.pre(allowed(after));
          expect(allowed(from)).toBe(true);
        },
      ),
      filtered,
    );
  });

  it("allows nothing more for one Allow less, anywhere", () => {
    fc.assert(
      fc.property(world, place, fc.nat(), (from, at, index) => {
        const after = changed(from, at, (of) => {
          const which = index % of.length;
          return of[which]?.["Effect"] === "Allow" ? of.with(which, idle(at)) : of;
        });
        fc.pre(allowed(after));
        expect(allowed(from)).toBe(true);
      }),
      filtered,
    );
  });

  it("denies nothing more for one grant more", () => {
    fc.assert(
      fc.property(world, (from) => {
        fc.pre(allowed({ ...from, grants: [] }));
        expect(allowed(from)).toBe(true);
      }),
      filtered,
    );
  });

  it("does not depend on the order of statements, grants or policies", () => {
    fc.assert(
      fc.property(world, fc.array(fc.nat(), { minLength: 16, maxLength: 16 }), (from, order) => {
        const shuffle = <T>(list: readonly T[]): T[] =>
          list
            .map((each, index) => [order[index] ?? 0, index, each] as const)
            .toSorted((a, b) => a[0] - b[0] || b[1] - a[1])
            .map(([, , each]) => each);
        let after: World = { ...from, grants: shuffle(from.grants) };
        for (const at of PLACES) after = changed(after, at, shuffle);
        const { allowed: before, because } = decide(toRequest(from));
        expect(decide(toRequest(after))).toMatchObject({ allowed: before, because });
        const split = toRequest(after);
        const policies = shuffle(after.iam).map((statement, index) =>
          named(`p${index}`, [statement]),
        );
        expect(decide({ ...split, caller: { ...split.caller, policies } })).toMatchObject({
          allowed: before,
          because,
        });
      }),
      runs,
    );
  });

  it("is often enough a yes and often enough a no for all this to mean something", () => {
    const becauses = new Set(
      fc.sample(world, { numRuns: 3000, seed: 1 }).map((from) => decide(toRequest(from)).because),
    );
    expect([...becauses].toSorted()).toEqual([
      "account-root",
      "cross-account-not-possible",
      "explicit-deny",
      "grant",
      "key-policy",
      "key-policy-and-iam",
      "no-boundary-allows",
      "no-identity-policy-allows",
      "no-key-policy-allows",
      "no-session-policy-allows",
    ]);
  });
});

describe("explain", () => {
  it("agrees with the decision, in every part", () => {
    fc.assert(
      fc.property(world, (from) => {
        const asked = toRequest(from);
        const decision = decide(asked);
        const { decision: explained, policies, grants, deniedBy } = explain(asked);
        expect(explained).toEqual(decision);
        expect(deniedBy.length > 0).toBe(decision.because === "explicit-deny");
        const statements = policies.flatMap((each) => each.statements);
        for (const {
          matched,
          deciding,
          principal,
          action: on,
          resource: at,
          variables,
          conditions,
        } of statements) {
          const all = [principal, on, at, ...(variables ? [variables] : []), ...conditions];
          expect(matched).toBe(all.every((each) => each.matched));
          if (deciding) expect(matched).toBe(true);
        }
        const deciding = [
          ...statements.filter((each) => each.deciding),
          ...grants.filter((each) => each.deciding),
        ];
        expect(deciding.length > 0).toBe(decision.allowed || decision.because === "explicit-deny");
      }),
      { numRuns: 500 },
    );
  });
});

describe("smallestAdditions", () => {
  const places = {
    "key policy": "key",
    "identity policy": "iam",
    "permissions boundary": "boundary",
    "session policy": "session",
  } as const;
  const add = (from: World, addition: Addition): World => {
    const put = (at: (typeof PLACES)[number], statement: object): World =>
      changed(from, at, (of) => [...of, { ...statement }]);
    if ("statement" in addition) {
      // The worlds have keys and no roles.
      if (addition.to === "trust policy") throw new Error("there is no role");
      return put(places[addition.to], addition.statement);
    }
    if (addition.to === "grants") {
      const { to: _, ...made } = addition;
      return { ...from, grants: [...from.grants, grant(made)] };
    }
    const effective = (one: Grant): Grant =>
      one.grantId === addition.grantId ? grant({ ...one, effective: 0 }) : one;
    return { ...from, grants: from.grants.map(effective) };
  };
  /** All Denies taken out. */
  const withoutDenies = (from: World): World => {
    let after = from;
    for (const at of PLACES) {
      after = changed(after, at, (of) => [
        idle(at),
        ...of.filter((each) => each["Effect"] === "Allow"),
      ]);
    }
    return after;
  };

  it("suggests what does, and nothing that could be left out", () => {
    fc.assert(
      fc.property(world, (from) => {
        const open = withoutDenies(from);
        fc.pre(!allowed(open));
        const { suggestions } = smallestAdditions(toRequest(from));
        const { action, caller, encryptionContext } = from;
        const possible = action !== "kms:PutKeyPolicy" || caller.accountId === A;
        // Names that differ in case alone are one key with several values: no statement can name both.
        const statable = Object.keys(encryptionContext).length < 2;
        expect(suggestions.length > 0 || !statable).toBe(possible || !statable);
        for (const { additions } of suggestions) {
          expect(allowed(additions.reduce(add, open))).toBe(true);
          for (const left of additions) {
            expect(allowed(additions.filter((each) => each !== left).reduce(add, open))).toBe(
              false,
            );
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
