/**
 * D3: the context is bound exactly, every byte of every key and value.
 *
 * @module
 */
import { encodeEncryptionContext, type Context } from "@env/core";
import { random } from "../bytes.ts";
import {
  context,
  forEach,
  kmsContext,
  opens,
  refusedBy,
  refuses,
  wrappedByFirst,
} from "../check.ts";
import type { CaseDefinition } from "../harness.ts";

interface Pair {
  readonly what: string;
  readonly made: Context;
  readonly asked: Context;
}

const long = Object.fromEntries(
  Array.from({ length: 31 }, (_, i) => [`k${String(i).padStart(2, "0")}`, "v".repeat(120)]),
);

const pairs: readonly Pair[] = [
  { what: "another value", made: context, asked: { ...context, tenant: "evil" } },
  { what: "another key", made: { tenant: "acme" }, asked: { tenants: "acme" } },
  { what: "a smaller context", made: context, asked: { tenant: "acme" } },
  { what: "a larger context", made: context, asked: { ...context, admin: "true" } },
  { what: "no context", made: context, asked: {} },
  { what: "a context where there was none", made: {}, asked: context },
  { what: "an empty value for an absent pair", made: {}, asked: { tenant: "" } },
  { what: "an absent pair for an empty value", made: { tenant: "" }, asked: {} },
  { what: "a value of another case", made: { tenant: "acme" }, asked: { tenant: "Acme" } },
  { what: "a key of another case", made: { tenant: "acme" }, asked: { Tenant: "acme" } },
  { what: "a value with a space behind", made: { tenant: "acme" }, asked: { tenant: "acme " } },
  { what: "a value with a NUL behind", made: { tenant: "acme" }, asked: { tenant: "acme\0" } },
  { what: "a value cut short", made: { tenant: "acme" }, asked: { tenant: "acm" } },
  { what: "swapped values", made: { a: "1", b: "2" }, asked: { a: "2", b: "1" } },
  { what: "a key swapped with its value", made: { a: "b" }, asked: { b: "a" } },
  { what: "a moved boundary of key and value", made: { a: "bc" }, asked: { ab: "c" } },
  { what: "a moved boundary of two pairs", made: { a: "b", c: "d" }, asked: { a: "bcd" } },
  { what: "a combining accent for a letter", made: { c: "\u00E9" }, asked: { c: "e\u0301" } },
  { what: "a letter that shares its low byte", made: { c: "A" }, asked: { c: "\u0141" } },
  { what: "another emoji", made: { c: "😀" }, asked: { c: "😁" } },
  { what: "a number spelt otherwise", made: { n: "1" }, asked: { n: "1.0" } },
  {
    what: "the last byte of a long context altered",
    made: long,
    asked: { ...long, k30: `${"v".repeat(119)}w` },
  },
  {
    what: "a context without a pair named __proto__",
    made: JSON.parse('{"tenant":"acme","__proto__":"evil"}'),
    asked: { tenant: "acme" },
  },
];

/** What joins pairs, or a key with its value, in ambiguous encodings. */
const separators: readonly (readonly [pair: string, value: string])[] = [
  [",", "="],
  ["&", "="],
  [";", ":"],
  ["\n", ": "],
  ["\0", "\0"],
  ['","', '":"'],
];

export const contextCases: readonly CaseDefinition[] = [
  ...pairs.map(({ what, made, asked }): CaseDefinition => ({
    clause: "D3",
    name: `unwrap refuses ${what}`,
    async run(setup) {
      const { cmk, entry, key } = await wrappedByFirst(setup, made);
      await refuses("ERR_ENVELOPE_KMS_REJECTED", what, () =>
        cmk.unwrapDataKey(entry, { context: asked }),
      );
      await opens(cmk, entry, key, { context: made, what: "the right context still opens it" });
    },
  })),
  {
    clause: "D3",
    name: "unwrap refuses a value that spells out a further pair",
    async run(setup) {
      const { cmk, entry } = await wrappedByFirst(setup, { a: "1", b: "2" });
      await forEach(separators, async ([pair, value]) => {
        const asked = { a: `1${pair}b${value}2` };
        await refuses("ERR_ENVELOPE_KMS_REJECTED", JSON.stringify(asked), () =>
          cmk.unwrapDataKey(entry, { context: asked }),
        );
      });
    },
  },
  {
    clause: "D3",
    // Otherwise another application with the same key and context would be an oracle for data keys.
    name: "unwrap refuses a context without the pair env:format",
    async run({ first }) {
      const bound = kmsContext(context);
      const { wrapped } = await first.wrap({
        plaintext: random(32),
        context: bound,
        signal: undefined,
      });
      for (const other of [context, { ...context, "env:format": "2" }]) {
        const request = { wrapped, keyId: first.keyId, signal: undefined };
        const map = Object.freeze(other);
        const asked = { map, bytes: encodeEncryptionContext(map) };
        await refusedBy(first, "another env:format", () =>
          first.unwrap({ ...request, context: asked }),
        );
      }
    },
  },
];
