/** Requests signed by AWS's own signer. */
import { createHash, createHmac, type Hash, type Hmac } from "node:crypto";
import { SignatureV4 } from "@smithy/signature-v4";
import type { ReceivedRequest } from "../../src/signed-request.ts";

export const key = {
  accessKeyId: "AKIDEXAMPLE",
  secretAccessKey: "wJalrXUtnFEMI/K7MDENG",
} as const;

/** Milliseconds since 1970: the time of all signatures that say nothing else. */
export const SIGNED_AT: number = Date.UTC(2030, 0, 2, 12);

export interface Signing {
  readonly body?: string;
  readonly path?: string;
  readonly query?: Record<string, string>;
  readonly headers?: Record<string, string>;
  readonly service?: string;
  readonly region?: string;
  readonly secretAccessKey?: string;
  readonly sessionToken?: string;
  readonly at?: number;
  /** Seconds: signs the query, and not a header. */
  readonly expiresIn?: number;
}

export async function signed({
  body = "{}",
  path = "/",
  query = {},
  headers = {},
  service = "kms",
  region = "eu-west-1",
  secretAccessKey = key.secretAccessKey,
  sessionToken,
  at = SIGNED_AT,
  expiresIn,
}: Signing = {}): Promise<ReceivedRequest> {
  const signer = new SignatureV4({
    service,
    region,
    credentials: {
      accessKeyId: key.accessKeyId,
      secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
    },
    sha256: Sha256 as never,
  });
  const request = {
    method: "POST",
    protocol: "http:",
    hostname: "kms.test",
    path,
    query,
    headers: { host: "kms.test", "x-amz-target": "TrentService.ListKeys", ...headers },
    body,
  };
  const signingDate = new Date(at);
  const sent =
    expiresIn === undefined
      ? await signer.sign(request, { signingDate })
      : await signer.presign(request, {
          signingDate,
          expiresIn,
          unhoistableHeaders: new Set(["x-amz-target"]),
        });
  const pairs = Object.entries(sent.query as Record<string, string>);
  const encoded = pairs.map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
  return {
    method: "POST",
    target: encoded === "" ? path : `${path}?${encoded}`,
    rawHeaders: Object.entries<string>(sent.headers).flat(),
    body: Buffer.from(body),
  };
}

/** The digest that the signer asks for. */
export class Sha256 {
  readonly #hash: Hash | Hmac;

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
