/**
 * What a request says of its own signature: by whose access key, over which headers, at what time.
 *
 * There is one way to write each of these. Whatever is there twice, or in a form that no client of AWS makes,
 * is refused, so that no two readers of the request can disagree on what was signed.
 *
 * Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 *
 * @module
 */
import { WireError } from "./wire-error.ts";

/** An HTTP request as it came in. */
export interface ReceivedRequest {
  readonly method: string;
  /** The request target as it was sent: path and query, not decoded. */
  readonly target: string;
  /** Names and values in the order of the wire, as `rawHeaders` of Node: every second one is a value. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
}

/** A request's claim. Nothing of it is proven before the signature is verified. */
export interface Claim {
  readonly accessKeyId: string;
  /** `20260131` */
  readonly day: string;
  readonly region: string;
  readonly service: string;
  /** Lower case, sorted. */
  readonly signedHeaders: readonly string[];
  /** 64 lower-case hexadecimal digits. */
  readonly signature: string;
  /** The time of signing as it was signed: `20260131T120000Z`. */
  readonly date: string;
  /** The same in milliseconds since 1970. */
  readonly time: number;
  /** Seconds after `date` at which a presigned request ends; undefined for a signature in a header. */
  readonly expiresSeconds: number | undefined;
  /** The token of temporary credentials. */
  readonly sessionToken: string | undefined;
}

/** Header values by lower-case name, with surrounding and repeated spaces removed as canonical requests have them. */
export type Headers = ReadonlyMap<string, string>;

export const ALGORITHM = "AWS4-HMAC-SHA256";

/** Headers that AWS's clients never send twice and that decide what a request means. */
const ONLY_ONCE = new Set([
  "authorization",
  "content-length",
  "content-type",
  "date",
  "host",
  "transfer-encoding",
]);

/**
 * Collects the headers.
 *
 * @throws {@link WireError} `IncompleteSignatureException` where one that decides is there twice.
 */
export function headersOf({ rawHeaders }: ReceivedRequest): Headers {
  const headers = new Map<string, string>();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? "").toLowerCase();
    const sent = (rawHeaders[i + 1] ?? "").trim();
    const value = sent.includes("  ") ? sent.replaceAll(/ {2,}/g, " ") : sent;
    const before = headers.get(name);
    if (before !== undefined && (ONLY_ONCE.has(name) || name.startsWith("x-amz-"))) {
      throw incomplete(`the header ${name} is there twice`);
    }
    headers.set(name, before === undefined ? value : `${before},${value}`);
  }
  return headers;
}

/**
 * Reads who signed the request and how.
 *
 * @param query - Parameters of the request target, decoded, each name once.
 * @throws {@link WireError} `MissingAuthenticationTokenException` where nothing is signed,
 * `IncompleteSignatureException` for what is malformed, missing or there twice.
 */
export function claimOf(headers: Headers, query: ReadonlyMap<string, string>): Claim {
  const authorization = headers.get("authorization");
  const presigned = query.has("X-Amz-Signature") || query.has("X-Amz-Algorithm");
  if (authorization !== undefined && presigned) {
    throw incomplete("the request is signed both in a header and in its query");
  }
  if (authorization !== undefined) return claimOfHeader(authorization, headers, query);
  if (presigned) return claimOfQuery(query);
  throw new WireError(
    "MissingAuthenticationTokenException",
    "Request is missing Authentication Token",
  );
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 +Credential=([^\s,]+),? *SignedHeaders=([^\s,]+),? *Signature=([^\s,]+)$/;

function claimOfHeader(
  authorization: string,
  headers: Headers,
  query: ReadonlyMap<string, string>,
): Claim {
  for (const name of query.keys()) {
    if (name.startsWith("X-Amz-")) throw incomplete(`${name} is in the query of a signed request`);
  }
  const parts = AUTHORIZATION.exec(authorization);
  if (parts === null) {
    throw incomplete(
      `Authorization must be ${ALGORITHM} Credential=…, SignedHeaders=…, Signature=…`,
    );
  }
  const [, credential = "", names = "", signature = ""] = parts;
  const date = headers.get("x-amz-date");
  if (date === undefined) throw incomplete("the header x-amz-date is missing");
  return {
    ...scopeOf(credential),
    signedHeaders: signedNames(names),
    signature: checkSignature(signature),
    ...dated(date),
    expiresSeconds: undefined,
    sessionToken: headers.get("x-amz-security-token"),
  };
}

function claimOfQuery(query: ReadonlyMap<string, string>): Claim {
  const required = (name: string): string => {
    const value = query.get(name);
    if (value === undefined) throw incomplete(`the query parameter ${name} is missing`);
    return value;
  };
  if (required("X-Amz-Algorithm") !== ALGORITHM) {
    throw incomplete(`X-Amz-Algorithm must be ${ALGORITHM}`);
  }
  const expires = required("X-Amz-Expires");
  if (!/^[1-9][0-9]{0,5}$/.test(expires) || Number(expires) > MAX_EXPIRES_SECONDS) {
    throw incomplete(`X-Amz-Expires must be between 1 and ${MAX_EXPIRES_SECONDS} seconds`);
  }
  return {
    ...scopeOf(required("X-Amz-Credential")),
    signedHeaders: signedNames(required("X-Amz-SignedHeaders")),
    signature: checkSignature(required("X-Amz-Signature")),
    ...dated(required("X-Amz-Date")),
    expiresSeconds: Number(expires),
    sessionToken: query.get("X-Amz-Security-Token"),
  };
}

/** A week, as with AWS. */
const MAX_EXPIRES_SECONDS = 604_800;

const CREDENTIAL =
  /^([A-Za-z0-9_-]{1,128})\/([0-9]{8})\/([a-z0-9-]{1,32})\/([a-z0-9-]{1,64})\/aws4_request$/;

function scopeOf(credential: string): Pick<Claim, "accessKeyId" | "day" | "region" | "service"> {
  const parts = CREDENTIAL.exec(credential);
  if (parts === null) {
    throw incomplete(
      "Credential must be <access key id>/<YYYYMMDD>/<region>/<service>/aws4_request",
    );
  }
  const [, accessKeyId = "", day = "", region = "", service = ""] = parts;
  return { accessKeyId, day, region, service };
}

function signedNames(text: string): readonly string[] {
  const names = text.split(";");
  const isSorted = names.every((name, i) => i === 0 || (names[i - 1] ?? "") < name);
  if (!isSorted || !names.every((name) => /^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name))) {
    throw incomplete("SignedHeaders must be names in lower case, sorted, each of them once");
  }
  return names;
}

function checkSignature(text: string): string {
  if (!/^[0-9a-f]{64}$/.test(text)) throw incomplete("Signature must be 64 hexadecimal digits");
  return text;
}

function dated(date: string): Pick<Claim, "date" | "time"> {
  const at = (from: number, to: number): string => date.slice(from, to);
  const iso = `${at(0, 4)}-${at(4, 6)}-${at(6, 11)}:${at(11, 13)}:${at(13, 15)}.000Z`;
  const time = /^[0-9]{8}T[0-9]{6}Z$/.test(date) ? Date.parse(iso) : Number.NaN;
  // A date such as 31 February is read as another day.
  if (!Number.isNaN(time) && new Date(time).toISOString() === iso) return { date, time };
  throw incomplete("the date must have the form YYYYMMDDTHHMMSSZ");
}

function incomplete(problem: string): WireError {
  return new WireError("IncompleteSignatureException", problem);
}
