/**
 * Temporary credentials: all that is known of a session is sealed in its token, so that there is nothing to keep.
 *
 * They end at their time by the keystore's clock, and before that if the role or user is deleted.
 *
 * @module
 */
import { newId, newSecret } from "../store/iam-records.ts";
import type { Store } from "../store/store.ts";
import type { SessionOptions } from "./session.ts";

/** What a token says. */
export interface TemporarySession {
  /** ARN of whoever calls: of an assumed-role session, a user, or the account's root. */
  readonly principal: string;
  /** ARN of the role or user that the session lives by, and its id. */
  readonly owner: string;
  readonly ownerId: string;
  readonly session: Pick<
    SessionOptions,
    | "role"
    | "policies"
    | "policyArns"
    | "tags"
    | "transitiveTags"
    | "multiFactorAuth"
    | "federatedProvider"
    | "sourceIdentity"
  >;
  /** Milliseconds since 1970. */
  readonly issued: number;
  readonly expires: number;
}

export interface TemporaryCredentials {
  /** `ASIA` and 16 characters. */
  readonly accessKeyId: string;
  /** 40 characters. */
  readonly secretAccessKey: string;
  /** Base64, at most 8,192 characters. */
  readonly sessionToken: string;
  readonly expiration: Date;
}

/** The longest plaintext of a token, in bytes: with base64 and the sealing it stays within HTTP headers. */
export const MAX_TOKEN_BYTES = 6000;
const MAX_TOKEN_CHARS = 8192;

/** @returns The credentials; the size of the session in bytes if that is more than {@link MAX_TOKEN_BYTES}. */
export function issue(store: Store, session: TemporarySession): TemporaryCredentials | number {
  const accessKeyId = newId("session");
  const secret = newSecret();
  const content = new TextEncoder().encode(JSON.stringify({ ...session, secret }));
  try {
    if (content.length > MAX_TOKEN_BYTES) return content.length;
    return {
      accessKeyId,
      secretAccessKey: secret,
      sessionToken: Buffer.from(store.sealToken(name(accessKeyId), content)).toString("base64"),
      expiration: new Date(session.expires),
    };
  } finally {
    content.fill(0);
  }
}

/** Reads a token. `undefined`: it was not issued by this keystore with this access key. */
export function openToken(
  store: Store,
  accessKeyId: string,
  token: string,
): (TemporarySession & { readonly secret: string }) | undefined {
  if (token.length > MAX_TOKEN_CHARS || !/^[\w+/]+={0,2}$/.test(token)) return undefined;
  const content = store.openToken(name(accessKeyId), Buffer.from(token, "base64"));
  if (content === undefined) return undefined;
  try {
    // It was sealed under the root key, by issue().
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return JSON.parse(new TextDecoder().decode(content)) as TemporarySession & { secret: string };
  } finally {
    content.fill(0);
  }
}

function name(accessKeyId: string): string {
  return `session ${accessKeyId}`;
}
