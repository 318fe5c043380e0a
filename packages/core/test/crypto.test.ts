/** Both backends, whichever `#crypto` is, against each other and against published answers. */
import { pattern } from "@env/testkit/bytes";
import { describe, expect, it } from "vitest";
import { backend as chosen } from "#crypto";
import { backend as node } from "../src/crypto.node.ts";
import { backend as web } from "../src/crypto.web.ts";
import { OTHER_KEY, VERIFIED, type ChunkKeys, type CryptoBackend } from "../src/crypto.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const unhex = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(text, "hex"));

it("is the backend the project asks for", () => {
  expect(chosen).toBe(process.env["CRYPTO"] === "web" ? web : node);
});

it.each([0, 1, 100, 16_383, 16_384, 40_000])(
  "seals %d bytes to the same payload with both, and each opens it",
  async (length) => {
    const [info, plaintext] = [pattern(100), pattern(length)];
    const seal = async (backend: CryptoBackend): Promise<Uint8Array<ArrayBuffer>> => {
      const out = new Uint8Array(32 + length + 16 * (Math.floor(length / 16_384) + 1));
      await backend.sealPayload(await backend.hmacKey(pattern(32)), info, plaintext, out);
      return out;
    };
    const sealed = await seal(node);
    expect(hex(await seal(web))).toBe(hex(sealed));
    for (const backend of [node, web]) {
      const [out, key] = [new Uint8Array(length), await backend.hmacKey(pattern(32))];
      expect(await backend.openPayload(key, info, sealed, out)).toBe(VERIFIED);
      expect(hex(out)).toBe(hex(plaintext));
      expect(await backend.openPayload(key, pattern(99), sealed, out)).toBe(OTHER_KEY);
    }
  },
);

describe.each([node, web])("$name", (backend) => {
  const keys = async (): Promise<ChunkKeys> =>
    (await backend.messageKeys(await backend.hmacKey(pattern(32)), pattern(100))).keys;

  // Requirements: E16
  it.each(["random", "randomPublic"] as const)("%s never gives the same bytes twice", (method) => {
    const all = Array.from({ length: 1000 }, () => backend[method](24));
    expect(new Set(all.map(hex)).size).toBe(1000);
    for (const bytes of all) expect(bytes.buffer.byteLength).toBe(24);
    expect(backend[method](4096)).toHaveLength(4096);
  });

  it("hashes as FIPS 180-4 says", async () => {
    expect(hex(await backend.sha256(unhex("616263")))).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });

  it("computes HMAC-SHA-512 as RFC 4231 case 2 says", async () => {
    const key = await backend.hmacKey(new Uint8Array(Buffer.from("Jefe")));
    const data = new Uint8Array(Buffer.from("what do ya want for nothing?"));
    expect(hex(await backend.hmacSha512(key, data))).toBe(
      "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
    );
  });

  it("says which chunk of a run does not verify, and leaves its part of `out` alone", async () => {
    const own = await keys();
    const sealed = new Uint8Array(3 * 16_400);
    await backend.sealChunks(own, 7, pattern(3 * 16_384), false, sealed);
    for (const [bad, at] of [0, 16_400 + 16_399, 2 * 16_400].entries()) {
      const altered = sealed.slice();
      altered[at] = (altered[at] ?? 0) ^ 1;
      const out = new Uint8Array(3 * 16_384);
      expect(await backend.openChunks(own, 7, altered, out)).toBe(bad);
      const part = out.subarray(bad * 16_384, (bad + 1) * 16_384);
      expect(part.every((byte) => byte === 0)).toBe(true);
    }
    const out = new Uint8Array(3 * 16_384);
    expect(await backend.openChunks(own, 7, sealed, out)).toBe(VERIFIED);
    expect(hex(out)).toBe(hex(pattern(3 * 16_384)));
    expect(await backend.openChunks(own, 8, sealed, out)).toBe(0);
  });

  it("copies key bytes, so that the caller can wipe them", async () => {
    const raw = pattern(32);
    const key = await backend.hmacKey(raw);
    const before = hex(await backend.hmacSha512(key, unhex("00")));
    raw.fill(0);
    expect(hex(await backend.hmacSha512(key, unhex("00")))).toBe(before);
  });

  it.each([
    ["", "", true],
    ["00", "00", true],
    ["00", "01", false],
    ["00", "0000", false],
    ["8000", "0000", false],
  ])("compares %s with %s", (a, b, same) => {
    expect(backend.equal(unhex(a), unhex(b))).toBe(same);
  });

  const shared = new Uint8Array(new SharedArrayBuffer(116)) as never;
  const memory = new Uint8Array(500);
  it.each([
    ["a result of another length", RangeError, pattern(100), new Uint8Array(117)],
    ["input over shared memory", TypeError, shared, new Uint8Array(132)],
    ["output over shared memory", TypeError, pattern(100), shared],
    ["anything but bytes", TypeError, [] as never, new Uint8Array(16)],
    ["the same memory twice", RangeError, memory.subarray(0, 100), memory.subarray(0, 116)],
    ["memory that overlaps", RangeError, memory.subarray(115, 215), memory.subarray(0, 116)],
  ])("refuses %s", async (_, error, plaintext, out) => {
    const own = await keys();
    await expect(async () => backend.sealChunks(own, 0, plaintext, true, out)).rejects.toThrow(
      error,
    );
    expect(memory.every((byte) => byte === 0)).toBe(true);
  });
});
