/**
 * Certificates of an authority of one's own, with ECDSA keys on P-256.
 *
 * They are written here, because the libraries for it bring a dozen packages along, and a server's certificate has few parts.
 *
 * Source: RFC 5280; RFC 5758 for the signature
 *
 * @module
 */
import { createHash, createPublicKey, randomBytes, sign, type KeyObject } from "node:crypto";
import { isIP } from "node:net";
import * as der from "./der.ts";

export interface CertificateRequest {
  /** The common name. */
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** Names and addresses of a server; undefined for an authority. */
  readonly hosts?: readonly string[];
}

export interface Issuer {
  /** The common name. */
  readonly subject: string;
  readonly privateKey: KeyObject;
}

const OID = {
  commonName: "2.5.4.3",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
} as const;

const ALGORITHM = der.sequence(der.objectId(OID.ecdsaWithSha256));

/** Issues a certificate, in PEM. */
export function issueCertificate(request: CertificateRequest, issuer: Issuer): string {
  const tbs = der.sequence(
    der.tagged(0, der.integer(Buffer.of(2)), true), // version 3
    der.integer(serialNumber()),
    ALGORITHM,
    nameOf(issuer.subject),
    der.sequence(der.time(request.notBefore), der.time(request.notAfter)),
    nameOf(request.subject),
    request.publicKey.export({ type: "spki", format: "der" }),
    der.tagged(3, der.sequence(...extensions(request, issuer)), true),
  );
  const signature = sign("sha256", tbs, issuer.privateKey);
  const certificate = der.sequence(tbs, ALGORITHM, der.bits(signature));
  const lines = certificate.toString("base64").match(/.{1,64}/g) ?? [];
  return ["-----BEGIN CERTIFICATE-----", ...lines, "-----END CERTIFICATE-----", ""].join("\n");
}

/** 127 random bits, never zero. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes;
}

function nameOf(commonName: string): Buffer {
  return der.sequence(der.set(der.sequence(der.objectId(OID.commonName), der.text(commonName))));
}

function extensions({ publicKey, hosts }: CertificateRequest, issuer: Issuer): Buffer[] {
  const authority = der.sequence(der.tagged(0, keyIdOf(createPublicKey(issuer.privateKey)), false));
  const common = [
    extension(OID.subjectKeyIdentifier, der.octets(keyIdOf(publicKey))),
    extension(OID.authorityKeyIdentifier, authority),
  ];
  if (hosts === undefined) {
    return [
      ...common,
      // An authority for servers alone: none below it.
      extension(
        OID.basicConstraints,
        der.sequence(der.boolean(true), der.integer(Buffer.of(0))),
        true,
      ),
      extension(OID.keyUsage, der.bits(Buffer.of(0x06), 1), true), // keyCertSign, cRLSign
    ];
  }
  return [
    ...common,
    extension(OID.basicConstraints, der.sequence(), true),
    extension(OID.keyUsage, der.bits(Buffer.of(0x80), 7), true), // digitalSignature
    extension(OID.extendedKeyUsage, der.sequence(der.objectId(OID.serverAuth))),
    extension(OID.subjectAltName, der.sequence(...hosts.map(hostName))),
  ];
}

function extension(id: string, value: Uint8Array, critical = false): Buffer {
  const flag = critical ? [der.boolean(true)] : [];
  return der.sequence(der.objectId(id), ...flag, der.octets(value));
}

/** Any unique value serves (RFC 5280, 4.2.1.2). */
function keyIdOf(publicKey: KeyObject): Buffer {
  return createHash("sha1")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest();
}

function hostName(host: string): Buffer {
  const version = isIP(host);
  if (version === 0) return der.tagged(2, Buffer.from(host, "ascii"), false);
  return der.tagged(7, version === 4 ? bytesOfIPv4(host) : bytesOfIPv6(host), false);
}

function bytesOfIPv4(address: string): Buffer {
  return Buffer.from(address.split(".").map(Number));
}

function bytesOfIPv6(address: string): Buffer {
  // The parser of URLs writes it in one way, with hexadecimal groups alone.
  const [head = "", tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split("::");
  const before = groups(head);
  const after = groups(tail);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => "0");
  const all = [...before, ...zeros, ...after];
  return Buffer.from(all.map((group) => group.padStart(4, "0")).join(""), "hex");
}

function groups(part = ""): string[] {
  return part === "" ? [] : part.split(":");
}
