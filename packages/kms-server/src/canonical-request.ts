/**
 * The canonical request, built anew from the request that was received, and the signature over it.
 *
 * Nothing that the client says about its canonical form is taken over: what is compared is what will be acted on.
 *
 * Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 *
 * @module
 */
import { createHmac, hash, type KeyObject } from "node:crypto";
import { ALGORITHM, type Claim, type Headers, type ReceivedRequest } from "./signed-request.ts";
import { WireError } from "./wire-error.ts";

/** The path and the parameters of a request target. */
export interface Target {
  /** The path as it was sent. */
  readonly path: string;
  /** Decoded, each name once. */
  readonly query: ReadonlyMap<string, string>;
}

/**
 * Takes a request target apart.
 *
 * @throws {@link WireError} `IncompleteSignatureException` for a target that is not in origin form, has a fragment, an
 * escape that is not UTF-8, or a parameter twice.
 */
export function parseTarget(target: string): Target {
  if (!target.startsWith("/") || /[^\x21-\x7e]|#/.test(target)) {
    throw malformed("the request target must be a path with an optional query");
  }
  const mark = target.indexOf("?");
  const path = mark === -1 ? target : target.slice(0, mark);
  const query = new Map<string, string>();
  if (mark === -1) return { path, query };
  for (const pair of target.slice(mark + 1).split("&")) {
    if (pair === "") continue;
    const equals = pair.indexOf("=");
    const name = decode(equals === -1 ? pair : pair.slice(0, equals));
    if (query.has(name))
      throw malformed(`the query parameter ${JSON.stringify(name)} is there twice`);
    query.set(name, equals === -1 ? "" : decode(pair.slice(equals + 1)));
  }
  return { path, query };
}

/** Plus means itself: clients of AWS write a space as %20. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw malformed("the query is not percent-encoded UTF-8");
  }
}

/**
 * The signature that the holder of the signing key makes of this request.
 *
 * @param bodyHash - The SHA-256 of the body that was received, in hexadecimal.
 * @param signingKey - The 32-byte key of the claim's day, region and service.
 * @returns 32 bytes.
 */
export function signatureOf(
  { method }: ReceivedRequest,
  target: Target,
  headers: Headers,
  claim: Claim,
  bodyHash: string,
  signingKey: KeyObject,
): Buffer {
  const canonical = [
    method,
    encodePath(target.path),
    canonicalQuery(target.query),
    ...claim.signedHeaders.map((name) => `${name}:${headers.get(name) ?? ""}`),
    "",
    claim.signedHeaders.join(";"),
    bodyHash,
  ].join("\n");
  const scope = `${claim.day}/${claim.region}/${claim.service}/aws4_request`;
  const digest = hash("sha256", canonical);
  return createHmac("sha256", signingKey)
    .update(`${ALGORITHM}\n${claim.date}\n${scope}\n${digest}`)
    .digest();
}

/** Each service but S3 has each segment of the path encoded once more. */
function encodePath(path: string): string {
  return path.split("/").map(encode).join("/");
}

function canonicalQuery(query: ReadonlyMap<string, string>): string {
  const pairs: string[] = [];
  for (const [name, value] of query) {
    if (name !== "X-Amz-Signature") pairs.push(`${encode(name)}=${encode(value)}`);
  }
  return pairs.toSorted((a, b) => (a < b ? -1 : 1)).join("&");
}

/** RFC 3986: everything but unreserved characters. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function malformed(problem: string): WireError {
  return new WireError("IncompleteSignatureException", problem);
}
