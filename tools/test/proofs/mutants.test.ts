import { describe, expect, it } from "vitest";
import { mutantsOf } from "../../proofs/mutation/mutants.ts";
import { sampleOf } from "../../proofs/mutation.ts";

const changes = (code: string): string[] => mutantsOf(code).map((mutant) => mutant.code);

describe("mutantsOf", () => {
  it("negates conditions, and takes a negation away", () => {
    expect(changes("if (a) b = c ? d : e;")).toEqual([
      "if (!(a)) b = c ? d : e;",
      "if (a) b = !(c) ? d : e;",
    ]);
    expect(changes("f = !g;")).toEqual(["f = (g);"]);
  });

  it("moves boundaries and exchanges operators", () => {
    expect(changes("a = b < c && d;")).toEqual(["a = b < c || d;", "a = b <= c && d;"]);
  });

  it("drops calls whose result is not used", () => {
    expect(changes("check(a);")).toEqual([";"]);
    expect(changes("const b = check(a);")).toEqual([]);
    expect(changes("async () => { await check(a); }")).toEqual(["async () => { ; }"]);
  });

  it("changes constants", () => {
    expect(changes("a = 16;")).toEqual(["a = (16 + 1);"]);
    expect(changes("a = true;")).toEqual(["a = false;"]);
  });

  it("leaves alone what only the compiler or a person reads", () => {
    expect(changes('type A = 1 | 2; interface B { c: true } import d from "e";')).toEqual([]);
    expect(changes("a = `b` + c;")).toEqual([]);
  });

  it("says where each fault is", () => {
    expect(mutantsOf("a;\n\nb = c === d;")).toEqual([
      { line: 3, original: "===", replacement: "!==", code: "a;\n\nb = c !== d;" },
    ]);
  });
});

describe("sampleOf", () => {
  it("takes each item at most once, in order, and all of them for 0", () => {
    const first = (): number => 0;
    expect(sampleOf(["a", "b", "c"], 2, first)).toEqual(["a", "b"]);
    const last = (limit: number): number => limit - 1;
    expect(sampleOf(["a", "b", "c"], 2, last)).toEqual(["b", "c"]);
    expect(sampleOf(["a", "b", "c"], 0, first)).toEqual(["a", "b", "c"]);
  });
});
