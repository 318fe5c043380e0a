/**
 * The token to send: it comes from a login or from the options, is renewed on use, and is replaced when a
 * renewal does not help.
 *
 * There are no timers: a token is checked when it is needed, and renewed once two thirds of its life are
 * over. A lease that gets shorter is near its end, so a new login replaces the token. Concurrent callers
 * share one login.
 *
 * The lease of a token from the options is looked up. The lookup is repeated if it failed, and when the
 * token should have expired, since somebody else may have renewed it.
 *
 * Source: Vault HTTP API, auth/token, auth/approle, auth/kubernetes
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import type { Awaitable } from "@env/core";
import { membersOf } from "@env/core/driver";
import { VaultTransitError } from "./errors.ts";
import type { VaultAuth } from "./options.ts";

/** Makes one call of a login or a renewal, with the token that it sends, if any. Returns the body of the answer. */
export type Ask = (
  method: "read" | "write",
  path: string,
  body: Readonly<Record<string, unknown>> | undefined,
  token: string | undefined,
) => Promise<unknown>;

interface Held {
  readonly token: string;
  /** Lifetime in seconds from the grant; `Infinity` for a token that does not expire. */
  readonly lease: number;
  readonly renewable: boolean;
  /** When to renew it, on the clock of `performance.now()`. */
  readonly renewAt: number;
  readonly expiresAt: number;
}

const KUBERNETES_JWT = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/** After refusals, the adapter logs in at most once in this time, since the cause may be the policies. */
const LOGIN_AGAIN_MS = 60_000;
/** Pauses between attempts to look up a token. They double. */
const LOOK_UP_AGAIN_MS = { first: 1000, last: 60_000 } as const;
const MAX_TOKEN_CHARACTERS = 8192;

export class Tokens {
  readonly #auth: VaultAuth | undefined;
  readonly #ask: Ask;
  #held: Held | undefined;
  #getting: Promise<Held> | undefined;
  #refusedAt = -Infinity;
  #lookUpAgainMs: number = LOOK_UP_AGAIN_MS.first;

  constructor(auth: VaultAuth | undefined, ask: Ask) {
    this.#auth = auth;
    this.#ask = ask;
  }

