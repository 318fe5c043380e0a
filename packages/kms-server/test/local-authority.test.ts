import { X509Certificate } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { tempFolder } from "@env/testkit/folder";
import { expect, it, vi } from "vitest";
import { localCertificate } from "../src/index.ts";
import { startedServer } from "./support/server.ts";

const certificateIn = (file: string): X509Certificate => new X509Certificate(readFileSync(file));

/** The status of a GET, and the certificate that came with it. */
function get(url: string, ca: string): Promise<{ status: number; fingerprint: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { ca, agent: false }, (response) => {
      const { fingerprint256 } = (response.socket as TLSSocket).getPeerCertificate();
      response.resume();
      resolve({ status: response.statusCode ?? 0, fingerprint: fingerprint256 });
    });
    sent.on("error", reject);
    sent.end();
  });
}

it("makes an authority once, and a certificate for this machine and the given names", () => {
  const folder = join(tempFolder(), "tls");
  const files = localCertificate(folder, ["kms.test", "192.0.2.7", "2001:db8::1"]);
  const authority = certificateIn(files.caFile);
  const certificate = certificateIn(files.certFile);
  expect(authority.ca).toBe(true);
  expect(certificate.ca).toBe(false);
  expect(certificate.checkIssued(authority)).toBe(true);
  expect(certificate.verify(authority.publicKey)).toBe(true);
  for (const name of ["localhost", "kms.test"]) expect(certificate.checkHost(name)).toBe(name);
  for (const ip of ["127.0.0.1", "::1", "192.0.2.7", "2001:db8::1"]) {
    expect(certificate.checkIP(ip), ip).toBe(ip);
  }
  expect(certificate.checkHost("kms.example")).toBeUndefined();
  expect(statSync(files.keyFile).mode & 0o777).toBe(0o600);
  expect(statSync(join(folder, "ca.key")).mode & 0o777).toBe(0o600);
});

it("keeps what serves, and adds a name under the same authority", () => {
  const folder = tempFolder();
  const { caFile, certFile } = localCertificate(folder);
  const [authority, certificate] = [readFileSync(caFile, "utf8"), readFileSync(certFile, "utf8")];
  localCertificate(folder);
  expect(readFileSync(certFile, "utf8")).toBe(certificate);
  localCertificate(folder, ["kms.test"]);
  expect(readFileSync(certFile, "utf8")).not.toBe(certificate);
  expect(readFileSync(caFile, "utf8")).toBe(authority);
});

it("renews a certificate that ends within a month", () => {
  const folder = tempFolder();
  const { certFile } = localCertificate(folder);
  const before = certificateIn(certFile);
  const end = before.validToDate.getTime();
  vi.useFakeTimers({ now: end - 29 * 86_400_000, toFake: ["Date"] });
  try {
    localCertificate(folder);
  } finally {
    vi.useRealTimers();
  }
  expect(certificateIn(certFile).validToDate.getTime()).toBeGreaterThan(end);
});

it("is trusted by clients that trust the authority, and by no others", async () => {
  const { caFile, ...tls } = localCertificate(tempFolder());
  const { url } = await startedServer({ tls });
  expect(url).toMatch(/^https:/);
  const page = `${url}/healthz`;
  await expect(get(page, readFileSync(caFile, "utf8"))).resolves.toMatchObject({ status: 200 });
  const other = readFileSync(localCertificate(tempFolder()).caFile, "utf8");
  await expect(get(page, other)).rejects.toThrow(/certificate|signature/);
});

it("serves a certificate that replaces another, and the former one while its key is missing", async () => {
  const folder = tempFolder();
  const { caFile, ...tls } = localCertificate(folder);
  const ca = readFileSync(caFile, "utf8");
  const { url } = await startedServer({ tls });
  const page = `${url}/healthz`;
  const before = await get(page, ca);
  const warned = vi.spyOn(process, "emitWarning").mockImplementation(() => undefined);
  const key = readFileSync(tls.keyFile);
  localCertificate(folder, ["kms.test"]);
  const newKey = readFileSync(tls.keyFile);
  writeFileSync(tls.keyFile, key);
  await expect.poll(() => warned).toHaveBeenCalled();
  await expect(get(page, ca)).resolves.toEqual(before);
  writeFileSync(tls.keyFile, newKey);
  const { fingerprint256 } = certificateIn(tls.certFile);
  await expect.poll(async () => (await get(page, ca)).fingerprint).toBe(fingerprint256);
  warned.mockRestore();
});

it("refuses files that are not a certificate and its key before it listens", async () => {
  const { certFile } = localCertificate(tempFolder());
  const { keyFile } = localCertificate(tempFolder());
  await expect(startedServer({ tls: { certFile, keyFile } })).rejects.toThrow(
    "key values mismatch",
  );
});
