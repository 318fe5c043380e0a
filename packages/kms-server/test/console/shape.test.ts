import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isKmsError } from "@env/kms";
import { tempKeystore } from "../../../kms/test/support/keystore.ts";
import { ConsoleOperations } from "../../src/console/calls.ts";
import { listOf, mapOf, structure, text, time } from "../../src/console/shape.ts";

const NAMES = [
  "Explain",
  "EffectiveAccess",
  "QueryAudit",
  "CountAudit",
  "VerifyAudit",
  "LintKeyPolicy",
  "KeySummaries",
];

/** Members of all requests, so that most of what is made up is looked into. */
const MEMBERS =
  "Requests principal session action role key otherKey alias encryptionContext grantTokens grantId newGrant conditions operations constraints region tags policies KeyId Limit Marker From To Operations Principal Resource Outcome GroupBy First Anchor Sequence Digest Policy Kind __proto__ constructor";

describe("whatever is sent", () => {
  it("is answered, or refused with a code", async () => {
    const { keystore } = await tempKeystore();
    const operations = new ConsoleOperations(keystore);
    const by = {
      principal: "arn:aws:iam::000000000000:root",
      session: { region: "local" },
      requestId: "1",
    };
    const key = fc.constantFrom(...MEMBERS.split(" "));
    const leaf = fc.oneof(
      fc.jsonValue({ maxDepth: 0 }),
      fc.constantFrom("kms:Decrypt", "day", "key", "alias/a"),
    );
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        leaf,
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(key, tie("value"), { maxKeys: 4 }),
      ),
    }));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...NAMES),
        fc.dictionary(key, value, { maxKeys: 4 }),
        async (name, request) => {
          const call = operations.find(`EnvelopeConsole.${name}`)?.call;
          try {
            expect(await call?.(request, by)).toBeDefined();
          } catch (error) {
            if (!isKmsError(error)) throw error;
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("a reader", () => {
  it("keeps the members that it knows, and takes null for absent", () => {
    const read = structure({ a: text, b: time });
    expect(read({ a: "x", b: null }, "")).toEqual({ a: "x" });
    expect(read({ b: 1 }, "")).toEqual({ b: new Date(1000) });
  });

  it("names the place of what it refuses", () => {
    const read = structure({ list: listOf(structure({ a: text }), 0, 2) });
    expect(() => read({ list: [{}, { a: 1 }] }, "")).toThrow("list[1].a must be text");
    expect(() => read({ list: [{}, {}, {}] }, "")).toThrow("list must be a list of 0 to 2");
    expect(() => read([], "")).toThrow("the request must be a structure");
  });

  it("reads a map without taking its names for those of objects", () => {
    const map = mapOf(text)(JSON.parse('{"__proto__":"a","toString":"b"}'), "map");
    expect(Object.entries(map)).toEqual([
      ["__proto__", "a"],
      ["toString", "b"],
    ]);
    const many = Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [i, "a"]));
    expect(() => mapOf(text)(many, "map")).toThrow("map must have at most 1000 members");
  });
});
