import { createECDH } from "node:crypto";
import { describe, expect, it } from "vitest";
import { curveOf, exportScalar, importScalar } from "../../src/material/curves.ts";
import { sample } from "../support/material.ts";

const specs = ["ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1"] as const;

describe.each(specs)("%s", (spec) => {
  it("gives back a key from its scalar, which is wiped", async () => {
    const key = await sample(spec);
    const curve = curveOf(key);
    const scalar = exportScalar(key);
    expect(scalar).toHaveLength(curve.bytes);
    expect(importScalar(curve, scalar).equals(key)).toBe(true);
    expect(scalar).toEqual(new Uint8Array(curve.bytes));
  });

  it("has as many points as its row says: one less times the base point is its negative", async () => {
    const { name, order, bytes } = curveOf(await sample(spec));
    const point = (scalar: bigint): Buffer => {
      const ecdh = createECDH(name);
      ecdh.setPrivateKey(scalar.toString(16).padStart(2 * bytes, "0"), "hex");
      return ecdh.getPublicKey();
    };
    expect(() => point(order)).toThrow("not valid");
    const [base, negative] = [point(1n), point(order - 1n)];
    expect(negative.subarray(0, 1 + bytes)).toEqual(base.subarray(0, 1 + bytes));
    expect(negative).not.toEqual(base);
  });
});
