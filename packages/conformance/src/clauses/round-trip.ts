/**
 * D0 round trip, D1 freshness, D9 sizes: the purpose of a driver.
 *
 * @module
 */
import { Cmk, encodeContext, type Context } from "@env/core";
import { base64, fromHex, hex, latin1, random } from "../bytes.ts";
import {
  check,
  context,
  forEach,
  keyHex,
  kmsContext,
  newDataKey,
  opens,
  refuses,
  wrappedByFirst,
} from "../check.ts";
import type { CaseDefinition } from "../harness.ts";

const MAX_WRAPPED_BYTES = 4096; // spec/envelope-v1.md#limits

/** Legal contexts at the limits of what is allowed. */
const contexts: Readonly<Record<string, Context>> = {
  "no pair": {},
  "31 pairs": Object.fromEntries(
    Array.from({ length: 31 }, (_, i) => [`k${String(i).padStart(2, "0")}`, String(i)]),
  ),
  // Lengths and keys take 2 + 31 * (4 + 3) bytes, which leaves 3877 for the values: 30 * 125 + 127.
  "31 pairs in 4096 bytes": Object.fromEntries(
    Array.from({ length: 31 }, (_, i) => [
      `k${String(i).padStart(2, "0")}`,
      "v".repeat(i === 30 ? 127 : 125),
    ]),
  ),
  "the longest key and the longest value": { ["k".repeat(255)]: "v".repeat(1024) },
  "an empty value": { tenant: "" },
  "text of all planes": { straße: "Zürich", 鍵: "値", "😀": "🔐", "\uFF5E": "e\u0301" },
  "control characters, quotes and separators": { "a\nb": '\u0000"\\', "a=b&c": ",;:{}[]\u007F" },
  "names every object has": JSON.parse('{"__proto__":"1","constructor":"2","toString":"3"}'),
};

