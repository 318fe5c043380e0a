import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  ECDH,
  generateKeyPairSync,
  randomBytes,
} from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { exportScalar } from "../../src/material/curves.ts";
import {
  canWrap,
  fingerprint,
  readMaterial,
  unwrapMaterial,
  wrappingAlgorithms,
  wrappingKeySpecs,
} from "../../src/material/unwrap.ts";
import { encodeMaterial, encodePublicKey } from "../../src/material/material.ts";
import { allSpecs, flipped, pairSpecs, plain, sample, samplePair } from "../support/material.ts";
import { wrapMaterial } from "../support/wrapping.ts";

const KEY_ID = "6f0c1d2e-3b4a-4c5d-8e6f-708192a3b4c5";

describe("unwrapMaterial", () => {
  it("takes what was wrapped by each algorithm under each key", async () => {
    for (const wrappingSpec of wrappingKeySpecs) {
      const wrappingKey = await sample(wrappingSpec);
      const publicKey = encodePublicKey(wrappingKey);
      for (const algorithm of wrappingAlgorithms) {
        for (const spec of allSpecs) {
          if (!canWrap(algorithm, wrappingSpec, spec)) continue;
          const material = encodeMaterial(await sample(spec));
          const wrapped = wrapMaterial(publicKey, algorithm, material);
          expect(wrapped.length).toBeLessThanOrEqual(6144);
          expect(unwrapMaterial(wrappingKey, algorithm, wrapped)).toEqual(material);
        }
      }
    }
  });

  it("takes nothing that was altered, cut or wrapped by another algorithm", async () => {
    const wrappingKey = await sample("RSA_2048");
    const publicKey = encodePublicKey(wrappingKey);
    for (const algorithm of wrappingAlgorithms) {
      const material = randomBytes(32);
      const wrapped = wrapMaterial(publicKey, algorithm, material);
      for (const other of wrappingAlgorithms) {
        const taken = unwrapMaterial(wrappingKey, other, wrapped);
        expect([algorithm, other, taken !== undefined]).toEqual([
          algorithm,
          other,
          other === algorithm,
        ]);
      }
      for (let at = 0; at < wrapped.length; at += 9) {
        expect(unwrapMaterial(wrappingKey, algorithm, flipped(wrapped, at))).toBeUndefined();
      }
      for (const length of [0, 1, 255, 256, wrapped.length - 1].filter((n) => n < wrapped.length)) {
        expect(unwrapMaterial(wrappingKey, algorithm, wrapped.subarray(0, length))).toBeUndefined();
      }
      const other = await sample("RSA_3072");
      expect(unwrapMaterial(other, algorithm, wrapped)).toBeUndefined();
    }
  });

  it("takes an AES key of 256 bits only", async () => {
    const wrappingKey = await sample("RSA_2048");
    const algorithm = "RSA_AES_KEY_WRAP_SHA_256";
    const take = (bytes: number) => {
      const kek = randomBytes(bytes);
      const wrapped = wrapMaterial(encodePublicKey(wrappingKey), algorithm, randomBytes(32), kek);
      return unwrapMaterial(wrappingKey, algorithm, wrapped);
    };
    expect([16, 24, 32].map((bytes) => take(bytes)?.length)).toEqual([undefined, undefined, 32]);
  });

  it("returns material of every length without its padding", async () => {
    const wrappingKey = await sample("RSA_2048");
    const publicKey = encodePublicKey(wrappingKey);
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 600 }), (material) => {
        const algorithm = "RSA_AES_KEY_WRAP_SHA_1";
        const wrapped = wrapMaterial(publicKey, algorithm, material);
        expect(unwrapMaterial(wrappingKey, algorithm, wrapped)).toEqual(plain(material));
      }),
      { numRuns: 40 },
    );
  });
});

describe("canWrap", () => {
  it("is AWS's table: RSA keys need AES, P-521 does under RSA_2048", async () => {
    for (const wrappingSpec of wrappingKeySpecs) {
      const { publicKey } = await samplePair(wrappingSpec);
      const spki = publicKey.export({ format: "der", type: "spki" });
      for (const algorithm of wrappingAlgorithms) {
        for (const spec of allSpecs) {
          const material = encodeMaterial(await sample(spec));
          let fits = true;
          try {
            wrapMaterial(spki, algorithm, material);
          } catch {
            fits = false;
          }
          expect([spec, algorithm, canWrap(algorithm, wrappingSpec, spec)]).toEqual([
            spec,
            algorithm,
            fits,
          ]);
        }
      }
    }
  });
});

