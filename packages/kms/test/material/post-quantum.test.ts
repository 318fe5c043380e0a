import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { KeySpec } from "../../src/catalogue/key-specs.ts";
import { decodeMaterial, encodeMaterial, encodePublicKey } from "../../src/material/material.ts";
import { hasAlgorithm } from "../../src/material/post-quantum.ts";
import { verify } from "../../src/material/signature.ts";
import { hex, plain } from "../support/material.ts";

interface Vector {
  readonly keySpec: KeySpec;
  readonly seed: string;
  readonly publicKeySha256: string;
}

interface MlDsaVector extends Vector {
  readonly message: string;
  readonly signature: string;
}

const { mlDsa } = JSON.parse(
  readFileSync(new URL("vectors/post-quantum.json", import.meta.url), "utf8"),
) as { readonly mlDsa: readonly MlDsaVector[] };

const heads: Readonly<Record<string, string>> = {
  ML_DSA_44: "3034020100300b060960864801650304031104228020",
  ML_DSA_65: "3034020100300b060960864801650304031204228020",
  ML_DSA_87: "3034020100300b060960864801650304031304228020",
};

/** What comes before the public key itself in its encoding. */
const SPKI_HEAD = 22;

describe.skipIf(!hasAlgorithm("ml-dsa-44"))("where OpenSSL is 3.5 or later", () => {
  it.each(mlDsa)("verifies what others signed with $keySpec", (vector) => {
    const { keySpec, seed, publicKeySha256, message } = vector;
    const encoded = hex(`${heads[keySpec]}${seed}`);
    const key = decodeMaterial(keySpec, encoded.slice());
    if (key === undefined) throw new Error("the key was not read");
    expect(encodeMaterial(key)).toEqual(encoded);
    const raw = encodePublicKey(key).subarray(SPKI_HEAD);
    expect(createHash("sha256").update(raw).digest("hex")).toBe(publicKeySha256);
    const signature = Buffer.from(vector.signature, "base64");
    expect(verify(key, "ML_DSA_SHAKE_256", hex(message), "RAW", signature)).toBe(true);
    signature[7] = (signature[7] ?? 0) ^ 1;
    expect(verify(key, "ML_DSA_SHAKE_256", hex(message), "RAW", signature)).toBe(false);
  });

  it.each([["ML_DSA_44", "ml-dsa-44"]] as const)(
    "reads %s with seed and expanded key as OpenSSL writes it, and not without the seed",
    (keySpec, type) => {
      // Its types are those of Node.js 22.
      const { privateKey } = generateKeyPairSync(type as "ed25519");
      const both = privateKey.export({ format: "der", type: "pkcs8" });
      const read = decodeMaterial(keySpec, plain(both));
      expect(read?.equals(privateKey)).toBe(true);
      expect(read && encodeMaterial(read).subarray(0, 22)).toEqual(hex(heads[keySpec] ?? ""));
      // PrivateKeyInfo up to the algorithm, and an OCTET STRING with the expanded key alone.
      const expanded = both.subarray(28 + 2 + 32);
      const rest = Buffer.concat([
        both.subarray(4, 20),
        Buffer.from([0x04, 0x82, expanded.length >> 8, expanded.length & 0xff]),
        expanded,
      ]);
      const without = Buffer.concat([
        Buffer.from([0x30, 0x82, rest.length >> 8, rest.length & 0xff]),
        rest,
      ]);
      const ofOpenSsl = createPrivateKey({ key: without, format: "der", type: "pkcs8" });
      expect(createPublicKey(ofOpenSsl).equals(createPublicKey(privateKey))).toBe(true);
      expect(decodeMaterial(keySpec, plain(without))).toBeUndefined();
      // The seed of another key.
      both[30] = (both[30] ?? 0) ^ 1;
      expect(decodeMaterial(keySpec, plain(both))).toBeUndefined();
    },
  );
});

it.each([
  [
    "OpenSSL cannot read such a key",
    () => {
      throw new Error("unsupported");
    },
  ],
  ["Node.js does not know its type", () => ({ asymmetricKeyType: undefined })],
])("is not available where %s", async (_, createKey) => {
  vi.doMock(import("node:crypto"), async (original) => ({
    ...(await original()),
    createPrivateKey: createKey as unknown as typeof createPrivateKey,
  }));
  onTestFinished(() => {
    vi.doUnmock("node:crypto");
    vi.resetModules();
  });
  vi.resetModules();
  const { hasAlgorithm: hasAlgorithmThere } = await import("../../src/material/post-quantum.ts");
  expect(hasAlgorithmThere("ml-dsa-44")).toBe(false);
});
