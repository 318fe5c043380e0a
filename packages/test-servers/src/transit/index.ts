/**
 * A Vault or OpenBao with the Transit engine for tests: the real protocol on this machine, with real
 * cryptography, versions of keys, access control, tokens and logins, namespaces, the texts of errors and
 * warnings, and faults to switch on.
 *
 * It stores nothing, and has no replication and no other engine. Keys of the types
 * `xchacha20-poly1305`, `managed_key` and `external-key` are unknown to it, and it signs nothing.
 *
 * Source: OpenBao, builtin/logical/transit and http
 *
 * @module
 */
import { Access, type NewAppRole, type NewKubernetesRole, type NewToken } from "./access.ts";
import { envelope, isJson, multiError, Refusal, type Answer, type Json } from "./answer.ts";
import { alterAnswer, type TransitFault } from "./faults.ts";
import type { KeyOptions } from "./key.ts";
import { Listener, type HttpRequest, type Outcome, type TransitTls } from "./listener.ts";
import { Mount, type Operation, type TransitFlavour } from "./mount.ts";
import type { TransitPolicy } from "./policy.ts";

export { transitFaults } from "./faults.ts";
export type { TransitFault } from "./faults.ts";
export type { NewAppRole, NewKubernetesRole, NewToken } from "./access.ts";
export type { TransitPolicy, TransitPolicyRule } from "./policy.ts";
export type { TransitFlavour } from "./mount.ts";
export type { TransitTls } from "./listener.ts";

export interface TransitServerOptions {
  /** The server that is imitated where servers differ. Default: `openbao-2.5`, for this and later versions. */
  readonly flavour?: TransitFlavour;
  /** Paths of Transit engines, in every namespace. Default: `transit`. */
  readonly mounts?: readonly string[];
  /** Namespaces besides the root namespace. Default: none. */
  readonly namespaces?: readonly string[];
  /** Default: plain HTTP. */
  readonly tls?: TransitTls;
}

/** The most calls that are kept: more than a test looks at. Under load, the oldest are dropped. */
const KEPT_CALLS = 1000;

/** A received request, for a test to look at. `plaintext`, `secret_id` and `jwt` are left out. */
export interface TransitCall {
  readonly method: string;
  /** After `/v1/`, with the namespace: `team/transit/decrypt/app`. */
  readonly path: string;
  readonly body: Json;
  readonly token: string | undefined;
  readonly userAgent: string | undefined;
}

/** A new key. Options default as in `POST keys/:name`. */
export type NewTransitKey = Partial<Omit<KeyOptions, "name">> & {
  /** Default: `transit`. */
  readonly mount?: string;
  /** Default: the root namespace. */
  readonly namespace?: string;
};

/**
 * Starts a server on a free port of 127.0.0.1.
 *
 * @example
 * ```ts
 * await using server = await startTransitServer();
 * server.createKey("orders", { derived: true });
 * const token = server.createToken({ policies: ["root"] });
 * ```
 */
export async function startTransitServer(
  options: TransitServerOptions = {},
): Promise<TransitServer> {
  const server = new TransitServer(options);
  await server.open();
  return server;
}

/** A running server; see {@link startTransitServer}. */
export class TransitServer {
  readonly flavour: TransitFlavour;
  /** A token that may do everything. */
  readonly rootToken: string;
  /** The last 1000 requests, including faulty ones, the oldest first. */
  readonly calls: TransitCall[] = [];
  readonly #access: Access;
  readonly #mounts = new Map<string, Mount>();
  readonly #namespaces: readonly string[];
  readonly #listener: Listener;
  readonly #waiting = new Set<() => void>();
  #fault: TransitFault | undefined;
  #faulty: readonly string[] = [""];
  #ahead = 0;

  constructor(options: TransitServerOptions = {}) {
    const { flavour = "openbao-2.5", mounts = ["transit"], namespaces = [], tls } = options;
    const now = (): number => Date.now() / 1000 + this.#ahead;
    this.flavour = flavour;
    this.#access = new Access(flavour, now);
    this.rootToken = this.#access.createToken({ policies: ["root"] });
    this.#namespaces = namespaces;
    for (const namespace of ["", ...namespaces]) {
      for (const mount of mounts) this.#mounts.set(join(namespace, mount), new Mount(flavour, now));
    }
    this.#listener = new Listener((request) => this.#serve(request), tls);
  }

