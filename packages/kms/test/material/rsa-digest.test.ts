import { constants, createHash, privateEncrypt, sign, type KeyObject } from "node:crypto";
import { describe, expect, it } from "vitest";
import { signRsaDigest, verifyRsaDigest } from "../../src/material/rsa-digest.ts";
import { flipped, hex, plain, sample } from "../support/material.ts";

const digest = createHash("sha256").update("a message").digest();
const SHA_256_INFO = hex("3031300d060960864801650304020105000420");

/** The bare RSA operation on an encoded message of our own making. */
function raise(key: KeyObject, encoded: Uint8Array): Uint8Array {
  return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, encoded);
}

/** EMSA-PKCS1-v1_5 with anything for a DigestInfo, in 256 bytes. */
function pad(info: Uint8Array, tail: Uint8Array = new Uint8Array(0), fill = 0xff): Uint8Array {
  const filler = Buffer.alloc(256 - 3 - info.length - tail.length, fill);
  return Buffer.concat([Buffer.from([0, 1]), filler, Buffer.from([0]), info, tail]);
}

describe("PKCS #1 v1.5", () => {
  const verified = async (encoded: Uint8Array): Promise<boolean> => {
    const key = await sample("RSA_2048");
    return verifyRsaDigest(key, "pkcs1", "sha256", digest, raise(key, encoded));
  };

  it("accepts the one encoding there is", async () => {
    expect(await verified(pad(Buffer.concat([SHA_256_INFO, digest])))).toBe(true);
  });

  it("refuses every other one", async () => {
    const info = Buffer.concat([SHA_256_INFO, digest]);
    const sha384 = Buffer.concat([hex("3041300d060960864801650304020205000430"), digest]);
    const noNull = Buffer.concat([hex("302f300b0609608648016503040201"), hex("0420"), digest]);
    const longLength = Buffer.concat([hex("308131300d060960864801650304020105000420"), digest]);
    for (const encoded of [
      pad(digest),
      pad(sha384),
      pad(noNull),
      pad(longLength),
      pad(info.subarray(0, -1)),
      // Bytes behind the digest: Bleichenbacher's forgery of 2006.
      pad(info, new Uint8Array(64)),
      pad(info, new Uint8Array(1)),
      pad(info, undefined, 0xfe),
      flipped(pad(info), 1),
      flipped(pad(info), 100),
    ]) {
      expect(await verified(encoded)).toBe(false);
    }
  });

  it("is deterministic", async () => {
    const key = await sample("RSA_2048");
    expect(signRsaDigest(key, "pkcs1", "sha256", digest)).toEqual(
      plain(sign("sha256", Buffer.from("a message"), key)),
    );
  });
});

describe("PSS", () => {
  it("takes a fresh salt for each signature", async () => {
    const key = await sample("RSA_2048");
    const [a, b] = [1, 2].map(() => signRsaDigest(key, "pss", "sha256", digest));
    expect(a).toHaveLength(256);
    expect(a).not.toEqual(b);
  });

  it("leaves no bit of the encoding unchecked", async () => {
    const key = await sample("RSA_2048");
    const signature = signRsaDigest(key, "pss", "sha256", digest);
    const { publicDecrypt } = await import("node:crypto");
    const encoded = publicDecrypt({ key, padding: constants.RSA_NO_PADDING }, signature);
    const verified = (em: Uint8Array): boolean =>
      verifyRsaDigest(key, "pss", "sha256", digest, raise(key, em));
    expect(verified(encoded)).toBe(true);
    for (let at = 0; at < encoded.length; at++) {
      // The first byte is kept below the modulus's.
      expect([at, verified(flipped(encoded, at))]).toEqual([at, false]);
    }
  });

  it("refuses an encoding with its first bit set, even where the modulus has room for it", async () => {
    const key = await sample("RSA_2048");
    const { publicDecrypt } = await import("node:crypto");
    for (;;) {
      const signature = signRsaDigest(key, "pss", "sha256", digest);
      const encoded = publicDecrypt({ key, padding: constants.RSA_NO_PADDING }, signature);
      encoded[0] = (encoded[0] ?? 0) | 0x80;
      let raised: Uint8Array;
      try {
        raised = raise(key, encoded);
      } catch {
        continue; // Not below this modulus: another salt.
      }
      expect(verifyRsaDigest(key, "pss", "sha256", digest, raised)).toBe(false);
      return;
    }
  });

  it("refuses a shorter and a longer salt", async () => {
    const key = await sample("RSA_2048");
    for (const saltLength of [0, 31, 32, 33, 64]) {
      const options = { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
      const signature = sign("sha256", Buffer.from("a message"), options);
      expect(verifyRsaDigest(key, "pss", "sha256", digest, signature)).toBe(saltLength === 32);
    }
  });
});

it("refuses a signature that is the same number in more or fewer bytes", async () => {
  const key = await sample("RSA_2048");
  for (const encoding of ["pkcs1", "pss"] as const) {
    const signature = signRsaDigest(key, encoding, "sha256", digest);
    const padded = Buffer.concat([Buffer.alloc(1), signature]);
    expect(verifyRsaDigest(key, encoding, "sha256", digest, signature)).toBe(true);
    expect(verifyRsaDigest(key, encoding, "sha256", digest, padded)).toBe(false);
    expect(verifyRsaDigest(key, encoding, "sha256", digest, new Uint8Array(256).fill(255))).toBe(
      false,
    );
  }
  // One PSS signature of 256 begins with a zero, which makes no difference to the number.
  for (;;) {
    const signature = signRsaDigest(key, "pss", "sha256", digest);
    if (signature[0] !== 0) continue;
    expect(verifyRsaDigest(key, "pss", "sha256", digest, signature)).toBe(true);
    expect(verifyRsaDigest(key, "pss", "sha256", digest, signature.subarray(1))).toBe(false);
    return;
  }
});