export const roundTripCases: readonly CaseDefinition[] = [
  {
    clause: "D0",
    name: "a generated data key comes back, in the same and in a new Cmk",
    async run(setup) {
      const { cmk, entry, key } = await wrappedByFirst(setup);
      await opens(cmk, entry, key);
      await opens(new Cmk(setup.first), entry, key);
    },
  },
  {
    clause: "D0",
    name: "a given data key comes back",
    async run({ first }) {
      const cmk = new Cmk(first);
      const { dataKey, key } = newDataKey();
      const { entry } = await cmk.wrapDataKey(dataKey, { context });
      check(keyHex(dataKey) === key, "wrapping leaves the data key as it was");
      await opens(cmk, entry, key);
      await opens(new Cmk(first), entry, key);
    },
  },
  {
    clause: "D0",
    name: "data keys of any bytes come back",
    async run({ first }) {
      await forEach([0x00, 0x0a, 0x20, 0x7f, 0xff], async (byte) => {
        const plaintext = new Uint8Array(32).fill(byte);
        const request = { context: kmsContext(context), signal: undefined };
        const { wrapped } = await first.wrap({ ...request, plaintext: plaintext.slice() });
        const again = await first.unwrap({ ...request, wrapped, keyId: first.keyId });
        check(hex(again.plaintext) === hex(plaintext), `32 bytes of ${byte} come back`);
      });
    },
  },
  {
    clause: "D0",
    name: "the wrapped key does not hold the data key",
    async run(setup) {
      const { entry, key } = await wrappedByFirst(setup);
      check(!hex(entry.wrapped).includes(key), "the wrapped bytes do not hold the key");
      const text = latin1(entry.wrapped);
      check(!text.toLowerCase().includes(key), "nor the key in hex");
      check(!text.includes(base64(fromHex(key)).slice(0, 40)), "nor the key in base64");
    },
  },
  ...Object.entries(contexts).map(([what, wide]): CaseDefinition => ({
    clause: "D0",
    name: `a context of ${what} is bound and found again`,
    async run(setup) {
      encodeContext(wide); // An illegal context would prove nothing.
      const { cmk, entry, key } = await wrappedByFirst(setup, wide);
      await opens(cmk, entry, key, { context: wide });
    },
  })),
  {
    clause: "D0",
    name: "the order of the context's pairs does not matter",
    async run(setup) {
      const pairs = Object.entries({ b: "1", a: "2", "\uFF5E": "3", "😀": "4" });
      const { cmk, entry, key } = await wrappedByFirst(setup, Object.fromEntries(pairs));
      await opens(cmk, entry, key, { context: Object.fromEntries(pairs.toReversed()) });
    },
  },
  {
    clause: "D0",
    name: "one key has one label, another key another",
    async run({ first, second }) {
      const labels = await Promise.all(
        [first, first, second].map(async (driver) => {
          const cmk = new Cmk(driver);
          const { entry } = await cmk.generateDataKey({ context });
          const further = await cmk.wrapDataKey(newDataKey().dataKey, { context });
          check(entry.keyId === further.entry.keyId, "generate and wrap give the same label");
          return entry.keyId;
        }),
      );
      check(labels[0] === labels[1], "two calls give the same label");
      check(labels[0] !== labels[2], "two keys have two labels");
    },
  },
  {
    clause: "D0",
    name: "a key called by its alias has the label it always has",
    needs: "alias",
    async run(setup) {
      const { entry } = await wrappedByFirst(setup);
      if (setup.alias === undefined) return;
      const byAlias = await new Cmk(setup.alias).generateDataKey({ context });
      check(byAlias.entry.keyId === entry.keyId, "the label is canonical, not the alias");
      const further = await new Cmk(setup.alias).wrapDataKey(newDataKey().dataKey, { context });
      check(further.entry.keyId === entry.keyId, "also where a given key was wrapped");
    },
  },
  {
    clause: "D1",
    name: "wraps of one data key differ",
    async run({ first }) {
      const cmk = new Cmk(first);
      const { dataKey, entry } = await cmk.generateDataKey({ context });
      const further = await Promise.all(
        Array.from({ length: 7 }, () => cmk.wrapDataKey(dataKey, { context })),
      );
      const wraps = [entry, ...further.map((made) => made.entry)].map((e) => hex(e.wrapped));
      check(new Set(wraps).size === 8, "eight wraps give eight results");
    },
  },
  {
    clause: "D1",
    name: "generated data keys differ, in every byte",
    async run({ first, second }) {
      const keys: string[] = [];
      await forEach(Array.from({ length: 32 }).keys(), async (i) => {
        const { dataKey } = await new Cmk(i % 2 ? first : second).generateDataKey({ context });
        keys.push(keyHex(dataKey));
      });
      check(new Set(keys).size === 32, "32 calls give 32 data keys");
      for (let at = 0; at < 64; at += 2) {
        const values = new Set(keys.map((key) => key.slice(at, at + 2)));
        check(values.size > 1, `byte ${at / 2} is not the same in all of them`);
      }
    },
  },
  {
    clause: "D9",
    name: "data keys have 32 bytes, wrapped keys 1 to 4096",
    async run({ first }) {
      const widest = contexts["31 pairs in 4096 bytes"] ?? {};
      await forEach([{}, context, widest], async (of) => {
        const request = { context: kmsContext(of), signal: undefined };
        const made = await first.generate?.(request);
        if (made !== undefined) {
          check(made.plaintext.length === 32, "generate gives a data key of 32 bytes");
          checkWrapped(made.wrapped);
        }
        const { wrapped } = await first.wrap({ ...request, plaintext: random(32) });
        checkWrapped(wrapped);
        const { plaintext } = await first.unwrap({ ...request, wrapped, keyId: first.keyId });
        check(plaintext.length === 32, "unwrap gives a data key of 32 bytes");
        const again = await first.rewrap?.({ ...request, wrapped, keyId: first.keyId });
        if (again !== undefined) checkWrapped(again.wrapped);
      });
    },
  },
  ...["zeros", "ones", "random bytes", "text"].map((fill): CaseDefinition => ({
    clause: "D9",
    name: `a wrapped key of ${fill} is rejected, from 1 byte to 4096`,
    async run(setup) {
      const { cmk, entry } = await wrappedByFirst(setup);
      const own = entry.wrapped.length;
      const lengths = [1, 2, 5, 15, 16, 17, 28, 32, 44, 45, 46, 61, 77, own - 1, own, own + 1];
      await forEach([...lengths, 128, 1024, 4095, MAX_WRAPPED_BYTES], async (length) => {
        const wrapped = filled(fill, Math.min(Math.max(length, 1), MAX_WRAPPED_BYTES));
        await refuses("ERR_ENVELOPE_KMS_REJECTED", `${length} bytes`, () =>
          cmk.unwrapDataKey({ ...entry, wrapped }, { context }),
        );
      });
    },
  })),
];

function checkWrapped(wrapped: Uint8Array): void {
  check(wrapped instanceof Uint8Array, "a wrapped key is a Uint8Array");
  check(wrapped.length >= 1, "a wrapped key has at least 1 byte");
  check(
    wrapped.length <= MAX_WRAPPED_BYTES,
    `a wrapped key has at most ${MAX_WRAPPED_BYTES} bytes`,
  );
}

function filled(fill: string, length: number): Uint8Array<ArrayBuffer> {
  if (fill === "random bytes") return random(length);
  if (fill === "text")
    return new TextEncoder().encode("vault:v1:".padEnd(length, "A")).slice(0, length);
  return new Uint8Array(length).fill(fill === "ones" ? 0xff : 0);
}
