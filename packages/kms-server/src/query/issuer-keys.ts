/**
 * The keys of issuers, from a file or from the issuer itself.
 *
 * Only addresses of the issuer that somebody configured are fetched: its discovery document, and a key set of the same
 * origin. Redirects are not followed. Nothing of an answer is shown to a caller.
 *
 * Source: OpenID Connect Discovery 1.0, section 4; RFC 7517
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { memberOf, readAnswer, unverifiedTls } from "@env/core/driver";
import { IamError } from "@env/kms/server";
import type { FetchImplementation, JWTVerifyGetKey } from "jose";

/** Bytes of a discovery document or a key set. */
const MAX_BYTES = 131_072;
/** How long a key set is kept, and how often a key that is not in it is looked for: milliseconds. */
const MAX_AGE = 600_000;
const COOLDOWN = 30_000;
/** Issuers whose keys are kept: more than there are providers. */
const MAX_ISSUERS = 200;

export class IssuerKeys {
  readonly #files: Readonly<Record<string, string>>;
  readonly #timeout: number;
  readonly #sets = new Map<string, JWTVerifyGetKey>();

  /**
   * @param files - Paths by issuer.
   * @param timeout - Milliseconds for the discovery document and the keys together.
   * @throws TypeError for a file that does not have a JSON Web Key Set; what reading it throws.
   */
  constructor(files: Readonly<Record<string, string>>, timeout = 5000) {
    this.#files = files;
    this.#timeout = timeout;
    for (const [issuer, path] of Object.entries(files)) {
      if (isKeySet(readFileSync(path, "utf8"))) continue;
      throw new TypeError(`the keys of ${issuer} must be a JSON Web Key Set`);
    }
  }

  /** The key that verifies a token of an issuer, by the `kid` in its header. */
  async of(issuer: string): Promise<JWTVerifyGetKey> {
    const { createRemoteJWKSet, customFetch } = await import("jose");
    const known = this.#sets.get(issuer);
    if (known !== undefined) return known;
    if (this.#sets.size >= MAX_ISSUERS) this.#sets.clear();
    const file = Object.hasOwn(this.#files, issuer) ? this.#files[issuer] : undefined;
    const load: FetchImplementation = async (_, { signal }) => {
      try {
        return new Response(
          await (file === undefined ? fetchKeys(issuer, signal) : readFile(file)),
        );
      } catch (error) {
        throw unreachable(issuer, error);
      }
    };
    const set = createRemoteJWKSet(new URL(issuer), {
      [customFetch]: load,
      timeoutDuration: this.#timeout,
      cacheMaxAge: MAX_AGE,
      cooldownDuration: COOLDOWN,
    });
    this.#sets.set(issuer, set);
    return set;
  }
}

function isKeySet(text: string): boolean {
  try {
    return Array.isArray(memberOf(JSON.parse(text), "keys"));
  } catch {
    return false;
  }
}

/** The key set of an issuer, as its discovery document names it. */
async function fetchKeys(issuer: string, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  const weakness = issuer.startsWith("https:") ? unverifiedTls() : undefined;
  if (weakness !== undefined) throw new IssuerProblem(weakness);
  const address = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const document: unknown = JSON.parse(new TextDecoder().decode(await get(address, signal)));
  if (memberOf(document, "issuer") !== issuer) {
    throw new IssuerProblem("its discovery document is of another issuer");
  }
  const keys = String(memberOf(document, "jwks_uri"));
  if (!URL.canParse(keys) || new URL(keys).origin !== new URL(issuer).origin) {
    throw new IssuerProblem("its keys are at another address, so give them as a file");
  }
  return get(keys, signal);
}

async function get(address: string, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(address, {
    redirect: "error",
    signal,
    headers: { accept: "application/json" },
  });
  if (response.status !== 200) throw new IssuerProblem(`it answered ${response.status}`);
  const body = await readAnswer(
    response.body ?? new Blob([]).stream(),
    MAX_BYTES,
    () => new IssuerProblem(`its answer has more than ${MAX_BYTES} bytes`),
  );
  return new Uint8Array(body);
}

/** What callers may know. Other errors could quote what was fetched. */
class IssuerProblem extends Error {}

function unreachable(issuer: string, cause: unknown): IamError {
  const why = cause instanceof IssuerProblem ? `: ${cause.message}` : "";
  return new IamError(
    "IDPCommunicationError",
    `The keys of the identity provider ${issuer} could not be read${why}`,
  );
}
