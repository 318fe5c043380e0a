import { createPublicKey, diffieHellman } from "node:crypto";
import { describe, expect, it } from "vitest";
import { deriveSharedSecret } from "../../src/material/agreement.ts";
import { curveOf, importScalar } from "../../src/material/curves.ts";
import { encodePublicKey, generateMaterial } from "../../src/material/material.ts";
import { hex, plain, sample } from "../support/material.ts";

describe("deriveSharedSecret", () => {
  it("gives the secret of RFC 5903, section 8.1", async () => {
    const curve = curveOf(await sample("ECC_NIST_P256"));
    const scalar = (text: string) => importScalar(curve, hex(text));
    const i = scalar("c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433");
    const r = scalar("c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53");
    const secret = hex("d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de");
    expect(deriveSharedSecret(i, "ECC_NIST_P256", encodePublicKey(r))).toEqual(secret);
    expect(deriveSharedSecret(r, "ECC_NIST_P256", encodePublicKey(i))).toEqual(secret);
  });

  it.each([
    ["ECC_NIST_P256", 32],
    ["ECC_NIST_P384", 48],
    ["ECC_NIST_P521", 66],
  ] as const)("is as long as a coordinate of %s: %i bytes", async (spec, bytes) => {
    const ours = await sample(spec);
    const theirs = await generateMaterial(spec);
    const secret = deriveSharedSecret(ours, spec, encodePublicKey(theirs));
    expect(secret).toHaveLength(bytes);
    expect(secret).toEqual(
      plain(diffieHellman({ privateKey: theirs, publicKey: createPublicKey(ours) })),
    );
  });

  it("refuses a peer on another curve, off the curve, or none", async () => {
    const ours = await sample("ECC_NIST_P256");
    const spki = encodePublicKey(await generateMaterial("ECC_NIST_P256"));
    const off = Uint8Array.from(spki);
    off[90] = (off[90] ?? 0) ^ 1;
    for (const peer of [
      encodePublicKey(await sample("ECC_SECG_P256K1")),
      encodePublicKey(await sample("ECC_NIST_P384")),
      encodePublicKey(await sample("ECC_NIST_EDWARDS25519")),
      encodePublicKey(await sample("RSA_2048")),
      off,
      spki.subarray(26),
      spki.subarray(0, 90),
      new Uint8Array(91),
    ]) {
      expect(deriveSharedSecret(ours, "ECC_NIST_P256", peer)).toBeUndefined();
    }
    expect(deriveSharedSecret(ours, "ECC_NIST_P256", spki)).toHaveLength(32);
  });
});
