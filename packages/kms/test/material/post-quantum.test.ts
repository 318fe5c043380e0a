import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { KeySpec } from "../../src/catalogue/key-specs.ts";
import { decapsulateSecret } from "../../src/material/encapsulation.ts";
import { decodeMaterial, encodeMaterial, encodePublicKey } from "../../src/material/material.ts";
import { hasAlgorithm } from "../../src/material/post-quantum.ts";
import { verify } from "../../src/material/signature.ts";
import { flipped, hex, plain } from "../support/material.ts";

interface Vector {
  readonly keySpec: KeySpec;
  readonly seed: string;
  readonly publicKeySha256: string;
}

interface MlKemVector extends Vector {
  /** Implicitly. */
  readonly rejected: boolean;
  readonly ciphertext: string;
  readonly sharedSecret: string;
}

interface MlDsaVector extends Vector {
  readonly message: string;
  readonly signature: string;
}

const { mlDsa, mlKem } = JSON.parse(
  readFileSync(new URL("vectors/post-quantum.json", import.meta.url), "utf8"),
) as { readonly mlDsa: readonly MlDsaVector[]; readonly mlKem: readonly MlKemVector[] };

const heads: Readonly<Record<string, string>> = {
  ML_DSA_44: "3034020100300b060960864801650304031104228020",
  ML_DSA_65: "3034020100300b060960864801650304031204228020",
  ML_DSA_87: "3034020100300b060960864801650304031304228020",
  ML_KEM_512: "3054020100300b060960864801650304040104428040",
  ML_KEM_768: "3054020100300b060960864801650304040204428040",
  ML_KEM_1024: "3054020100300b060960864801650304040304428040",
};

/** What comes before the public key itself in its encoding. */
const SPKI_HEAD = 22;

/** The key of a vector, whose encodings are compared on the way. */
function keyOf({ keySpec, seed, publicKeySha256 }: Vector): KeyObject {
  const encoded = hex(`${heads[keySpec]}${seed}`);
  const key = decodeMaterial(keySpec, encoded.slice());
  if (key === undefined) throw new Error("the key was not read");
  expect(encodeMaterial(key)).toEqual(encoded);
  const raw = encodePublicKey(key).subarray(SPKI_HEAD);
  expect(createHash("sha256").update(raw).digest("hex")).toBe(publicKeySha256);
  return key;
}

describe.skipIf(!hasAlgorithm("ml-dsa-44"))("on Node.js 24 with OpenSSL 3.5", () => {
  it.each(mlDsa)("verifies what others signed with $keySpec", (vector) => {
    const key = keyOf(vector);
    const [message, signature] = [hex(vector.message), Buffer.from(vector.signature, "base64")];
    expect(verify(key, "ML_DSA_SHAKE_256", message, "RAW", signature)).toBe(true);
    expect(verify(key, "ML_DSA_SHAKE_256", message, "RAW", flipped(signature, 7))).toBe(false);
  });

  it.each(mlKem)("decapsulates with $keySpec as others do, rejected: $rejected", (vector) => {
    const { keySpec, sharedSecret } = vector;
    const key = keyOf(vector);
    const ciphertext = Buffer.from(vector.ciphertext, "base64");
    const secret = hex(sharedSecret);
    expect(decapsulateSecret(key, keySpec, ciphertext)).toEqual(secret);
    expect(decapsulateSecret(key, keySpec, flipped(ciphertext, 9))).not.toEqual(secret);
  });

  it.each([
    ["ML_DSA_44", "ml-dsa-44", 32],
    ["ML_KEM_512", "ml-kem-512", 64],
  ] as const)(
    "reads %s with seed and expanded key as OpenSSL writes it, and not without the seed",
    (keySpec, type, seedBytes) => {
      // Its types are those of Node.js 22.
      const { privateKey } = generateKeyPairSync(type as "ed25519");
      const both = privateKey.export({ format: "der", type: "pkcs8" });
      const read = decodeMaterial(keySpec, plain(both));
      expect(read?.equals(privateKey)).toBe(true);
      expect(read && encodeMaterial(read).subarray(0, 22)).toEqual(hex(heads[keySpec] ?? ""));
      // PrivateKeyInfo up to the algorithm, and an OCTET STRING with the expanded key alone.
      const expanded = both.subarray(30 + seedBytes);
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
