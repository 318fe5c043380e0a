/**
 * B6 to B8: keys, random bytes and threads.
 *
 * @module
 */
import { VERIFIED } from "@env/core/crypto";
import { hex } from "../bytes.ts";
import { check } from "../check.ts";
import { info, pattern, rawKey, type CryptoCaseDefinition } from "./harness.ts";
import * as reference from "./reference.ts";

export const keyCases: readonly CryptoCaseDefinition[] = [
  {
    clause: "B6",
    name: "a key stays what it was when the caller wipes the bytes",
    async run({ backend }) {
      const raw = rawKey.slice();
      const key = await backend.hmacKey(raw);
      raw.fill(0);
      const mac = hex(await backend.hmacSha512(key, info));
      check(mac === hex(await reference.hmacSha512(rawKey, info)), "the key is a copy");
      const { commitment } = await backend.messageKeys(key, info);
      const derived = await reference.derive(rawKey, info);
      check(hex(commitment) === hex(derived.subarray(44)), "derivation uses the copy");
    },
  },
  {
    clause: "B6",
    name: "keys of two messages do not disturb one another",
    async run({ backend }) {
      const dataKey = await backend.hmacKey(rawKey);
      const [one, two] = [pattern(50, 1), pattern(50, 2)];
      const first = await backend.messageKeys(dataKey, one);
      const second = await backend.messageKeys(dataKey, two);
      for (const [{ keys }, bound] of [
        [second, two],
        [first, one],
        [second, two],
      ] as const) {
        const out = new Uint8Array(26);
        await backend.sealChunks(keys, 0, pattern(10), true, out);
        const expected = await reference.sealRun(rawKey, bound, 0, pattern(10), true);
        check(hex(out) === hex(expected), "each message has its own keys");
      }
    },
  },
  {
    clause: "B7",
    name: "random bytes never repeat, have any length, and belong to the caller",
    async run({ backend }) {
      for (const draw of ["random", "randomPublic"] as const) {
        const seen = new Set<string>();
        for (let i = 0; i < 1000; i++) {
          const bytes = backend[draw](24);
          check(bytes.length === 24 && bytes.buffer.byteLength === 24, `${draw} is the caller's`);
          seen.add(hex(bytes));
          bytes.fill(0);
        }
        check(seen.size === 1000, `${draw} does not repeat`);
        for (const length of [0, 1, 4096, 70_000 % 65_536]) {
          check(backend[draw](length).length === length, `${draw} of ${length} bytes`);
        }
      }
    },
  },
  {
    clause: "B7",
    name: "results are the caller's own",
    async run({ backend }) {
      const key = await backend.hmacKey(rawKey);
      const results = async (): Promise<Uint8Array[]> => [
        await backend.sha256(info),
        await backend.hmacSha512(key, info),
        (await backend.messageKeys(key, info)).commitment,
      ];
      const before = await results();
      const kept = before.map(hex);
      for (const bytes of await results()) bytes.fill(0);
      check(String(before.map(hex)) === String(kept), "a result does not change later");
      check(String((await results()).map(hex)) === String(kept), "results are computed anew");
    },
  },
  {
    clause: "B8",
    name: "keys that were shared open in another thread what was sealed here",
    needs: "share",
    async run({ backend, openInThread }) {
      const plaintext = pattern(20_000);
      const { keys } = await backend.messageKeys(await backend.hmacKey(rawKey), info);
      const sealed = await reference.sealRun(rawKey, info, 0, plaintext, true);
      const open = async (shared: unknown): Promise<Uint8Array> => {
        const adopted = backend.adopt?.(structuredClone(shared));
        if (adopted === undefined) throw new Error("a backend that shares keys also adopts them");
        const out = new Uint8Array(plaintext.length);
        check((await backend.openChunks(adopted, 0, sealed, out)) === VERIFIED, "opens");
        return out;
      };
      const opened = await (openInThread ?? open)(backend.share?.(keys), sealed);
      check(hex(opened) === hex(plaintext), "the plaintext comes back");
      const again = new Uint8Array(plaintext.length);
      check(
        (await backend.openChunks(keys, 0, sealed, again)) === VERIFIED,
        "keys still work here",
      );
    },
  },
  {
    clause: "B8",
    name: "sharing shows no key bytes to JavaScript that was not given them",
    needs: "share",
    async run({ backend }) {
      const { keys } = await backend.messageKeys(await backend.hmacKey(rawKey), info);
      const secret = hex((await reference.derive(rawKey, info)).subarray(0, 32));
      check(!printed(backend.share?.(keys)).includes(secret), "the AES key is not in the value");
    },
  },
];

/** All bytes and members that a value shows, as text. */
function printed(value: unknown, depth = 0): string {
  if (value instanceof Uint8Array) return hex(value);
  if (value instanceof ArrayBuffer) return hex(new Uint8Array(value));
  if (typeof value !== "object" || value === null || depth > 5) return String(value);
  return Object.values(value)
    .map((member) => printed(member, depth + 1))
    .join(" ");
}
