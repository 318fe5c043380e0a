import {
  constants,
  createPrivateKey,
  sign as signMessage,
  verify as verifyMessage,
  type KeyObject,
} from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SigningAlgorithm } from "../../src/catalogue/key-specs.ts";
import type { Bytes } from "@env/core";
import { curveOf } from "../../src/material/curves.ts";
import { digestBytes, sign as signOrNot, verify } from "../../src/material/signature.ts";
import {
  digestOf,
  digestSigners,
  flipped,
  hashName,
  hex,
  samplePair,
  signers,
} from "../support/material.ts";

const message = Buffer.from("a message");

/** A signature, which there is for all but a few digests. */
function sign(...args: Parameters<typeof signOrNot>): Bytes {
  const signature = signOrNot(...args);
  if (signature === undefined) throw new Error("the digest cannot be signed");
  return signature;
}

describe.each(signers)("%s with %s", (spec, algorithm) => {
  it("signs messages that others verify, and verifies what others signed", async () => {
    const { privateKey, publicKey } = await samplePair(spec);
    const ours = sign(privateKey, algorithm, message, "RAW");
    expect(ours).toBeDefined();
    expect(theyVerify(publicKey, algorithm, message, ours)).toBe(true);
    expect(verify(privateKey, algorithm, message, "RAW", theySign(privateKey, algorithm))).toBe(
      true,
    );
  });

  it("refuses another message, key, signature and algorithm", async () => {
    const { privateKey, publicKey } = await samplePair(spec);
    const signature = sign(privateKey, algorithm, message, "RAW");
    expect(verify(publicKey, algorithm, message, "RAW", signature)).toBe(true);
    for (const at of [0, signature.length >> 1, signature.length - 1]) {
      const altered = flipped(signature, at);
      expect([at, verify(publicKey, algorithm, message, "RAW", altered)]).toEqual([at, false]);
    }
    for (const length of [0, 1, signature.length - 1]) {
      expect(verify(publicKey, algorithm, message, "RAW", signature.subarray(0, length))).toBe(
        false,
      );
    }
    const longer = Buffer.concat([signature, Buffer.alloc(1)]);
    expect(verify(publicKey, algorithm, message, "RAW", longer)).toBe(false);
    expect(verify(publicKey, algorithm, flipped(message, 0), "RAW", signature)).toBe(false);
  });
});

describe.each(digestSigners)("digests: %s with %s", (spec, algorithm) => {
  it("makes the same signatures over a digest as over its message", async () => {
    const { privateKey, publicKey } = await samplePair(spec);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const digest = digestOf(algorithm, bytes);
        const overDigest = sign(privateKey, algorithm, digest, "DIGEST");
        expect(theyVerify(publicKey, algorithm, bytes, overDigest)).toBe(true);
        const overMessage = theySign(privateKey, algorithm, bytes);
        expect(verify(privateKey, algorithm, digest, "DIGEST", overMessage)).toBe(true);
      }),
      { numRuns: 10 },
    );
  });

  it("refuses another digest and another signature", async () => {
    const { privateKey } = await samplePair(spec);
    const digest = digestOf(algorithm, message);
    const signature = sign(privateKey, algorithm, digest, "DIGEST");
    const check = (one: Uint8Array, other: Uint8Array): boolean =>
      verify(privateKey, algorithm, one, "DIGEST", other);
    expect(check(digest, signature)).toBe(true);
    for (let at = 0; at < digest.length; at += 7) {
      expect([at, check(flipped(digest, at), signature)]).toEqual([at, false]);
    }
    for (let at = 0; at < signature.length; at += 5) {
      expect([at, check(digest, flipped(signature, at))]).toEqual([at, false]);
    }
    for (const length of [0, 1, 2, 3, signature.length - 1]) {
      expect([length, check(digest, signature.subarray(0, length))]).toEqual([length, false]);
    }
    expect(check(digest, Buffer.concat([signature, Buffer.alloc(1)]))).toBe(false);
  });

  it("does not hash a digest again, nor take a message for its digest", async () => {
    const { privateKey, publicKey } = await samplePair(spec);
    const digest = digestOf(algorithm, message);
    const overDigest = sign(privateKey, algorithm, digest, "DIGEST");
    expect(theyVerify(publicKey, algorithm, digest, overDigest)).toBe(false);
    const hashedTwice = sign(privateKey, algorithm, digest, "RAW");
    expect(verify(privateKey, algorithm, digest, "DIGEST", hashedTwice)).toBe(false);
  });

  it("derives the length of its digests from its name", () => {
    expect(digestBytes(algorithm)).toBe(digestOf(algorithm, message).length);
  });
});