describe("readMaterial", () => {
  it("takes the material of every key spec, and wipes it", async () => {
    for (const spec of allSpecs) {
      const key = await sample(spec);
      const bytes = encodeMaterial(key);
      expect(readMaterial(spec, bytes)?.equals(key)).toBe(true);
      expect(bytes.every((byte) => byte === 0)).toBe(true);
    }
  });

  it("refuses another length, type, curve or size", async () => {
    for (const [spec, bytes] of [
      ["SYMMETRIC_DEFAULT", randomBytes(31)],
      ["SYMMETRIC_DEFAULT", randomBytes(33)],
      ["HMAC_224", randomBytes(32)],
      ["HMAC_512", randomBytes(63)],
      ["RSA_2048", encodeMaterial(await sample("RSA_3072"))],
      ["ECC_NIST_P256", encodeMaterial(await sample("ECC_SECG_P256K1"))],
      ["ECC_NIST_P256", exportScalar(await sample("ECC_NIST_P256"))],
      ["ECC_NIST_EDWARDS25519", randomBytes(32)],
      ["RSA_2048", encodePublicKey(await sample("RSA_2048"))],
    ] as const) {
      expect(readMaterial(spec, bytes)).toBeUndefined();
    }
  });

  it("refuses a private key with another's public key", async () => {
    for (const [spec, curve] of [
      ["ECC_NIST_P256", "prime256v1"],
      ["ECC_SECG_P256K1", "secp256k1"],
    ] as const) {
      const bytes = Buffer.from(encodeMaterial(await sample(spec)));
      const { publicKey } = generateKeyPairSync("ec", { namedCurve: curve });
      const point = publicKey.export({ format: "der", type: "spki" }).subarray(-65);
      point.copy(bytes, bytes.length - 65);
      // OpenSSL by itself is content with it.
      createPrivateKey({ key: Buffer.from(bytes), format: "der", type: "pkcs8" });
      expect(readMaterial(spec, bytes)).toBeUndefined();
    }
  });

  it("gives whole points for compressed ones and for none", async () => {
    const key = await sample("ECC_NIST_P256");
    const scalar = exportScalar(key);
    const point = encodePublicKey(key).subarray(-65);
    const compressed = ECDH.convertKey(point, "prime256v1", undefined, undefined, "compressed");
    if (typeof compressed === "string") throw new Error("asked for bytes");
    const oid = Buffer.from("06082a8648ce3d030107", "hex");
    const sec1 = (tail: Buffer): Buffer => {
      const head = Buffer.from([2, 1, 1, 4, 32]);
      const body = Buffer.concat([head, scalar, Buffer.from([0xa0, oid.length]), oid, tail]);
      return Buffer.concat([Buffer.from([0x30, body.length]), body]);
    };
    const bits = Buffer.concat([Buffer.from([0xa1, 36, 3, 34, 0]), compressed]);
    for (const tail of [bits, Buffer.alloc(0)]) {
      const other = createPrivateKey({ key: sec1(tail), format: "der", type: "sec1" });
      const read = readMaterial("ECC_NIST_P256", encodeMaterial(other));
      expect(read && encodePublicKey(read)).toEqual(encodePublicKey(key));
      expect(read && fingerprint(KEY_ID, read)).toBe(fingerprint(KEY_ID, key));
    }
  });

  it("refuses noise without throwing", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 400 }),
        fc.constantFrom(...pairSpecs),
        (bytes, spec) => {
          expect(readMaterial(spec, bytes)).toBeUndefined();
        },
      ),
    );
  });
});

describe("fingerprint", () => {
  it("is the same for the same key id and material, and for no other", async () => {
    const seen = new Set<string>();
    for (const spec of allSpecs) {
      const key = await sample(spec);
      const id = fingerprint(KEY_ID, key);
      expect(id).toMatch(/^[0-9a-f]{64}$/);
      const again = readMaterial(spec, encodeMaterial(key));
      expect(again && fingerprint(KEY_ID, again)).toBe(id);
      seen.add(id);
      seen.add(fingerprint("6f0c1d2e-3b4a-4c5d-8e6f-708192a3b4c6", key));
    }
    expect(seen.size).toBe(2 * allSpecs.length);
  });

  it("is a MAC under a secret, and a hash of a public key", async () => {
    const name = Buffer.from("env/1/importedmaterial\0");
    const id = Buffer.from(KEY_ID.replaceAll("-", ""), "hex");
    const raw = randomBytes(32);
    const mac = createHmac("sha256", raw).update(name).update(id).digest("hex");
    expect(fingerprint(KEY_ID, createSecretKey(raw))).toBe(mac);
    const key = await sample("ECC_NIST_P384");
    const spki = createPublicKey(key).export({ format: "der", type: "spki" });
    const hash = createHash("sha256").update(name).update(id).update(spki).digest("hex");
    expect(fingerprint(KEY_ID, key)).toBe(hash);
  });
});
