/**
 * Who calls: proven by a signature, or, for tests on this machine, taken from the access key id without any proof.
 *
 * @module
 */
import type { AwsCredential } from "@env/kms";
import type { ReceivedRequest } from "./signed-request.ts";
import { headersOf } from "./signed-request.ts";
import type { FindCredential, SignatureVerifier, Verified } from "./verify-signature.ts";
import { WireError } from "./wire-error.ts";

/** Finds out who sent a request. */
export type Authenticate = (request: ReceivedRequest) => Promise<Caller>;

export interface Caller extends Omit<Verified, "credential"> {
  readonly credential: Pick<AwsCredential, "accessKeyId" | "principal" | "session">;
}

/** Callers prove that they have the secret access key. */
export function strict(verifier: SignatureVerifier): Authenticate {
  return (request) => verifier.verify(request);
}

const CLAIM =
  /Credential=([\w-]{1,128})\/[0-9]{8}\/([a-z0-9-]{1,32})\/([a-z0-9-]{1,64})\/aws4_request/;

/** Requests of browsers, which cannot hide their origin, are answered by one, and all others by another. */
export function withBrowsers(browsers: Authenticate, others: Authenticate): Authenticate {
  return (request) => (headersOf(request).has("origin") ? browsers(request) : others(request));
}

/**
 * Callers are believed. An access key id that is known gives its principal, any other one the root of the account.
 *
 * Pages in a browser are refused: they could reach a server on the reader's machine, but cannot hide their origin.
 *
 * @param region - Where a request does not name one.
 */
export function lenient(credential: FindCredential, region: string): Authenticate {
  return async (request) => {
    const headers = headersOf(request);
    if (headers.has("origin")) {
      throw new WireError("AccessDeniedException", "Browsers may not call this server.", 403);
    }
    const [, accessKeyId = "", named = region, service = "kms"] =
      CLAIM.exec(headers.get("authorization") ?? "") ?? [];
    const known = await credential(accessKeyId, headers.get("x-amz-security-token"));
    return {
      credential: known ?? { accessKeyId, principal: "root", session: {} },
      region: named,
      service,
    };
  };
}
