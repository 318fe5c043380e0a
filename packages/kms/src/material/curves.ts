/**
 * The elliptic curves of ECDSA and ECDH keys, and private keys on them as bare scalars.
 *
 * Source: SEC 2 for the curves, RFC 5915 for the encoding
 *
 * @module
 */
import { createPrivateKey, type KeyObject } from "node:crypto";
import type { Bytes } from "@env/core";

export interface Curve {
  /** OpenSSL's name. */
  readonly name: string;
  /** DER of its object identifier. */
  readonly oid: string;
  /** The length of a scalar. */
  readonly bytes: number;
  /** The number of its points, a prime. */
  readonly order: bigint;
}

const curves: readonly Curve[] = [
  {
    name: "prime256v1",
    oid: "06082a8648ce3d030107",
    bytes: 32,
    order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  },
  {
    name: "secp384r1",
    oid: "06052b81040022",
    bytes: 48,
    order:
      0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  },
  {
    name: "secp521r1",
    oid: "06052b81040023",
    bytes: 66,
    order:
      0x1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
  },
  {
    name: "secp256k1",
    oid: "06052b8104000a",
    bytes: 32,
    order: 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n,
  },
];

/** @throws RangeError for keys on none of them. */
export function curveOf({ asymmetricKeyDetails: details }: KeyObject): Curve {
  const curve = curves.find(({ name }) => name === details?.namedCurve);
  if (curve === undefined) throw new RangeError("the key is on none of the elliptic curves here");
  return curve;
}

/** The scalar of a private key, big-endian, as long as the curve has it: the caller's to wipe. */
export function exportScalar(privateKey: KeyObject): Bytes {
  const der = privateKey.export({ format: "der", type: "sec1" });
  try {
    // ECPrivateKey begins SEQUENCE { INTEGER 1, OCTET STRING scalar.
    const content = (der[1] ?? 0) < 0x80 ? 2 : 3;
    const length = der[content + 4] ?? 0;
    return new Uint8Array(der.subarray(content + 5, content + 5 + length));
  } finally {
    der.fill(0);
  }
}

/** The private key of a scalar, which is wiped. OpenSSL computes the public key. */
export function importScalar({ oid, bytes }: Curve, scalar: Uint8Array): KeyObject {
  const curve = Buffer.from(oid, "hex");
  // ECPrivateKey with parameters and without a public key. All lengths are below 128.
  const content = 3 + 2 + bytes + 2 + curve.length;
  const der = Buffer.alloc(2 + content);
  der.set([0x30, content, 0x02, 1, 1, 0x04, bytes]);
  der.set(scalar, 7);
  der.set([0xa0, curve.length, ...curve], 7 + bytes);
  try {
    return createPrivateKey({ key: der, format: "der", type: "sec1" });
  } finally {
    scalar.fill(0);
    der.fill(0);
  }
}
