/**
 * AWS's signature, version 4, in its three forms: a header, the query of a presigned URL, and the chain
 * of signatures over the chunks of a body.
 *
 * Source: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)"
 *
 * @module
 */
import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from "node:crypto";
import { hash } from "./checksums.ts";
import { S3Error } from "./error.ts";

/** The one key pair that may call the server. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface SignedRequest {
  readonly method: string;
  /** The decoded path. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
}

const ALGORITHM = "AWS4-HMAC-SHA256";
const EMPTY_HASH = hash("sha256", []).toString("hex");
/** Seconds that clocks may differ. */
const SKEW = 15 * 60;
const MAX_EXPIRES = 7 * 24 * 60 * 60;

/** Signs the chunks of a body, each with the signature before it. */
export interface ChunkSigner {
  chunk(data: Uint8Array): string;
  trailers(canonical: string): string;
}

interface Claim {
  /** Access key id, day, region, service, `aws4_request`. */
  readonly scope: readonly string[];
  readonly time: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  readonly payloadHash: string;
  readonly query: URLSearchParams;
}

/**
 * Verifies the signature of a request. The body is not looked at: its hash is part of what is signed.
 *
 * @throws S3Error `SignatureDoesNotMatch`, `InvalidAccessKeyId`, `AccessDenied`, `RequestTimeTooSkewed`
 */
export function verifySignature(request: SignedRequest, credentials: S3Credentials): ChunkSigner {
  const claim = request.query.has("X-Amz-Signature") ? presigned(request) : inHeader(request);
  const [accessKeyId, day = "", region = "", service = "", end] = claim.scope;
  if (accessKeyId !== credentials.accessKeyId) throw new S3Error("InvalidAccessKeyId");
  if (service !== "s3" || end !== "aws4_request" || !claim.time.startsWith(day)) {
    throw new S3Error("AuthorizationHeaderMalformed");
  }
  const unsigned = Object.keys(request.headers).filter(
    (name) =>
      name.startsWith("x-amz-") &&
      name !== "x-amz-content-sha256" &&
      !claim.signedHeaders.includes(name),
  );
  if (unsigned.length > 0 || !claim.signedHeaders.includes("host")) {
    throw new S3Error(
      "AccessDenied",
      "There were headers present in the request which were not signed",
      { HeadersNotSigned: unsigned.join(", ") },
    );
  }
  const scope = [day, region, service, end].join("/");
  const signingKey = signingKeyOf(credentials.secretAccessKey, scope);
  const sign = (name: string, ...lines: readonly string[]): string =>
    hmac(signingKey, [name, claim.time, scope, ...lines].join("\n")).toString("hex");

  let previous = sign(ALGORITHM, sha256(canonicalRequest(request, claim)));
  if (!same(previous, claim.signature)) throw new S3Error("SignatureDoesNotMatch");
  return {
    chunk(data) {
      const digest = hash("sha256", [data]).toString("hex");
      previous = sign(`${ALGORITHM}-PAYLOAD`, previous, EMPTY_HASH, digest);
      return previous;
    },
    trailers(canonical) {
      return sign(`${ALGORITHM}-TRAILER`, previous, sha256(canonical));
    },
  };
}

export function same(one: string, other: string): boolean {
  return one.length === other.length && timingSafeEqual(Buffer.from(one), Buffer.from(other));
}

function inHeader({ headers, query }: SignedRequest): Claim {
  const { authorization, "x-amz-date": time = "", "x-amz-content-sha256": payloadHash } = headers;
  if (authorization === undefined) throw new S3Error("AccessDenied");
  const found =
    /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([\da-f]{64})$/.exec(
      authorization,
    );
  if (found === null) throw new S3Error("AuthorizationHeaderMalformed");
  if (payloadHash === undefined) {
    throw new S3Error(
      "InvalidRequest",
      "Missing required header for this request: x-amz-content-sha256",
    );
  }
  if (Math.abs(Date.now() - secondsOf(time) * 1000) > SKEW * 1000) {
    throw new S3Error("RequestTimeTooSkewed");
  }
  const [, credential = "", names = "", signature = ""] = found;
  const [scope, signedHeaders] = [credential.split("/"), names.split(";")];
  return { scope, time, signedHeaders, signature, payloadHash, query };
}

function presigned({ query, headers }: SignedRequest): Claim {
  const parameter = (name: string): string => query.get(`X-Amz-${name}`) ?? "";
  const [time, expires] = [parameter("Date"), Number(parameter("Expires") || NaN)];
  if (parameter("Algorithm") !== ALGORITHM || Number.isNaN(secondsOf(time))) {
    throw new S3Error("AuthorizationQueryParametersError");
  }
  if (!Number.isInteger(expires) || expires < 0 || expires > MAX_EXPIRES) {
    throw new S3Error(
      "AuthorizationQueryParametersError",
      "X-Amz-Expires must be less than a week (in seconds) that is 604800",
    );
  }
  const now = Date.now() / 1000;
  if (secondsOf(time) > now + SKEW) throw new S3Error("AccessDenied", "Request is not yet valid");
  if (secondsOf(time) + expires < now) {
    throw new S3Error("AccessDenied", "Request has expired", {
      "X-Amz-Expires": expires,
      Expires: new Date((secondsOf(time) + expires) * 1000).toISOString(),
      ServerTime: new Date().toISOString(),
    });
  }
  const signed = new URLSearchParams(query);
  signed.delete("X-Amz-Signature");
  return {
    scope: parameter("Credential").split("/"),
    time,
    signedHeaders: parameter("SignedHeaders").split(";"),
    signature: parameter("Signature"),
    payloadHash:
      query.get("X-Amz-Content-Sha256") ?? headers["x-amz-content-sha256"] ?? "UNSIGNED-PAYLOAD",
    query: signed,
  };
}

function canonicalRequest(
  { method, path, headers }: SignedRequest,
  { query, signedHeaders, payloadHash }: Claim,
): string {
  const parameters = [...query]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .toSorted((one, other) => (one < other ? -1 : 1));
  const lines = signedHeaders.map(
    (name) => `${name}:${(headers[name] ?? "").trim().replaceAll(/ +/g, " ")}\n`,
  );
  return [
    method,
    path.split("/").map(encode).join("/"),
    parameters.join("&"),
    lines.join(""),
    signedHeaders.join(";"),
    payloadHash,
  ].join("\n");
}

/** Percent-encodes everything but the unreserved characters of RFC 3986. */
export function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** @param time - `20261130T101500Z`. */
function secondsOf(time: string): number {
  return Date.parse(time.replace(/^(....)(..)(..T..)(..)(..Z)$/, "$1-$2-$3:$4:$5")) / 1000;
}

let lastKey: { readonly name: string; readonly key: KeyObject } | undefined;

/** The key of a day, region and service. The last is kept: to derive it takes longer than to sign. */
function signingKeyOf(secret: string, scope: string): KeyObject {
  const name = `${secret}/${scope}`;
  if (lastKey?.name === name) return lastKey.key;
  const derived = scope.split("/").reduce(hmac, Buffer.from(`AWS4${secret}`));
  lastKey = { name, key: createSecretKey(derived) };
  return lastKey.key;
}

function hmac(key: Buffer | KeyObject, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function sha256(text: string): string {
  return hash("sha256", [Buffer.from(text)]).toString("hex");
}
