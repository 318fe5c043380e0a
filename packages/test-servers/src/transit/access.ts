/**
 * Who calls: tokens, the two logins, and what a token's policies allow.
 *
 * Source: OpenBao vault/token_store.go, builtin/credential/approle
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import { multiError, refused, Refusal, type Json, type Result } from "./answer.ts";
import type { Operation, TransitFlavour } from "./mount.ts";
import { allows, rulesOf, type TransitPolicy, type TransitPolicyRule } from "./policy.ts";

export interface NewToken {
  /** Default: none, which leaves what every token may do for itself. `root` may do everything. */
  readonly policies?: readonly string[];
  /** Seconds. Default: it never expires. */
  readonly ttl?: number;
  /** Seconds from its creation, beyond which it cannot be renewed. Default: none. */
  readonly maxTtl?: number;
  /** Default: whether there is a `ttl`. */
  readonly renewable?: boolean;
}

export interface NewAppRole extends NewToken {
  readonly roleId: string;
  readonly secretId: string;
  /** The mount of the auth method. Default: `approle`. */
  readonly mount?: string;
}

export interface NewKubernetesRole extends NewToken {
  readonly role: string;
  /** The token that the service account must send. */
  readonly jwt: string;
  /** The mount of the auth method. Default: `kubernetes`. */
  readonly mount?: string;
}

interface Token {
  readonly policies: readonly string[];
  readonly created: number;
  readonly ttl: number;
  readonly maxTtl: number;
  readonly renewable: boolean;
  expires: number;
}

export class Access {
  readonly #flavour: TransitFlavour;
  readonly #now: () => number;
  readonly #policies = new Map<string, readonly TransitPolicyRule[]>();
  readonly #tokens = new Map<string, Token>();
  readonly #appRoles: NewAppRole[] = [];
  readonly #kubernetesRoles: NewKubernetesRole[] = [];

  /** @param now - Unix seconds. */
  constructor(flavour: TransitFlavour, now: () => number) {
    this.#flavour = flavour;
    this.#now = now;
  }

  setPolicy(name: string, policy: TransitPolicy): void {
    this.#policies.set(name, rulesOf(policy));
  }

  createToken({ policies = [], ttl = 0, maxTtl = 0, renewable = ttl > 0 }: NewToken = {}): string {
    const id = `hvs.${randomUUID().replaceAll("-", "")}`;
    const created = this.#now();
    const expires = ttl === 0 ? Infinity : created + ttl;
    this.#tokens.set(id, { policies, created, ttl, maxTtl, renewable, expires });
    return id;
  }

  revoke(token: string): void {
    this.#tokens.delete(token);
  }

  addAppRole(role: NewAppRole): void {
    this.#appRoles.push(role);
  }

  addKubernetesRole(role: NewKubernetesRole): void {
    this.#kubernetesRoles.push(role);
  }

  /** Refuses what the token may not do. */
  authorize(id: string | undefined, path: string, operation: Operation, body: Json): void {
    const token = this.#live(id);
    if (token.policies.includes("root") || isOwn(path)) return;
    const rules = token.policies.flatMap((name) => this.#policies.get(name) ?? []);
    if (allows(rules, path, operation, body)) return;
    throw multiError(403, "permission denied");
  }

  /** Answers a login; `undefined` if `path` is not that of a login. */
  login(path: string, body: Json): Result | undefined {
    const [, mount] = /^auth\/([\w/-]+)\/login$/.exec(path) ?? [];
    if (mount === undefined) return undefined;
    if (this.#appRoles.some((role) => (role.mount ?? "approle") === mount)) {
      return this.#appRoleLogin(mount, body);
    }
    if (this.#kubernetesRoles.some((role) => (role.mount ?? "kubernetes") === mount)) {
      return this.#kubernetesLogin(mount, body);
    }
    return undefined;
  }

  lookUp(id: string | undefined): Result {
    const { policies, created, ttl, renewable, expires } = this.#live(id);
    return {
      data: {
        accessor: "",
        creation_time: created,
        creation_ttl: ttl,
        display_name: "token",
        entity_id: "",
        expire_time: expires === Infinity ? null : new Date(expires * 1000).toISOString(),
        explicit_max_ttl: 0,
        id,
        meta: null,
        num_uses: 0,
        orphan: true,
        path: "auth/token/create",
        policies: ["default", ...policies],
        renewable,
        ttl: expires === Infinity ? 0 : Math.round(expires - this.#now()),
        type: "service",
      },
    };
  }

  /** Renews a token up to its `maxTtl`, near which the lease gets shorter with every renewal. */
  renew(id: string | undefined): Result {
    const token = this.#live(id);
    if (!token.renewable) throw refused("lease is not renewable");
    const now = this.#now();
    const end = token.maxTtl === 0 ? Infinity : token.created + token.maxTtl;
    if (end - now < 1) throw multiError(500, "past the max TTL, cannot renew");
    token.expires = Math.min(now + token.ttl, end);
    return { auth: this.#auth(id ?? "", token) };
  }

  #appRoleLogin(mount: string, body: Json): Result {
    const { role_id: roleId, secret_id: secretId } = body;
    // Checked before the login itself, and not reported as a mistake of the caller.
    if (typeof roleId !== "string" || roleId === "") throw new Refusal(500, "missing role_id");
    if (typeof secretId !== "string" || secretId === "") throw refused("missing secret_id");
    const role = this.#appRoles.find(
      (one) =>
        (one.mount ?? "approle") === mount && one.roleId === roleId && one.secretId === secretId,
    );
    if (role === undefined) throw refused("invalid role or secret ID");
    return this.#granted(role);
  }

  #kubernetesLogin(mount: string, body: Json): Result {
    const role = this.#kubernetesRoles.find(
      (one) =>
        (one.mount ?? "kubernetes") === mount &&
        one.role === body["role"] &&
        one.jwt === body["jwt"],
    );
    if (role === undefined) throw new Refusal(403, "permission denied");
    return this.#granted(role);
  }

  #granted(role: NewToken): Result {
    const id = this.createToken(role);
    return { auth: this.#auth(id, this.#live(id)) };
  }

  #auth(id: string, { policies, renewable, expires }: Token): Json {
    return {
      client_token: id,
      accessor: randomUUID(),
      policies: ["default", ...policies],
      token_policies: ["default", ...policies],
      metadata: null,
      lease_duration: expires === Infinity ? 0 : Math.round(expires - this.#now()),
      renewable,
      entity_id: "",
      token_type: "service",
      orphan: true,
      mfa_requirement: null,
      num_uses: 0,
    };
  }

  #live(id: string | undefined): Token {
    const token = this.#tokens.get(id ?? "");
    if (token !== undefined && token.expires > this.#now()) return token;
    if (this.#flavour === "vault" && id !== undefined) {
      throw multiError(403, "permission denied", "invalid token");
    }
    throw new Refusal(403, "permission denied");
  }
}

/** What the policy `default` allows everybody. */
function isOwn(path: string): boolean {
  return path === "auth/token/lookup-self" || path === "auth/token/renew-self";
}
