/**
 * Whom an access key id and a session token authenticate.
 *
 * @module
 */
import type { Directory } from "./directory.ts";
import type { SessionOptions } from "./session.ts";
import { openToken } from "./temporary.ts";

/** What a server needs to verify a signature, and to act as whoever made it. */
export interface AwsCredential {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** ARN of the principal. */
  readonly principal: string;
  /** The second argument of `keystore.as`. */
  readonly session: SessionOptions;
  /** When temporary credentials end. */
  readonly expires?: Date;
}

/** Finds a credential, inside the store's `read`. */
export function findCredential(
  directory: Directory,
  accessKeyId: string,
  sessionToken: string | undefined,
): AwsCredential | undefined {
  if (sessionToken !== undefined) return ofToken(directory, accessKeyId, sessionToken);
  const record = directory.activeAccessKey(accessKeyId);
  if (record === undefined) return undefined;
  const { owner, secret } = record;
  return { accessKeyId, secretAccessKey: secret, principal: owner, session: {} };
}

function ofToken(
  directory: Directory,
  accessKeyId: string,
  token: string,
): AwsCredential | undefined {
  const known = openToken(directory.store, accessKeyId, token);
  if (known === undefined || directory.idOf(known.owner) !== known.ownerId) return undefined;
  const { secret, principal, session, issued, expires } = known;
  return {
    accessKeyId,
    secretAccessKey: secret,
    principal,
    session: { ...session, tokenIssued: new Date(issued) },
    // The keystore's clock does not go back where the machine's does: what has ended stays so.
    expires: new Date(expires > directory.store.now() ? expires : 0),
  };
}