  /** @throws {@link VaultTransitError} `TokenMissing`, `LoginFailed`, and the errors of a call. */
  async get(): Promise<string> {
    if (this.#auth !== undefined && "token" in this.#auth) {
      const { token } = this.#auth;
      if (typeof token === "function") return checkToken(await given(token));
    }
    const held = this.#held;
    if (held !== undefined && performance.now() < held.renewAt) return held.token;
    this.#getting ??= this.#next(held).finally(() => {
      this.#getting = undefined;
    });
    this.#held = await this.#getting;
    return this.#held.token;
  }

  /** Records that Vault refused the token. Returns whether {@link get} may now return another one. */
  refused(token: string): boolean {
    if (!this.#canLogIn) return false;
    if (this.#held?.token !== token) return true; // Somebody else was refused before.
    if (performance.now() - this.#refusedAt < LOGIN_AGAIN_MS) return false;
    this.#refusedAt = performance.now();
    this.#held = undefined;
    return true;
  }

  get #canLogIn(): boolean {
    return this.#auth !== undefined && !("token" in this.#auth);
  }

  async #next(held: Held | undefined): Promise<Held> {
    const alive = held !== undefined && performance.now() < held.expiresAt;
    const renewed = alive && held.renewable ? await this.#renew(held) : undefined;
    const shorter = renewed !== undefined && renewed.lease < (held?.lease ?? 0);
    if (renewed !== undefined && !(shorter && this.#canLogIn)) return renewed;
    if (this.#canLogIn) {
      try {
        return await this.#logIn();
      } catch (error) {
        if (renewed !== undefined) return renewed;
        if (alive) return later(held);
        throw error;
      }
    }
    return alive && held.lease !== Infinity ? later(held) : this.#lookUp();
  }

  /** Returns the token from the options, with the lease that Vault reports. */
  async #lookUp(): Promise<Held> {
    const auth = this.#auth;
    const configured = auth !== undefined && "token" in auth ? auth.token : undefined;
    const token = checkToken(configured ?? process.env["VAULT_TOKEN"]);
    try {
      const answer = await this.#ask("read", "auth/token/lookup-self", undefined, token);
      const { ttl, renewable } = membersOf(membersOf(answer)["data"]);
      const lease = typeof ttl === "number" && ttl > 0 && renewable === true ? ttl : Infinity;
      this.#lookUpAgainMs = LOOK_UP_AGAIN_MS.first;
      return holding(token, lease, true);
    } catch {
      // An outage passes, and a token that may not look itself up may have expired.
      const renewAt = performance.now() + this.#lookUpAgainMs;
      this.#lookUpAgainMs = Math.min(this.#lookUpAgainMs * 2, LOOK_UP_AGAIN_MS.last);
      return { ...holding(token, Infinity, false), renewAt };
    }
  }

  async #renew({ token }: Held): Promise<Held | undefined> {
    try {
      return grantOf(await this.#ask("write", "auth/token/renew-self", {}, token));
    } catch {
      return undefined;
    }
  }

  async #logIn(): Promise<Held> {
    const { path, body } = await this.#credentials();
    try {
      return grantOf(await this.#ask("write", path, body, undefined));
    } catch (error) {
      if (!(error instanceof VaultTransitError)) throw error;
      const denied = error.httpStatus === 400 || error.httpStatus === 403;
      throw denied && error.name !== "UnreadableAnswer"
        ? error.with({ name: "LoginFailed" })
        : error;
    }
  }

  async #credentials(): Promise<{ path: string; body: Record<string, string> }> {
    const auth = this.#auth;
    if (auth !== undefined && "appRole" in auth) {
      const { roleId, secretId, mount = "approle" } = auth.appRole;
      const secret = typeof secretId === "function" ? await given(secretId) : secretId;
      return { path: `auth/${mount}/login`, body: { role_id: roleId, secret_id: secret } };
    }
    if (auth !== undefined && "kubernetes" in auth) {
      const { role, jwtFile = KUBERNETES_JWT, mount = "kubernetes" } = auth.kubernetes;
      const jwt = await readFile(jwtFile, "utf8").catch(() => {
        throw new VaultTransitError("TokenMissing", {
          hint: "the service account's token cannot be read; check auth.kubernetes.jwtFile",
        });
      });
      return { path: `auth/${mount}/login`, body: { role, jwt: jwt.trim() } };
    }
    throw new VaultTransitError("TokenMissing");
  }
}

async function given(secret: () => Awaitable<string>): Promise<string> {
  try {
    return await secret();
  } catch {
    throw new VaultTransitError("TokenMissing", {
      hint: "the function that gives it threw an error",
    });
  }
}

/** Checks that a token can be sent in a header. */
function checkToken(token: unknown): string {
  if (token === undefined || token === "") {
    throw new VaultTransitError("TokenMissing", { hint: "pass auth, or set VAULT_TOKEN" });
  }
  if (
    typeof token !== "string" ||
    token.length > MAX_TOKEN_CHARACTERS ||
    !/^[\x21-\x7e]+$/.test(token)
  ) {
    throw new VaultTransitError("TokenMissing", { hint: "the value given is not a valid token" });
  }
  return token;
}

function grantOf(answer: unknown): Held {
  const {
    client_token: token,
    lease_duration: lease,
    renewable,
  } = membersOf(membersOf(answer)["auth"]);
  if (typeof token !== "string" || typeof lease !== "number" || !(lease >= 0)) {
    throw new VaultTransitError("InvalidAnswer", {
      hint: "not an answer of Vault: it has no token",
    });
  }
  return holding(checkToken(token), lease === 0 ? Infinity : lease, renewable === true);
}

function holding(token: string, lease: number, renewable: boolean): Held {
  const now = performance.now();
  const lifetime = lease * 1000;
  return { token, lease, renewable, renewAt: now + (lifetime * 2) / 3, expiresAt: now + lifetime };
}

/** Returns the token with its next renewal halfway to its end. */
function later(held: Held): Held {
  const now = performance.now();
  return { ...held, renewAt: now + (held.expiresAt - now) / 2 };
}
