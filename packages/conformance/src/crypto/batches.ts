/**
 * B9: many payloads in one call.
 *
 * @module
 */
import type { Bytes } from "@env/core";
import { OTHER_KEY, VERIFIED, type CryptoBackend } from "@env/core/crypto";
import { concat, flipped, hex } from "../bytes.ts";
import { check } from "../check.ts";
import { misused, pattern, rawKey, type CryptoCaseDefinition } from "./harness.ts";
import * as reference from "./reference.ts";

const LENGTHS = [0, 1, 40, 16_384, 0, 20_000, 5];
const infos = LENGTHS.map((_, i) => pattern(30 + i, i));
const plaintexts = LENGTHS.map((length, i) => pattern(length, i));

export const batchCases: readonly CryptoCaseDefinition[] = [
  {
    clause: "B9",
    name: "opens each payload as it would be opened alone",
    needs: "openPayloads",
    async run({ backend }) {
      const sealed = await sealAll();
      const { results, out } = await open(backend, infos, sealed);
      check(
        results.every((result) => result === VERIFIED),
        "all verify",
      );
      check(hex(out) === hex(concat(...plaintexts)), "the plaintexts follow one another");
      check((await open(backend, [], [])).results.length === 0, "no payloads give no results");
    },
  },
  {
    clause: "B9",
    name: "goes on after a payload that does not verify, and shows nothing of it",
    needs: "openPayloads",
    async run({ backend }) {
      const sealed = await sealAll();
      const altered = sealed.map((one, i) => {
        if (i === 1) return flipped(one, 3, 1); // The commitment.
        return i === 5 ? flipped(one, 32 + 16_400 + 7, 1) : one;
      });
      const { results, out } = await open(backend, infos, altered);
      const expected = LENGTHS.map((_, i) => (i === 1 ? OTHER_KEY : i === 5 ? 1 : VERIFIED));
      check(
        String(results) === String(expected),
        `want ${String(expected)}, got ${String(results)}`,
      );
      let at = 0;
      for (const [i, plaintext] of plaintexts.entries()) {
        const shown = out.subarray(at, at + plaintext.length);
        at += plaintext.length;
        if (i === 1)
          check(
            shown.every((byte) => byte === 0),
            "nothing of a refused payload",
          );
        else if (i === 5) {
          check(
            shown.subarray(16_384).every((byte) => byte === 0),
            "nothing of a refused chunk",
          );
        } else check(hex(shown) === hex(plaintext), `payload ${i} is opened`);
      }
    },
  },
  {
    clause: "B9",
    name: "refuses lengths that do not add up",
    needs: "openPayloads",
    async run({ backend }) {
      const [sealed, range] = [await sealAll(), [RangeError]];
      const fewer = infos.slice(1);
      await misused("fewer infos", () => open(backend, fewer, sealed), range);
      await misused("a shorter out", () => open(backend, infos, sealed, -1), range);
      await misused("a longer out", () => open(backend, infos, sealed, 1), range);
      await misused("a short payload", () => open(backend, [pattern(9)], [pattern(40)], 0), range);
    },
  },
  {
    clause: "B9",
    name: "seals each payload as it would be sealed alone",
    needs: "sealPayloads",
    async run({ backend }) {
      const sealed = concat(...(await sealAll()));
      const out = new Uint8Array(sealed.length);
      backend.sealPayloads?.(
        await backend.hmacKey(rawKey),
        concat(...infos),
        lengthsOf(infos),
        concat(...plaintexts),
        lengthsOf(plaintexts),
        out,
      );
      check(hex(out) === hex(sealed), "the payloads follow one another");
    },
  },
];

async function sealAll(): Promise<Bytes[]> {
  return Promise.all(
    plaintexts.map((plaintext, i) =>
      reference.sealPayload(rawKey, infos[i] ?? new Uint8Array(0), plaintext),
    ),
  );
}

async function open(
  backend: CryptoBackend,
  bound: readonly Bytes[],
  sealed: readonly Bytes[],
  more = 0,
): Promise<{ results: Int32Array; out: Bytes }> {
  const bytes = sealed.reduce((sum, { length }) => {
    const chunks = length - 32;
    return sum + chunks - Math.ceil(chunks / 16_400) * 16;
  }, more);
  const out = new Uint8Array(Math.max(0, bytes));
  const results = backend.openPayloads?.(
    await backend.hmacKey(rawKey),
    concat(...bound),
    lengthsOf(bound),
    concat(...sealed),
    lengthsOf(sealed),
    out,
  );
  return { results: results ?? new Int32Array(0), out };
}

function lengthsOf(parts: readonly Bytes[]): Uint32Array {
  return Uint32Array.from(parts, ({ length }) => length);
}
