/** Both backends, whichever `#crypto` is, against each other and against published answers. */
import { pattern } from "@env/testkit/bytes";
import { describe, expect, it } from "vitest";
import { backend as chosen } from "#crypto";
import { backend as node } from "../src/crypto.node.ts";
import { backend as web } from "../src/crypto.web.ts";
import type { CryptoBackend } from "../src/crypto.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const unhex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

it("is the backend the project asks for", () => {
  expect(chosen).toBe(process.env["CRYPTO"] === "web" ? web : node);
});

describe.each([
  ["node:crypto", node],
  ["WebCrypto", web],
] as [string, CryptoBackend][])("%s", (_, backend) => {
  const seal = async (
    key: Uint8Array,
    nonce: Uint8Array,
    plaintext: Uint8Array,
  ): Promise<Uint8Array> => {
    const out = new Uint8Array(plaintext.length + 16);
    await backend.seal(await backend.aeadKey(key), nonce, plaintext, out);
    return out;
  };

  it.each(["random", "randomPublic"] as const)("%s never gives the same bytes twice", (method) => {
    const all = Array.from({ length: 1000 }, () => backend[method](24));
    expect(new Set(all.map(hex)).size).toBe(1000);
    for (const bytes of all) expect(bytes.buffer.byteLength).toBe(24);
    expect(backend[method](4096)).toHaveLength(4096);
  });

  it("hashes as FIPS 180-4 says", async () => {
    expect(hex(await backend.sha256(Buffer.from("abc")))).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
  });

  it("computes HMAC-SHA-512 as RFC 4231 case 2 says", async () => {
    const key = await backend.hmacKey(Buffer.from("Jefe"));
    expect(hex(await backend.hmacSha512(key, Buffer.from("what do ya want for nothing?")))).toBe(
      "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
    );
  });

  it("seals as the GCM specification's test case 14 says", async () => {
    const sealed = await seal(new Uint8Array(32), new Uint8Array(12), new Uint8Array(16));
    expect(hex(sealed)).toBe("cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
  });

  it("opens what it sealed, and leaves `out` alone where a bit is flipped", async () => {
    const key = pattern(32);
    const nonce = pattern(12);
    const plaintext = pattern(100);
    const sealed = await seal(key, nonce, plaintext);
    const aead = await backend.aeadKey(key);
    const out = new Uint8Array(100);
    for (const at of [0, 50, 99, 100, 115]) {
      const altered = sealed.slice();
      altered[at] = (altered[at] ?? 0) ^ 1;
      expect(await backend.open(aead, nonce, altered, out)).toBe(false);
      expect(out).toEqual(new Uint8Array(100));
    }
    expect(await backend.open(aead, nonce, sealed, out)).toBe(true);
    expect(out).toEqual(plaintext);
  });

  it("copies key bytes, so that the caller can wipe them", async () => {
    const raw = pattern(32);
    const key = await backend.hmacKey(raw);
    const before = hex(await backend.hmacSha512(key, unhex("00")));
    raw.fill(0);
    expect(hex(await backend.hmacSha512(key, unhex("00")))).toBe(before);
  });

  it("gives random bytes over a buffer of their own", () => {
    const bytes = backend.random(32);
    expect(bytes.buffer.byteLength).toBe(32);
    expect(backend.random(32)).not.toEqual(bytes);
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

  it("takes views of shared memory", async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(20));
    shared.set(pattern(20));
    const sealed = await seal(pattern(32), pattern(12), shared);
    expect(sealed).toEqual(await seal(pattern(32), pattern(12), pattern(20)));
  });
});
