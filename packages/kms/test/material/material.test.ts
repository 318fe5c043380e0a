import { createECDH, createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { keySpecs } from "../../src/catalogue/key-specs.ts";
import {
  decodeMaterial,
  decodePublicKey,
  encodeMaterial,
  encodePublicKey,
  generateMaterial,
} from "../../src/material/material.ts";
import { allSpecs, pairSpecs, sample } from "../support/material.ts";

vi.unmock("node:crypto"); // Every key here is generated.

describe("generateMaterial", () => {
  it.each(allSpecs)("makes a key of %s", async (spec) => {
    const { material } = keySpecs[spec];
    const key = await sample(spec);
    if (material.type === "secret") {
      expect(key.type).toBe("secret");
      expect(key.symmetricKeySize).toBe(material.bytes);
      return;
    }
    expect(key.type).toBe("private");
    expect(key.asymmetricKeyType).toBe(material.type);
    if (material.type === "ec") {
      expect(key.asymmetricKeyDetails).toEqual({ namedCurve: material.namedCurve });
    }
    if (material.type === "rsa") {
      expect(key.asymmetricKeyDetails).toEqual({
        modulusLength: material.modulusBits,
        publicExponent: 65_537n,
      });
    }
  });

  it("makes another key each time", async () => {
    for (const spec of ["SYMMETRIC_DEFAULT", "HMAC_512", "ECC_NIST_P256"] as const) {
      const [a, b] = [await generateMaterial(spec), await generateMaterial(spec)];
      expect(encodeMaterial(a)).not.toEqual(encodeMaterial(b));
    }
  });

  it("leaves the event loop free while it looks for primes", async () => {
    const order: string[] = [];
    const making = generateMaterial("RSA_2048").then(() => order.push("made"));
    setImmediate(() => order.push("turn"));
    await making;
    expect(order).toEqual(["turn", "made"]);
  });
});

describe("encodeMaterial, decodeMaterial", () => {
  it.each(allSpecs)("give back a key of %s, and wipe what was read", async (spec) => {
    const key = await sample(spec);
    const bytes = encodeMaterial(key);
    const copy = Uint8Array.from(bytes);
    const read = decodeMaterial(spec, bytes);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    expect(read?.equals(key)).toBe(true);
    expect(read && Uint8Array.from(encodeMaterial(read))).toEqual(copy);
  });

  it("give bytes that share memory with nothing", async () => {
    const bytes = encodeMaterial(await sample("SYMMETRIC_DEFAULT"));
    expect(bytes.buffer.byteLength).toBe(bytes.length);
    bytes.fill(0);
    expect(encodeMaterial(await sample("SYMMETRIC_DEFAULT"))).not.toEqual(bytes);
  });

  it("take no key for one of another spec, as far as its bytes can tell", async () => {
    for (const spec of allSpecs) {
      const key = await sample(spec);
      for (const other of allSpecs) {
        const bytes = encodeMaterial(key);
        const { material } = keySpecs[other];
        // Of a secret nothing shows but the length.
        const fits = material.type === "secret" ? bytes.length === material.bytes : spec === other;
        const read = decodeMaterial(other, bytes);
        expect([spec, other, read !== undefined]).toEqual([spec, other, fits]);
      }
    }
  });

  it("wipe the input that they refuse, and show nothing of it in the error", () => {
    const short = new Uint8Array(31).fill(7);
    expect(decodeMaterial("SYMMETRIC_DEFAULT", short)).toBeUndefined();
    expect(short).toEqual(new Uint8Array(31));
    const noise = new Uint8Array(138).fill(7);
    expect(decodeMaterial("ECC_NIST_P256", noise)).toBeUndefined();
    expect(noise).toEqual(new Uint8Array(138));
  });

  it("refuse an RSA key with a small exponent", () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048, publicExponent: 3 });
    expect(decodeMaterial("RSA_2048", encodeMaterial(privateKey))).toBeUndefined();
  });

  it("refuse an RSA-PSS key, whose use is restricted", () => {
    const { privateKey } = generateKeyPairSync("rsa-pss", { modulusLength: 2048 });
    expect(decodeMaterial("RSA_2048", encodeMaterial(privateKey))).toBeUndefined();
  });

  it("read whatever bytes without throwing", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.constantFrom(...pairSpecs),
        (bytes, spec) => {
          expect(decodeMaterial(spec, bytes)).toBeUndefined();
        },
      ),
    );
  });
});

describe("encodePublicKey, decodePublicKey", () => {
  it.each(pairSpecs)("give SubjectPublicKeyInfo of %s", async (spec) => {
    const key = await sample(spec);
    const spki = encodePublicKey(key);
    expect(decodePublicKey(spki)?.equals(createPublicKey(key))).toBe(true);
  });

  it("refuse a private key, a point off the curve and noise", async () => {
    const key = await sample("ECC_NIST_P256");
    const spki = Uint8Array.from(encodePublicKey(key));
    spki[spki.length - 1] = (spki.at(-1) ?? 0) ^ 1;
    expect(decodePublicKey(spki)).toBeUndefined();
    expect(decodePublicKey(encodeMaterial(key))).toBeUndefined();
    expect(decodePublicKey(new Uint8Array(91))).toBeUndefined();
    // Bare points are no SubjectPublicKeyInfo.
    expect(decodePublicKey(createECDH("prime256v1").generateKeys())).toBeUndefined();
  });
});

it("no private key is printed", async () => {
  const { inspect } = await import("node:util");
  const key = createPrivateKey({
    key: Buffer.from(encodeMaterial(await sample("ECC_NIST_P256"))),
    format: "der",
    type: "pkcs8",
  });
  expect(inspect(key, { depth: 9, showHidden: true })).not.toMatch(
    /[0-9a-f]{16}|Uint8Array|Buffer/,
  );
});
