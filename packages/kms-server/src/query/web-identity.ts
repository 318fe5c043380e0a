/**
 * Tokens of identity providers: whether one was issued by a provider of the keystore, for one of its client ids, and is valid
 * now.
 *
 * Nobody has signed the request, so all of this is at the service of anybody: what is looked at before the signature is
 * bounded, and a token that is refused here leaves no trace in the keystore.
 *
 * Source: OpenID Connect Core 1.0, section 3.1.3.7; RFC 8725; the AWS STS API reference
 *
 * @module
 */
import type { Keystore } from "@env/kms";
import { IamError, issuerName, type FederatedCaller, type ProviderRecord } from "@env/kms/server";
import type { JWTPayload } from "jose";
import { memberOf } from "@env/core/driver";
import { Rate, throttled } from "../rate.ts";
import { IssuerKeys } from "./issuer-keys.ts";

/** The longest token that AWS takes, in characters. */
const MAX_TOKEN_CHARS = 20_000;
/** The difference between clocks, in seconds. */
const SKEW = 60;
/** Signatures that a key of an issuer can verify and not make. */
const ALGORITHMS = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519".split(" ");
/** The longest value of a claim that policies see, in characters. */
const MAX_CLAIM_CHARS = 2048;
const TAGS_CLAIM = "https://aws.amazon.com/tags";
const SOURCE_IDENTITY_CLAIM = "https://aws.amazon.com/source_identity";
/** Tokens in work at once: an issuer that hangs takes no more of the server than this. */
const MAX_IN_WORK = 64;

export interface WebIdentityOptions {
  /** Files with the keys of issuers, which are then not fetched. */
  readonly jwksFiles: Readonly<Record<string, string>>;
  /** Calls per second from one address. */
  readonly perSecond: number;
}

/** What a token says of its bearer. */
export type Bearer = Pick<
  FederatedCaller,
  "provider" | "subject" | "audience" | "claims" | "sourceIdentity" | "tags" | "transitiveTags"
>;

export class WebIdentity {
  readonly #keystore: Keystore;
  readonly #keys: IssuerKeys;
  readonly #rate: Rate;
  #inWork = 0;

  /** @throws TypeError for a file that does not have a JSON Web Key Set; what reading it throws. */
  constructor(keystore: Keystore, { jwksFiles, perSecond }: WebIdentityOptions) {
    this.#keystore = keystore;
    this.#keys = new IssuerKeys(jwksFiles);
    this.#rate = new Rate(perSecond);
  }

  /**
   * Verifies a token.
   *
   * @param address - Where it came from.
   * @throws {@link IamError} `InvalidIdentityToken`, `ExpiredTokenException`, `IDPRejectedClaim`, `IDPCommunicationError`,
   * `ValidationError`; WireError `ThrottlingException`
   */
  async verify(token: string, address = ""): Promise<Bearer> {
    this.#rate.count(address);
    if (this.#inWork >= MAX_IN_WORK) throw throttled();
    this.#inWork++;
    try {
      return await this.#verify(token);
    } catch (error) {
      throw toRefusal(error);
    } finally {
      this.#inWork--;
    }
  }

  async #verify(token: string): Promise<Bearer> {
    if (token.length > MAX_TOKEN_CHARS) {
      throw new IamError(
        "ValidationError",
        `1 validation error detected: Value at 'webIdentityToken' failed to satisfy constraint: Member must have length less than or equal to ${MAX_TOKEN_CHARS}`,
      );
    }
    // Loaded for the first token: most servers never see one.
    const { decodeJwt, jwtVerify } = await import("jose");
    // Not verified yet: it only says whose keys verify it.
    const { iss = "" } = decodeJwt(token);
    const provider = await this.#keystore.iam.access.provider(iss);
    if (provider === undefined) {
      throw invalid(`No OpenIDConnect provider found in your account for ${iss.slice(0, 255)}`);
    }
    const { issuer, clientIds } = provider;
    const { payload } = await jwtVerify(token, await this.#keys.of(issuer), {
      issuer,
      audience: [...clientIds],
      algorithms: ALGORITHMS,
      clockTolerance: SKEW,
      requiredClaims: ["sub", "exp", "iat"],
    });
    return bearerOf(payload, provider);
  }
}

