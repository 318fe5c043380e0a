import { createPublicKey, type KeyObject } from "node:crypto";
import { describe, expect, it } from "vitest";
import { decapsulateSecret, encapsulateSecret } from "../../src/material/encapsulation.ts";
import { allSpecs, flipped, sample } from "../support/material.ts";

const specs = allSpecs.filter((spec) => spec.startsWith("ML_KEM"));
const lengths: Readonly<Record<string, number>> = {
  ML_KEM_512: 768,
  ML_KEM_768: 1088,
  ML_KEM_1024: 1568,
};

// None without OpenSSL 3.5.
describe.each(specs)("%s", (spec) => {
  it("gives the owner of the key the same 32 bytes, another time others", async () => {
    const key = await sample(spec);
    const one = encapsulateSecret(createPublicKey(key));
    const other = encapsulateSecret(key);
    expect([one.secret.length, one.ciphertext.length]).toEqual([32, lengths[spec]]);
    expect(decapsulateSecret(key, spec, one.ciphertext)).toEqual(one.secret);
    expect(decapsulateSecret(key, spec, other.ciphertext)).toEqual(other.secret);
    expect(other.secret).not.toEqual(one.secret);
  });

  it("rejects implicitly: what was altered, or is for another key, gives a secret of its own", async () => {
    const key = await sample(spec);
    const { secret, ciphertext } = encapsulateSecret(key);
    const decapsulate = (bytes: Uint8Array): Uint8Array | undefined =>
      decapsulateSecret(key, spec, bytes);
    const seen = [
      secret,
      ...[0, 400, ciphertext.length - 1].map((at) => decapsulate(flipped(ciphertext, at))),
    ];
    for (const [i, one] of seen.entries()) {
      expect(one).toHaveLength(32);
      expect(seen.slice(i + 1)).not.toContainEqual(one);
    }
    // The same each time.
    expect(decapsulate(flipped(ciphertext, 0))).toEqual(seen[1]);
  });

  it("takes ciphertexts of one length", async () => {
    const key: KeyObject = await sample(spec);
    const { ciphertext } = encapsulateSecret(key);
    for (const bytes of [
      new Uint8Array(0),
      ciphertext.subarray(1),
      Buffer.concat([ciphertext, Buffer.alloc(1)]),
    ]) {
      expect(decapsulateSecret(key, spec, bytes)).toBeUndefined();
    }
  });
});

it("is for ML-KEM keys alone", async () => {
  const key = await sample("ECC_NIST_P256");
  expect(decapsulateSecret(key, "ECC_NIST_P256", new Uint8Array(768))).toBeUndefined();
});