describe("ED25519_SHA_512", () => {
  it("gives the signature of RFC 8032, section 7.1, test 2", () => {
    const seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
    const key = createPrivateKey({
      key: Buffer.from(hex(`302e020100300506032b657004220420${seed}`)),
      format: "der",
      type: "pkcs8",
    });
    const signature = hex(
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    );
    expect(sign(key, "ED25519_SHA_512", hex("72"), "RAW")).toEqual(signature);
  });
});

const pure = signers.filter(([, algorithm]) => digestBytes(algorithm) === undefined);

it.each(pure)("%s signs no digests with %s", async (spec, algorithm) => {
  const { privateKey } = await samplePair(spec);
  const digest = new Uint8Array(64).fill(1);
  expect(() => sign(privateKey, algorithm, digest, "DIGEST")).toThrow(RangeError);
  expect(() => verify(privateKey, algorithm, digest, "DIGEST", digest)).toThrow(RangeError);
});

describe("ECDSA", () => {
  it.each(["ECC_NIST_P256", "ECC_NIST_P384", "ECC_SECG_P256K1"] as const)(
    "signs no digest that is 0 modulo the order of %s",
    async (spec) => {
      const { privateKey } = await samplePair(spec);
      const { order, bytes } = curveOf(privateKey);
      const algorithm = bytes === 48 ? "ECDSA_SHA_384" : "ECDSA_SHA_256";
      for (const digest of [new Uint8Array(bytes), Buffer.from(order.toString(16), "hex")]) {
        expect(signOrNot(privateKey, algorithm, digest, "DIGEST")).toBeUndefined();
        const any = sign(privateKey, algorithm, message, "RAW");
        expect(verify(privateKey, algorithm, digest, "DIGEST", any)).toBe(false);
      }
    },
  );
});

describe("RSASSA_PSS", () => {
  it("refuses salts of any other length than the hash's", async () => {
    const { privateKey, publicKey } = await samplePair("RSA_2048");
    const algorithm = "RSASSA_PSS_SHA_256";
    for (const saltLength of [0, 20, 31, 32, 33, constants.RSA_PSS_SALTLEN_MAX_SIGN]) {
      const key = { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
      const signature = signMessage("sha256", message, key);
      expect(verify(publicKey, algorithm, message, "RAW", signature)).toBe(saltLength === 32);
    }
  });
});

/** node:crypto by itself, with the parameters that RFC 8017 and AWS's documentation give. */
function parameters(algorithm: SigningAlgorithm): { padding?: number; saltLength?: number } {
  if (algorithm.startsWith("RSASSA_PKCS1")) return { padding: constants.RSA_PKCS1_PADDING };
  if (!algorithm.startsWith("RSASSA_PSS")) return {};
  return { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: Number(algorithm.slice(-3)) / 8 };
}

function theySign(
  key: KeyObject,
  algorithm: SigningAlgorithm,
  bytes: Uint8Array = message,
): Uint8Array {
  return signMessage(hashName(algorithm), bytes, { key, ...parameters(algorithm) });
}

function theyVerify(
  key: KeyObject,
  algorithm: SigningAlgorithm,
  bytes: Uint8Array,
  signature: Uint8Array,
): boolean {
  const options = { key, ...parameters(algorithm) };
  return verifyMessage(hashName(algorithm), bytes, options, signature);
}
