import { createSecretKey } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keySpecs } from "../../src/catalogue/key-specs.ts";
import { computeMac, verifyMac } from "../../src/material/hmac.ts";
import { flipped, hex, sample } from "../support/material.ts";

const algorithms = ["HMAC_SHA_224", "HMAC_SHA_256", "HMAC_SHA_384", "HMAC_SHA_512"] as const;

/** RFC 4231, sections 4.2, 4.3 and 4.7. */
const vectors = [
  {
    key: "0b".repeat(20),
    message: Buffer.from("Hi There"),
    macs: [
      "896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22",
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
      "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6",
      "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
    ],
  },
  {
    key: Buffer.from("Jefe").toString("hex"),
    message: Buffer.from("what do ya want for nothing?"),
    macs: [
      "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44",
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
      "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
    ],
  },
  {
    key: "aa".repeat(131),
    message: Buffer.from("Test Using Larger Than Block-Size Key - Hash Key First"),
    macs: [
      "95e9a0db962095adaebe9b2d6f0dbce2d499f112f2d2b7273fa6870e",
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
      "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
      "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
    ],
  },
];

describe("computeMac", () => {
  it.each(algorithms)("gives the MACs of RFC 4231 for %s", (algorithm) => {
    for (const { key, message, macs } of vectors) {
      const mac = computeMac(createSecretKey(hex(key)), algorithm, message);
      expect(Buffer.from(mac).toString("hex")).toBe(macs[algorithms.indexOf(algorithm)]);
    }
  });
});

describe("verifyMac", () => {
  it("accepts the whole MAC of the message and nothing else", async () => {
    for (const spec of ["HMAC_224", "HMAC_256", "HMAC_384", "HMAC_512"] as const) {
      const key = await sample(spec);
      const [algorithm = "HMAC_SHA_224"] = keySpecs[spec].mac;
      fc.assert(
        fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.nat(), (message, at) => {
          const mac = computeMac(key, algorithm, message);
          expect(verifyMac(key, algorithm, message, mac)).toBe(true);
          expect(verifyMac(key, algorithm, message, flipped(mac, at % mac.length))).toBe(false);
          expect(verifyMac(key, algorithm, flipped(message, at % message.length), mac)).toBe(false);
          expect(verifyMac(key, algorithm, message, mac.subarray(0, -1))).toBe(false);
          expect(verifyMac(key, algorithm, message, Buffer.concat([mac, mac]))).toBe(false);
          expect(verifyMac(key, algorithm, message, new Uint8Array(0))).toBe(false);
        }),
        { numRuns: 30 },
      );
    }
  });
});
