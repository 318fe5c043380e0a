/**
 * Whether a request was signed by the holder of an access key, just now, for this service, and whole.
 *
 * The order of the checks is fixed: form, what has to be signed, time, key, signature. As with AWS, an access key
 * id that is not known is answered differently from a wrong signature: ids are not secret.
 *
 * Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
 *
 * @module
 */
import { createHmac, createSecretKey, hash, timingSafeEqual, type KeyObject } from "node:crypto";
import type { AwsCredential } from "@env/kms";
import { parseTarget, signatureOf, type Target } from "./canonical-request.ts";
import {
  claimOf,
  headersOf,
  type Claim,
  type Headers,
  type ReceivedRequest,
} from "./signed-request.ts";
import { WireError } from "./wire-error.ts";

/** The difference between clocks that AWS accepts, in milliseconds. */
const MAX_SKEW_MS = 300_000;

/**
 * Finds the credential of an access key id that anybody may have made up, and, for temporary credentials, of the token that
 * came with it. `undefined`: there is none, it is inactive, or the token is not the one it was issued with.
 */
export type FindCredential = (
  accessKeyId: string,
  sessionToken?: string,
) => Promise<AwsCredential | undefined>;

export interface VerifierOptions {
  readonly credential: FindCredential;
  /** The services whose signatures are accepted, such as `kms`. */
  readonly services: ReadonlySet<string>;
  /** Milliseconds since 1970. Default: the machine's clock. */
  readonly now?: () => number;
}

/** Who signed, and for which region. */
export interface Verified {
  readonly credential: AwsCredential;
  readonly region: string;
  readonly service: string;
}

export class SignatureVerifier {
  readonly #options: Required<VerifierOptions>;
  readonly #signingKeys = new Map<string, { readonly secret: string; readonly key: KeyObject }>();

  constructor(options: VerifierOptions) {
    this.#options = { now: Date.now, ...options };
  }

  /**
   * Verifies a request.
   *
   * @throws {@link WireError} `MissingAuthenticationTokenException`, `IncompleteSignatureException`,
   * `InvalidSignatureException`, `UnrecognizedClientException` for an access key that is not known,
   * `ExpiredTokenException` for temporary credentials that have ended.
   */
  async verify(request: ReceivedRequest): Promise<Verified> {
    const target = parseTarget(request.target);
    const headers = headersOf(request);
    const claim = claimOf(headers, target.query);
    this.#checkScope(claim);
    requireSigned(headers, claim);
    const bodyHash = hash("sha256", request.body);
    requirePayloadHash(bodyHash, headers, target);
    checkTime(claim, this.#options.now());
    const credential = await this.#options.credential(claim.accessKeyId, claim.sessionToken);
    if (credential === undefined) throw unrecognized();
    const made = signatureOf(
      request,
      target,
      headers,
      claim,
      bodyHash,
      this.#signingKey(credential, claim),
    );
    if (!timingSafeEqual(made, Buffer.from(claim.signature, "hex"))) {
      throw new WireError(
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
      );
    }
    this.#checkExpiry(credential);
    const { region, service } = claim;
    return { credential, region, service };
  }

  #checkScope({ service, day, date }: Claim): void {
    if (!this.#options.services.has(service)) {
      const services = [...this.#options.services].map((name) => `'${name}'`).join(" or ");
      throw new WireError(
        "InvalidSignatureException",
        `Credential should be scoped to correct service: ${services}.`,
      );
    }
    if (!date.startsWith(day)) {
      throw new WireError(
        "InvalidSignatureException",
        `Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '${day}' != '${date.slice(0, 8)}', from '${date}'.`,
      );
    }
  }

  #checkExpiry({ expires }: AwsCredential): void {
    if (expires === undefined || expires.getTime() > this.#options.now()) return;
    throw new WireError(
      "ExpiredTokenException",
      "The security token included in the request is expired",
    );
  }

  /** Four HMACs, which are the same for all requests of a key on one day. */
  #signingKey(
    { accessKeyId, secretAccessKey: secret }: AwsCredential,
    { day, region, service }: Claim,
  ): KeyObject {
    const name = `${accessKeyId}/${day}/${region}/${service}`;
    const known = this.#signingKeys.get(name);
    if (known?.secret === secret) return known.key;
    let bytes = Buffer.from(`AWS4${secret}`);
    for (const part of [day, region, service, "aws4_request"]) {
      bytes = createHmac("sha256", bytes).update(part).digest();
    }
    const key = createSecretKey(bytes);
    if (this.#signingKeys.size >= MAX_SIGNING_KEYS) {
      const [oldest] = this.#signingKeys.keys();
      if (oldest !== undefined) this.#signingKeys.delete(oldest);
    }
    this.#signingKeys.set(name, { secret, key });
    return key;
  }
}

/** Keys of as many (access key, day, region) are kept. A region costs an attacker with a valid key nothing. */
const MAX_SIGNING_KEYS = 1000;

/** What a request means has to be signed: where it goes, what it asks for, as whom. */
function requireSigned(headers: Headers, { signedHeaders, expiresSeconds }: Claim): void {
  const signed = new Set(signedHeaders);
  const missing = ["host", ...headers.keys()].find(
    (name) => (name === "host" || name.startsWith("x-amz-")) && !signed.has(name),
  );
  if (missing !== undefined) {
    throw new WireError(
      "IncompleteSignatureException",
      `'Host' or ${missing === "host" ? "':authority'" : `'${missing}'`} must be a signed header`,
    );
  }
  const absent = signedHeaders.find((name) => !headers.has(name));
  if (absent !== undefined) {
    throw new WireError("IncompleteSignatureException", `the signed header ${absent} is missing`);
  }
  if (expiresSeconds === undefined && !signed.has("x-amz-date")) {
    throw new WireError("IncompleteSignatureException", "x-amz-date must be a signed header");
  }
}

/** A hash that the client sends has to be that of the body; a body that is not signed is not accepted. */
function requirePayloadHash(bodyHash: string, headers: Headers, { query }: Target): void {
  const claimed = headers.get("x-amz-content-sha256") ?? query.get("X-Amz-Content-Sha256");
  if (claimed !== undefined && claimed !== bodyHash) {
    throw new WireError(
      "InvalidSignatureException",
      "The value of x-amz-content-sha256 is not the SHA-256 of the body.",
    );
  }
}

function checkTime({ date, time, expiresSeconds }: Claim, now: number): void {
  const end = time + (expiresSeconds === undefined ? MAX_SKEW_MS : expiresSeconds * 1000);
  if (now > end) {
    throw new WireError(
      "InvalidSignatureException",
      `Signature expired: ${date} is now earlier than ${stamp(now - (end - time))} (${stamp(now)} - ${spanOf(end - time)}.)`,
    );
  }
  if (now < time - MAX_SKEW_MS) {
    throw new WireError(
      "InvalidSignatureException",
      `Signature not yet current: ${date} is still later than ${stamp(now + MAX_SKEW_MS)} (${stamp(now)} + ${spanOf(MAX_SKEW_MS)}.)`,
    );
  }
}

function spanOf(ms: number): string {
  return ms % 60_000 === 0 ? `${ms / 60_000} min` : `${ms / 1000} s`;
}

function stamp(time: number): string {
  return new Date(time).toISOString().replaceAll(/[-:]|\.\d{3}/g, "");
}

function unrecognized(): WireError {
  return new WireError(
    "UnrecognizedClientException",
    "The security token included in the request is invalid.",
  );
}
