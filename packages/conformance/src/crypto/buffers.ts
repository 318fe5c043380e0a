/**
 * B4 and B5: lengths and buffers.
 *
 * @module
 */
// oxlint-disable typescript/no-unsafe-type-assertion -- misuse passes what the types forbid
import type { Bytes } from "@env/core";
import type { ChunkKeys, HmacKey } from "@env/core/crypto";
import { check } from "../check.ts";
import { hex } from "../bytes.ts";
import {
  info,
  misused,
  pattern,
  rawKey,
  type CryptoCaseDefinition,
  type CryptoHarness,
} from "./harness.ts";
import * as reference from "./reference.ts";
import { CHUNK_BYTES } from "./reference.ts";

/** The four calls from an input to an output, with an input of a plaintext of 100 bytes. */
interface Call {
  readonly name: string;
  readonly input: Bytes;
  readonly outBytes: number;
  readonly run: (input: Bytes, out: Bytes) => unknown;
}

export const bufferCases: readonly CryptoCaseDefinition[] = [
  {
    clause: "B4",
    name: "refuses an out of another length",
    async run(harness) {
      for (const { name, input, outBytes, run } of await calls(harness)) {
        for (const wrong of [0, outBytes - 16, outBytes - 1, outBytes + 1, outBytes + 16]) {
          const out = new Uint8Array(wrong);
          await misused(`${name} into ${wrong} bytes`, () => run(input, out), [RangeError]);
          check(
            out.every((byte) => byte === 0),
            `${name} into ${wrong} bytes writes nothing`,
          );
        }
      }
    },
  },
  {
    clause: "B4",
    name: "refuses lengths that no run and no payload has",
    async run({ backend }) {
      const { dataKey, keys } = await newKeys({ backend });
      const range = [RangeError];
      await misused(
        "a part of a chunk that is not the last",
        () => backend.sealChunks(keys, 0, pattern(100), false, new Uint8Array(100)),
        range,
      );
      for (const length of [1, 15, CHUNK_BYTES + 17, CHUNK_BYTES + 31]) {
        const out = new Uint8Array(Math.max(0, length - (length > CHUNK_BYTES ? 32 : 16)));
        const open = () => backend.openChunks(keys, 0, pattern(length), out);
        await misused(`a run of ${length} bytes`, open, range);
      }
      for (const length of [0, 1, 32, 47, 32 + CHUNK_BYTES + 16]) {
        const out = new Uint8Array(Math.max(0, length - 48));
        const open = () => backend.openPayload(dataKey, info, pattern(length), out);
        await misused(`a payload of ${length} bytes`, open, range);
      }
    },
  },
  {
    clause: "B5",
    name: "refuses an out that overlaps the input, wherever it does",
    async run(harness) {
      for (const { name, input, outBytes, run } of await calls(harness)) {
        const memory = new Uint8Array(1000);
        const before = input.length - 1;
        for (const at of [0, 1, before, 1 - outBytes]) {
          memory.fill(0);
          memory.set(input, 400);
          const content = hex(memory);
          const view = memory.subarray(400, 400 + input.length);
          const out = memory.subarray(400 + at, 400 + at + outBytes);
          await misused(`${name}, ${at} bytes apart`, () => run(view, out), [RangeError]);
          check(hex(memory) === content, `${name}, ${at} bytes apart, writes nothing`);
        }
      }
    },
  },
  {
    clause: "B5",
    name: "accepts an input and an out beside each other in one buffer",
    async run(harness) {
      for (const { name, input, outBytes, run } of await calls(harness)) {
        const memory = new Uint8Array(outBytes + input.length + outBytes);
        memory.set(input, outBytes);
        const view = memory.subarray(outBytes, outBytes + input.length);
        await run(view, memory.subarray(0, outBytes));
        await run(view, memory.subarray(outBytes + input.length));
        check(hex(view) === hex(input), `${name} leaves its input alone`);
        check(
          hex(memory.subarray(0, outBytes)) === hex(memory.subarray(outBytes + input.length)),
          `${name} writes the same on either side`,
        );
      }
    },
  },
  {
    clause: "B5",
    name: "refuses memory that another thread could change, and what is not bytes",
    async run(harness) {
      const type = [TypeError];
      for (const { name, input, outBytes, run } of await calls(harness)) {
        for (const wrong of [shared(input), undefined, null, "x", [], new ArrayBuffer(116)]) {
          const what = Object.prototype.toString.call(wrong);
          const out = new Uint8Array(outBytes);
          await misused(`${name} of ${what}`, () => run(wrong as never, out), type);
        }
        for (const wrong of [shared(new Uint8Array(outBytes)), undefined, []]) {
          await misused(`${name} into a wrong type`, () => run(input, wrong as never), type);
        }
      }
    },
  },
  {
    clause: "B5",
    name: "refuses detached buffers",
    async run(harness) {
      for (const { name, input, outBytes, run } of await calls(harness)) {
        const kinds = [RangeError, TypeError];
        const out = new Uint8Array(outBytes);
        const gone = detached(input.length);
        await misused(`${name} of a detached buffer`, () => run(gone, out), kinds);
        const into = detached(outBytes);
        await misused(`${name} into a detached buffer`, () => run(input, into), kinds);
        check(
          out.every((byte) => byte === 0),
          `${name} of a detached buffer writes nothing`,
        );
      }
    },
  },
  {
    clause: "B5",
    name: "never changes an input",
    async run(harness) {
      const bound = info.slice();
      const { backend } = harness;
      for (const { name, input, outBytes, run } of await calls(harness, bound)) {
        const content = hex(input);
        await run(input, new Uint8Array(outBytes));
        check(hex(input) === content, `${name} leaves its input alone`);
      }
      const raw = rawKey.slice();
      const key = await backend.hmacKey(raw);
      await backend.hmacSha512(key, bound);
      await backend.sha256(bound);
      check(hex(raw) === hex(rawKey), "the bytes of a key are left alone");
      check(hex(bound) === hex(info), "info is left alone");
    },
  },
];

async function newKeys({
  backend,
}: Pick<CryptoHarness, "backend">): Promise<{ dataKey: HmacKey; keys: ChunkKeys }> {
  const dataKey = await backend.hmacKey(rawKey);
  return { dataKey, keys: (await backend.messageKeys(dataKey, info)).keys };
}

async function calls(harness: CryptoHarness, bound: Bytes = info): Promise<Call[]> {
  const { backend } = harness;
  const { dataKey, keys } = await newKeys(harness);
  const plaintext = pattern(100);
  return [
    {
      name: "sealChunks",
      input: plaintext,
      outBytes: 116,
      run: (input, out) => backend.sealChunks(keys, 0, input, true, out),
    },
    {
      name: "openChunks",
      input: await reference.sealRun(rawKey, info, 0, plaintext, true),
      outBytes: 100,
      run: (input, out) => backend.openChunks(keys, 0, input, out),
    },
    {
      name: "sealPayload",
      input: plaintext,
      outBytes: 148,
      run: (input, out) => backend.sealPayload(dataKey, bound, input, out),
    },
    {
      name: "openPayload",
      input: await reference.sealPayload(rawKey, info, plaintext),
      outBytes: 100,
      run: (input, out) => backend.openPayload(dataKey, bound, input, out),
    },
  ];
}

function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

function detached(length: number): Bytes {
  const bytes = new Uint8Array(length);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}
