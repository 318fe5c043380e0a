/**
 * A certificate authority for one machine, made once: its certificate is what clients are told to trust.
 *
 * The folder holds `ca.pem`, which may be given to anybody, and `server.pem`. Keys are in `ca.key` and `server.key`, of mode
 * 0600. The server's certificate is made anew when it ends within a month, or lacks a name.
 *
 * @module
 */
import {
  createPrivateKey,
  generateKeyPairSync,
  X509Certificate,
  type KeyObject,
} from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { issueCertificate } from "./certificate.ts";
import type { TlsFiles } from "./options.ts";

const DAY_MS = 86_400_000;
const AUTHORITY_DAYS = 3650;
/** Apple's clients refuse certificates of servers that last longer than 825 days, and public ones 398. */
const SERVER_DAYS = 397;
const RENEW_DAYS = 30;
const SUBJECT = "envelope local authority";

/** The files of a server's certificate, and the certificate of the authority that issued it. */
export interface LocalCertificate extends TlsFiles {
  /** Path of a file in PEM. */
  readonly caFile: string;
}

/**
 * Makes what is missing in a folder.
 *
 * @param hosts - Further names and addresses of the server, beside those of this machine's loopback.
 * @throws what reading and writing files fails with.
 */
export function localCertificate(folder: string, hosts: readonly string[] = []): LocalCertificate {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = (name: string): string => join(folder, name);
  const files = {
    caFile: file("ca.pem"),
    certFile: file("server.pem"),
    keyFile: file("server.key"),
  };
  const now = Date.now();
  const authority = authorityIn(files.caFile, file("ca.key"), now);
  const names = [...new Set(["localhost", "127.0.0.1", "::1", ...hosts])];
  if (isCurrent(files, names, now)) return files;
  const { privateKey, publicKey } = newKeyPair();
  const certificate = issueCertificate(
    { subject: "localhost", publicKey, ...validity(now, SERVER_DAYS), hosts: names },
    { subject: SUBJECT, privateKey: authority },
  );
  write(files.keyFile, pemOf(privateKey));
  write(files.certFile, certificate);
  return files;
}

function authorityIn(caFile: string, keyFile: string, now: number): KeyObject {
  if (existsSync(caFile) && existsSync(keyFile)) return createPrivateKey(readFileSync(keyFile));
  const { privateKey, publicKey } = newKeyPair();
  const request = { subject: SUBJECT, publicKey, ...validity(now, AUTHORITY_DAYS) };
  write(keyFile, pemOf(privateKey));
  write(caFile, issueCertificate(request, { subject: SUBJECT, privateKey }));
  return privateKey;
}

function isCurrent(
  { caFile, certFile, keyFile }: LocalCertificate,
  names: readonly string[],
  now: number,
): boolean {
  if (!existsSync(certFile) || !existsSync(keyFile)) return false;
  const certificate = new X509Certificate(readFileSync(certFile));
  const authority = new X509Certificate(readFileSync(caFile));
  return (
    certificate.verify(authority.publicKey) &&
    certificate.validToDate.getTime() > now + RENEW_DAYS * DAY_MS &&
    names.every((name) =>
      isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name),
    )
  );
}

/** The times begin an hour ago, for clocks that differ. */
function validity(now: number, days: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(now - 3_600_000), notAfter: new Date(now + days * DAY_MS) };
}

function newKeyPair(): { privateKey: KeyObject; publicKey: KeyObject } {
  return generateKeyPairSync("ec", { namedCurve: "prime256v1" });
}

function pemOf(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

/** Whole or not at all. */
function write(path: string, content: string): void {
  const partial = `${path}.${process.pid}`;
  writeFileSync(partial, content, { mode: path.endsWith(".key") ? 0o600 : 0o644 });
  renameSync(partial, path);
}