  async open(): Promise<void> {
    await this.#listener.open();
  }

  /** `http://127.0.0.1:<port>`, or https. */
  get url(): string {
    return this.#listener.url;
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#listener.connections;
  }

  /** Creates a key; with `versions`, from these bytes. */
  createKey(
    name: string,
    { mount = "transit", namespace = "", ...options }: NewTransitKey = {},
  ): void {
    this.#mount(namespace, mount).create({ type: "aes256-gcm96", ...options, name });
  }

  /** Calls the server as root, without HTTP: `root("POST", "transit/keys/app/rotate")`. */
  root(method: "GET" | "POST" | "DELETE", path: string, body: Json = {}): Answer {
    return this.#answer({
      method,
      url: `/v1/${path}`,
      headers: { "x-vault-token": this.rootToken },
      body: JSON.stringify(body),
    });
  }

  /**
   * Writes a policy: tokens that name it have it from now on.
   *
   * @param policy - Rules, or HCL as `vault policy write` takes it.
   * @throws SyntaxError for HCL that is not a policy.
   */
  setPolicy(name: string, policy: TransitPolicy): void {
    this.#access.setPolicy(name, policy);
  }

  createToken(token?: NewToken): string {
    return this.#access.createToken(token);
  }

  revokeToken(token: string): void {
    this.#access.revoke(token);
  }

  addAppRole(role: NewAppRole): void {
    this.#access.addAppRole(role);
  }

  addKubernetesRole(role: NewKubernetesRole): void {
    this.#access.addKubernetesRole(role);
  }

  /** Sets the server's clock ahead, so that tokens age. */
  advance(seconds: number): void {
    this.#ahead += seconds;
  }

  /**
   * Has requests fail from now on; `undefined` ends it.
   *
   * @param only - The beginnings of paths that fail, such as `transit/decrypt/`. Default: all.
   */
  fail(fault: TransitFault | undefined, only: readonly string[] = [""]): void {
    this.#fault = fault;
    this.#faulty = only;
  }

  /** Resolves with the next request. */
  nextCall(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.add(resolve);
    });
  }

  /** Resolves when no connection is open. */
  disconnected(): Promise<void> {
    return this.#listener.disconnected();
  }

  /** Ends all connections and accepts no others: the server cannot be reached. */
  close(): Promise<void> {
    return this.#listener.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #serve(request: HttpRequest): Outcome {
    const path = this.#pathOf(request);
    this.calls.push({
      method: request.method,
      path,
      body: withoutSecrets(parseBody(request.body ?? "") ?? {}),
      token: tokenOf(request),
      userAgent: request.headers["user-agent"],
    });
    if (this.calls.length > KEPT_CALLS) this.calls.shift();
    for (const arrived of this.#waiting) arrived();
    this.#waiting.clear();
    const fault = this.#faulty.some((start) => path.startsWith(start)) ? this.#fault : undefined;
    // A request that gets another answer, or none, has no effect.
    if (fault !== undefined && fault.kind !== "alter" && fault.kind !== "slow") {
      return { answer: { status: 500 }, fault };
    }
    return { answer: alterAnswer(this.#answer(request), fault), fault };
  }

  #answer(request: HttpRequest): Answer {
    try {
      return this.#dispatch(request);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return { status: error.status, body: { errors: [...error.errors] } };
    }
  }

  #dispatch(request: HttpRequest): Answer {
    const url = new URL(request.url, "http://127.0.0.1");
    if (!url.pathname.startsWith("/v1/")) throw new Refusal(404);
    if (!this.#hasNamespaceOf(request)) throw new Refusal(404, "namespace not found");
    const path = this.#pathOf(request);
    if (path === "sys/health") return this.#health();
    if (request.body === undefined) throw new Refusal(413, "http: request body too large");
    const body = parseBody(request.body);
    if (body === undefined) throw new Refusal(400, "failed to parse JSON input");
    const operation = operationOf(request.method, url.searchParams);
    if (operation === undefined) throw multiError(405, "unsupported operation");

    const login = operation === "update" ? this.#access.login(path, body) : undefined;
    if (login !== undefined) return envelope(login);
    const token = tokenOf(request);
    const { mount, rest } = this.#find(path);
    const asked = mount?.operationOf(rest, operation) ?? operation;
    this.#access.authorize(token, path, asked, body);
    if (path === "auth/token/lookup-self") return envelope(this.#access.lookUp(token));
    if (path === "auth/token/renew-self") return envelope(this.#access.renew(token));
    if (path === "sys/mounts" && operation === "read")
      return envelope({ data: this.#mountsOf("") });
    if (mount === undefined) {
      throw new Refusal(
        404,
        `no handler for route ${JSON.stringify(path)}. route entry not found.`,
      );
    }
    return envelope(mount.handle(rest, operation, body));
  }

  /** The mount that a path leads to, and the path in it. */
  #find(path: string): { mount: Mount | undefined; rest: string } {
    for (const [at, mount] of this.#mounts) {
      if (path.startsWith(`${at}/`)) return { mount, rest: path.slice(at.length + 1) };
    }
    return { mount: undefined, rest: "" };
  }

  #mount(namespace: string, path: string): Mount {
    const mount = this.#mounts.get(join(namespace, path));
    if (mount === undefined) throw new RangeError("there is no such mount");
    return mount;
  }

  #mountsOf(namespace: string): Json {
    const at = [...this.#mounts.keys()].filter(
      (path) =>
        path.startsWith(namespace) && !this.#namespaces.some((n) => path.startsWith(`${n}/`)),
    );
    return Object.fromEntries(at.map((path) => [`${path}/`, { type: "transit", options: null }]));
  }

  /** The path with its namespace, which may be in a header or in the URL. */
  #pathOf({ url, headers }: HttpRequest): string {
    const { pathname } = new URL(url, "http://127.0.0.1");
    const path = decodeURIComponent(pathname.replace(/^\/v1\//, "").replace(/\/$/, ""));
    return join(namespaceOf(headers), path);
  }

  /** A namespace that is missing is refused before anything else, a login included. */
  #hasNamespaceOf({ headers }: HttpRequest): boolean {
    const namespace = namespaceOf(headers);
    return namespace === "" || this.#namespaces.includes(namespace);
  }

  #health(): Answer {
    return {
      status: 200,
      body: {
        initialized: true,
        sealed: false,
        standby: false,
        replication_performance_mode: "disabled",
        replication_dr_mode: "disabled",
        server_time_utc: Math.round(Date.now() / 1000 + this.#ahead),
        version: { vault: "1.20.0", "openbao-2.4": "2.4.0", "openbao-2.5": "2.5.0" }[this.flavour],
      },
    };
  }
}

/** The namespace in the header; a path may have it instead. */
function namespaceOf(headers: HttpRequest["headers"]): string {
  const namespace = String(headers["x-vault-namespace"] ?? "").replace(/^\/|\/$/g, "");
  return namespace === "root" ? "" : namespace;
}

function join(namespace: string, path: string): string {
  return namespace === "" ? path : `${namespace}/${path}`;
}

function operationOf(method: string, query: URLSearchParams): Operation | undefined {
  if (method === "POST" || method === "PUT") return "update";
  if (method === "DELETE") return "delete";
  if (method !== "GET") return undefined;
  return ["true", "1"].includes(query.get("list") ?? "") ? "list" : "read";
}

function tokenOf({ headers }: HttpRequest): string | undefined {
  const token = headers["x-vault-token"];
  if (typeof token === "string" && token !== "") return token;
  return /^Bearer (.+)$/.exec(headers.authorization ?? "")?.[1];
}

function parseBody(text: string): Json | undefined {
  if (text.trim() === "") return {};
  try {
    const body: unknown = JSON.parse(text);
    if (body === null) return {};
    return isJson(body) ? body : undefined;
  } catch {
    return undefined;
  }
}

const secretFields = new Set(["plaintext", "secret_id", "jwt"]);

function withoutSecrets(body: Json): Json {
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => {
      if (secretFields.has(name)) return [name, "(left out)"];
      if (name !== "batch_input" || !Array.isArray(value)) return [name, value];
      return [name, value.map((item: unknown) => (isJson(item) ? withoutSecrets(item) : {}))];
    }),
  );
}