function bearerOf(payload: JWTPayload, { arn, issuer, clientIds }: ProviderRecord): Bearer {
  const { sub, aud = [] } = payload;
  if (typeof sub !== "string" || sub === "" || sub.length > MAX_CLAIM_CHARS) {
    throw rejected("The subject must have 1 to 2,048 characters");
  }
  const sourceIdentity = payload[SOURCE_IDENTITY_CLAIM];
  if (sourceIdentity !== undefined && typeof sourceIdentity !== "string") {
    throw rejected(`The claim ${SOURCE_IDENTITY_CLAIM} must be text`);
  }
  const audience = [aud].flat().find((each) => clientIds.includes(each)) ?? "";
  const name = issuerName(issuer);
  const claims = Object.entries(payload).flatMap(([claim, value]) => {
    const values = textsOf(value);
    const [only = "", ...more] = values;
    if (values.length === 0) return [];
    return [[`${name}:${claim}`, more.length === 0 ? only : values] as const];
  });
  return {
    provider: arn,
    subject: sub,
    audience,
    claims: Object.fromEntries(claims),
    sourceIdentity,
    ...tagsOf(payload[TAGS_CLAIM]),
  };
}

/** The values of a claim that policies can compare: text, numbers and flags, or a list of them. */
function textsOf(value: unknown): string[] {
  return [value].flat().flatMap((each: unknown) => {
    const isPlain =
      typeof each === "string" || typeof each === "number" || typeof each === "boolean";
    const text = isPlain ? String(each) : "";
    return isPlain && text.length <= MAX_CLAIM_CHARS ? [text] : [];
  });
}

/** Session tags, each with a list of one value, and the keys of those that are passed on. */
function tagsOf(claim: unknown): Pick<Bearer, "tags" | "transitiveTags"> {
  if (claim === undefined) return { tags: {}, transitiveTags: [] };
  const { principal_tags: given = {}, transitive_tag_keys: transitive } = membersOf(claim);
  const tags = Object.entries(membersOf(given)).map(([name, values]) => {
    const [value, ...more]: readonly unknown[] = [values].flat();
    if (typeof value === "string" && more.length === 0) return [name, value] as const;
    throw rejected(`The claim ${TAGS_CLAIM} must have one text for each tag`);
  });
  return { tags: Object.fromEntries(tags), transitiveTags: textsOf(transitive) };
}

function membersOf(value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw rejected(`The claim ${TAGS_CLAIM} must be an object`);
}

/** What was thrown on the way, as STS calls it. */
function toRefusal(error: unknown): unknown {
  const code = String(memberOf(error, "code"));
  switch (code) {
    case "ERR_JWT_EXPIRED":
      return new IamError(
        "ExpiredTokenException",
        "Token expired: current date/time must be before the expiration date/time",
      );
    case "ERR_JWT_CLAIM_VALIDATION_FAILED": {
      const claim = String(memberOf(error, "claim"));
      if (claim === "aud") return invalid("Incorrect token audience");
      return rejected(`The claim ${claim} of the token was rejected`);
    }
    case "ERR_JWKS_NO_MATCHING_KEY":
    case "ERR_JWKS_MULTIPLE_MATCHING_KEYS":
      return invalid("The identity provider has no key that the token names");
    default:
      return /^ERR_J(?:OSE|W[A-Z]+)_/.test(code)
        ? invalid("The token could not be validated")
        : error;
  }
}

function invalid(problem: string): IamError {
  return new IamError("InvalidIdentityToken", problem);
}

function rejected(problem: string): IamError {
  return new IamError("IDPRejectedClaim", problem, 403);
}
