import { createHash, createHmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import { expect, it } from "vitest";
import type { ReceivedRequest } from "../src/signed-request.ts";
import { SignatureVerifier } from "../src/verify-signature.ts";

const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI" };
const now = Date.UTC(2030, 0, 2, 12);

class Sha256 {
  readonly #hash;
  constructor(secret?: Uint8Array) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", secret);
  }
  update(data: Uint8Array | string): void {
    this.#hash.update(data);
  }
  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest());
  }
}

async function signed(body = "{}"): Promise<ReceivedRequest> {
  const signer = new SignatureV4({
    service: "kms",
    region: "eu-west-1",
    credentials,
    sha256: Sha256 as never,
  });
  const headers = { host: "kms.test", "x-amz-target": "TrentService.ListKeys" };
  const request = {
    method: "POST",
    protocol: "http:",
    hostname: "kms.test",
    path: "/",
    headers,
    body,
  };
  const { headers: sent } = await signer.sign(request, { signingDate: new Date(now) });
  const rawHeaders = Object.entries<string>(sent).flat();
  return { method: "POST", target: "/", rawHeaders, body: Buffer.from(body) };
}

const verifier = new SignatureVerifier({
  services: new Set(["kms"]),
  now: () => now,
  credential: (id) =>
    id === credentials.accessKeyId
      ? { ...credentials, principal: "user/alice", session: {} }
      : undefined,
});

it("accepts what AWS's own signer signs", async () => {
  expect(await verifier.verify(await signed())).toEqual({
    credential: { ...credentials, principal: "user/alice", session: {} },
    region: "eu-west-1",
    service: "kms",
  });
});

it("refuses another body", async () => {
  const request = await signed();
  const altered = { ...request, body: Buffer.from("[]") };
  await expect(verifier.verify(altered)).rejects.toMatchObject({
    type: "InvalidSignatureException",
    status: 400,
  });
});
