/**
 * B0 to B3: what is sealed, what is opened, and what is refused.
 *
 * @module
 */
import { OTHER_KEY, VERIFIED } from "@env/core/crypto";
import { concat, flipped, fromHex, hex } from "../bytes.ts";
import { check } from "../check.ts";
import {
  info,
  lengths,
  pattern,
  rawKey,
  sealPayload,
  sealRun,
  type CryptoCaseDefinition,
  type CryptoHarness,
} from "./harness.ts";
import * as reference from "./reference.ts";
import { CHUNK_BYTES, COMMITMENT_BYTES, TAG_BYTES } from "./reference.ts";

const SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES;
const COBBLESTONE = "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";

export const payloadCases: readonly CryptoCaseDefinition[] = [
  {
    clause: "B0",
    name: "hashes and authenticates as FIPS 180-4 and RFC 4231 say",
    async run({ backend }) {
      const abc = new TextEncoder().encode("abc");
      check(
        hex(await backend.sha256(abc)) ===
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "SHA-256 of abc",
      );
      const key = await backend.hmacKey(fromHex("0b".repeat(20)));
      const mac = await backend.hmacSha512(key, new TextEncoder().encode("Hi There"));
      check(
        hex(mac) ===
          "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
        "HMAC-SHA-512 of RFC 4231 case 1",
      );
    },
  },
  {
    clause: "B0",
    name: "compares bytes, all of them, and of equal length only",
    run: async ({ backend }) => {
      const bytes = pattern(40);
      check(backend.equal(bytes, pattern(40)), "equal bytes are equal");
      for (let at = 0; at < 40; at++) {
        check(!backend.equal(bytes, flipped(bytes, at, 1)), `byte ${at} matters`);
      }
      check(!backend.equal(bytes, pattern(39)), "a prefix is not equal");
      check(backend.equal(new Uint8Array(0), new Uint8Array(0)), "nothing equals nothing");
    },
  },
  {
    clause: "B0",
    name: "derives the commitment, from an info of any length",
    async run({ backend }) {
      const dataKey = await backend.hmacKey(rawKey);
      for (const length of [0, 1, 63, 64, 127, 128, 129, 1000]) {
        const { commitment } = await backend.messageKeys(dataKey, pattern(length, 3));
        const derived = await reference.derive(rawKey, pattern(length, 3));
        check(hex(commitment) === hex(derived.subarray(44)), `an info of ${length} bytes`);
      }
    },
  },
  {
    clause: "B0",
    name: "seals payloads of every length as the specification says, and opens them",
    async run(harness) {
      for (const length of lengths) {
        const plaintext = pattern(length);
        const sealed = await reference.sealPayload(rawKey, info, plaintext);
        check(same(await sealPayload(harness, plaintext), sealed), `seals ${length} bytes`);
        await opens(harness, sealed, plaintext);
      }
    },
  },
  {
    clause: "B0",
    name: "uses the chunk's number in 12 bytes, beyond 2^32 as well",
    async run(harness) {
      const { backend } = harness;
      const { keys } = await backend.messageKeys(await backend.hmacKey(rawKey), info);
      for (const index of [0, 1, 255, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 38 - 2]) {
        const plaintext = pattern(CHUNK_BYTES + 9);
        const expected = await reference.sealRun(rawKey, info, index, plaintext, true);
        check(same(await sealRun(harness, index, plaintext, true), expected), `seals ${index}`);
        const out = new Uint8Array(plaintext.length);
        check(
          (await backend.openChunks(keys, index, expected, out)) === VERIFIED,
          `opens ${index}`,
        );
        check(same(out, plaintext), `opens chunk ${index} to its plaintext`);
      }
    },
  },
  {
    clause: "B0",
    name: "accepts and refuses what Wycheproof's tests of Cobblestone-256 say",
    async run({ backend, cobblestone = [] }) {
      for (const { name, key, context, payload, valid } of cobblestone) {
        const sealed = payload.slice(24);
        const final = (sealed.length - COMMITMENT_BYTES) % SEALED_CHUNK_BYTES;
        if (key.length !== 32 || final < TAG_BYTES) continue; // Refused by core, before a backend is asked.
        const label = new TextEncoder().encode(COBBLESTONE);
        const bound = concat(label, payload.subarray(0, 24), context);
        const out = new Uint8Array(openedLength(sealed.length - COMMITMENT_BYTES));
        const dataKey = await backend.hmacKey(key);
        const verified = (await backend.openPayload(dataKey, bound, sealed, out)) === VERIFIED;
        check(verified === valid, name);
      }
    },
  },
  {
    clause: "B1",
    name: "refuses one changed bit at every position of small payloads, and shows nothing",
    async run(harness) {
      const { backend } = harness;
      const dataKey = await backend.hmacKey(rawKey);
      for (const length of [0, 1, 17, 100]) {
        const sealed = await reference.sealPayload(rawKey, info, pattern(length));
        for (let at = 0; at < sealed.length; at++) {
          const out = new Uint8Array(length);
          const altered = flipped(sealed, at, 1 << (at % 8));
          const result = await backend.openPayload(dataKey, info, altered, out);
          const expected = at < COMMITMENT_BYTES ? OTHER_KEY : 0;
          check(result === expected, `byte ${at} of ${length}: want ${expected}, got ${result}`);
          check(
            out.every((byte) => byte === 0),
            `byte ${at} of ${length}: nothing is shown`,
          );
        }
      }
    },
  },
  {
    clause: "B1",
    name: "names the first chunk of a run that does not verify, and shows none of it",
    async run({ backend }) {
      const { keys } = await backend.messageKeys(await backend.hmacKey(rawKey), info);
      const plaintext = pattern(3 * CHUNK_BYTES + 5);
      const sealed = await reference.sealRun(rawKey, info, 7, plaintext, true);
      for (const at of [0, 16_383, 16_399, 16_400, 40_000, sealed.length - 1, sealed.length - 20]) {
        const bad = Math.floor(at / SEALED_CHUNK_BYTES);
        const out = new Uint8Array(plaintext.length);
        const result = await backend.openChunks(keys, 7, flipped(sealed, at, 0x80), out);
        check(result === bad, `byte ${at}: want ${bad}, got ${result}`);
        const shown = out.subarray(bad * CHUNK_BYTES, (bad + 1) * CHUNK_BYTES);
        check(
          shown.every((byte) => byte === 0),
          `byte ${at}: nothing of the chunk is shown`,
        );
        for (const [i, byte] of out.entries()) {
          if (byte !== 0 && byte !== plaintext[i]) check(false, "what is shown has verified");
        }
      }
    },
  },
  {
    clause: "B2",
    name: "refuses another data key, and an info with one changed bit anywhere",
    async run({ backend }) {
      const sealed = await reference.sealPayload(rawKey, info, pattern(33));
      const out = new Uint8Array(33);
      for (let at = 0; at < rawKey.length; at++) {
        const other = await backend.hmacKey(flipped(rawKey, at, 1));
        check((await backend.openPayload(other, info, sealed, out)) === OTHER_KEY, `key ${at}`);
      }
      const dataKey = await backend.hmacKey(rawKey);
      for (let at = 0; at < info.length; at++) {
        const result = await backend.openPayload(dataKey, flipped(info, at, 4), sealed, out);
        check(result === OTHER_KEY, `info ${at}`);
      }
      check(
        out.every((byte) => byte === 0),
        "nothing is shown",
      );
    },
  },
  {
    clause: "B2",
    name: "refuses chunks at another place, and cut off chunks that were not the last",
    async run({ backend }) {
      const { keys } = await backend.messageKeys(await backend.hmacKey(rawKey), info);
      const sealed = await reference.sealRun(rawKey, info, 0, pattern(2 * CHUNK_BYTES), false);
      const [first, second] = [
        sealed.slice(0, SEALED_CHUNK_BYTES),
        sealed.slice(SEALED_CHUNK_BYTES),
      ];
      const out = new Uint8Array(2 * CHUNK_BYTES);
      check((await backend.openChunks(keys, 1, sealed, out)) === 0, "another index");
      check((await backend.openChunks(keys, 0, concat(second, first), out)) === 0, "another order");
      check((await backend.openChunks(keys, 0, concat(first, first), out)) === 1, "a chunk twice");
      const short = first.slice(0, 1000);
      const result = await backend.openChunks(keys, 0, short, new Uint8Array(1000 - TAG_BYTES));
      check(result === 0, "a part of a chunk");
    },
  },
  {
    clause: "B3",
    name: "seals and opens the same bytes in one run or in many",
    async run(harness) {
      const { backend } = harness;
      const { keys } = await backend.messageKeys(await backend.hmacKey(rawKey), info);
      for (let chunks = 0; chunks <= 9; chunks++) {
        const plaintext = pattern(chunks * CHUNK_BYTES + (chunks % 2) * 11);
        const whole = await sealRun(harness, 3, plaintext, true);
        check(same(whole, await reference.sealRun(rawKey, info, 3, plaintext, true)), "one run");
        for (const most of [1, 2, 5]) {
          const parts: Uint8Array[] = [];
          const opened: Uint8Array[] = [];
          for (let i = 0; i <= chunks; i += most) {
            const last = i + most > chunks;
            const part = plaintext.slice(
              i * CHUNK_BYTES,
              last ? undefined : (i + most) * CHUNK_BYTES,
            );
            const sealed = await sealRun(harness, 3 + i, part, last);
            parts.push(sealed);
            const out = new Uint8Array(part.length);
            check((await backend.openChunks(keys, 3 + i, sealed, out)) === VERIFIED, "opens a run");
            opened.push(out);
          }
          check(same(concat(...parts), whole), `${chunks} chunks in runs of ${most}`);
          check(same(concat(...opened), plaintext), `${chunks} chunks opened in runs of ${most}`);
        }
      }
    },
  },
  {
    clause: "B3",
    name: "does nothing for an empty run that is not the last",
    async run({ backend }) {
      const { keys } = await backend.messageKeys(await backend.hmacKey(rawKey), info);
      const empty = new Uint8Array(0);
      await backend.sealChunks(keys, 0, empty, false, new Uint8Array(0));
      check((await backend.openChunks(keys, 0, empty, new Uint8Array(0))) === VERIFIED, "opens");
    },
  },
];

function openedLength(sealedBytes: number): number {
  return sealedBytes - Math.ceil(sealedBytes / SEALED_CHUNK_BYTES) * TAG_BYTES;
}

async function opens(
  { backend }: CryptoHarness,
  sealed: Uint8Array<ArrayBuffer>,
  plaintext: Uint8Array,
): Promise<void> {
  const out = new Uint8Array(plaintext.length);
  const result = await backend.openPayload(await backend.hmacKey(rawKey), info, sealed, out);
  check(result === VERIFIED && same(out, plaintext), `opens ${plaintext.length} bytes`);
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
