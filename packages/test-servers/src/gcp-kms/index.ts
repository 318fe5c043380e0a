/**
 * A Cloud KMS for tests: the real protocol on this machine, over gRPC and REST, with symmetric keys in
 * memory, their versions and states, checksums, the texts of errors, and faults to switch on.
 *
 * It authenticates nobody, denies nothing unless told to, and stores nothing. It needs
 * `@google-cloud/kms` for the protocol's description, `@grpc/grpc-js` and `@grpc/proto-loader`.
 *
 * @module
 */
import type { GcpKmsFault } from "./faults.ts";
import { grpcListener } from "./grpc.ts";
import { Keys, type ProtectionLevel, type VersionState } from "./keys.ts";
import { methods, type Message } from "./methods.ts";
import { parentOf } from "./names.ts";
import type { Outcome } from "./outcome.ts";
import { restListener } from "./rest.ts";
import { StatusError } from "./status.ts";

export { gcpKmsDenial, gcpKmsFaults } from "./faults.ts";
export type { GcpKmsFault } from "./faults.ts";
export type { ProtectionLevel, VersionState } from "./keys.ts";
export type { Message } from "./methods.ts";
export type { GcpStatus } from "./status.ts";

export interface GcpKmsServerOptions {
  /** Ids of projects by their numbers: names with the number are answered with the id. Default: none. */
  readonly projects?: Readonly<Record<string, string>>;
}

/** The most calls that are kept: more than a test looks at. Under load, the oldest are dropped. */
const KEPT_CALLS = 1000;

/** A received call, for a test to look at. Holds plaintext. */
export interface GcpKmsCall {
  /** `Encrypt`. */
  readonly method: string;
  readonly request: Message;
  /** The routing header of a gRPC client, `x-goog-request-params`. */
  readonly routing: string | undefined;
}

export interface NewGcpKmsKey {
  /** Full name. Default: a new one, in project `test-project`. A missing key ring is created. */
  readonly name?: string;
  /** Default: `SOFTWARE`. An HSM key takes shorter plaintext. */
  readonly protectionLevel?: ProtectionLevel;
  /** Default: `ENCRYPT_DECRYPT`. */
  readonly purpose?: string;
}

const KEY_RING = "projects/test-project/locations/global/keyRings/test";

/**
 * Starts a server on free ports of 127.0.0.1.
 *
 * @example
 * ```ts
 * await using server = await startGcpKmsServer();
 * const key = server.createKey();
 * await using cmk = await openGcpKms(`gcp-kms:${key}?endpoint=${server.endpoint}`);
 * ```
 */
export async function startGcpKmsServer(options: GcpKmsServerOptions = {}): Promise<GcpKmsServer> {
  const server = new GcpKmsServer(options);
  await server.open();
  return server;
}

/** A running server; see {@link startGcpKmsServer}. Names of keys and versions are full ones. */
export class GcpKmsServer {
  /** The last 1000 calls, including faulty ones, the oldest first. */
  readonly calls: GcpKmsCall[] = [];
  readonly #projects: Readonly<Record<string, string>>;
  readonly #keys = new Keys();
  readonly #grpc = grpcListener((...call) => this.#dispatch(...call));
  readonly #rest = restListener((...call) => this.#dispatch(...call));
  readonly #waiting = new Set<() => void>();
  #fault: GcpKmsFault | undefined;
  #faulty: readonly string[] | undefined;
  #created = 0;

  constructor({ projects = {} }: GcpKmsServerOptions = {}) {
    this.#projects = projects;
  }

  async open(): Promise<void> {
    await Promise.all([this.#grpc.open(), this.#rest.open()]);
  }

  /** The port of gRPC, without TLS. */
  get port(): number {
    return this.#grpc.port;
  }

  /** The endpoint of gRPC, without TLS: `http://127.0.0.1:<port>`. */
  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The port of REST, without TLS. */
  get restPort(): number {
    return this.#rest.port;
  }

  /** Connections that are open. */
  get connections(): number {
    return this.#grpc.connections + this.#rest.connections;
  }

  /** @returns The key's name. Its first version is enabled and primary. */
  createKey({ name, protectionLevel = "SOFTWARE", purpose }: NewGcpKmsKey = {}): string {
    const full = name ?? `${KEY_RING}/cryptoKeys/key-${++this.#created}`;
    const ring = parentOf(full);
    if (!this.#keys.rings.has(ring)) this.#keys.createRing(ring);
    return this.#keys.createKey(full, protectionLevel, purpose).name;
  }

  /** Gives a key a new primary version. @returns The version's name. */
  rotate(key: string): string {
    const { name } = this.#keys.createVersion(key);
    this.#keys.setPrimary(key, name);
    return name;
  }

  /** Makes another version of the key the primary one. */
  setPrimary(key: string, version: string): void {
    this.#keys.setPrimary(key, version);
  }

  /** Sets the state of a version at once: `DESTROYED` without the waiting period, and permanently. */
  setState(version: string, state: VersionState): void {
    this.#keys.setState(version, state);
  }

  /**
   * Has calls fail from now on; `undefined` ends it.
   *
   * @param only - The methods that fail, such as `Decrypt`. Default: all.
   */
  fail(fault: GcpKmsFault | undefined, only?: readonly string[]): void {
    this.#fault = fault;
    this.#faulty = only;
  }

  /** Resolves with the next call. */
  nextCall(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.add(resolve);
    });
  }

  /** Resolves when no connection is open. */
  async disconnected(): Promise<void> {
    await Promise.all([this.#grpc.disconnected(), this.#rest.disconnected()]);
  }

  /** Ends all connections and accepts no others: the service cannot be reached. */
  async close(): Promise<void> {
    await Promise.all([this.#grpc.close(), this.#rest.close()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #dispatch(method: string, request: Message, routing?: string): Outcome {
    this.calls.push({ method, request, routing });
    if (this.calls.length > KEPT_CALLS) this.calls.shift();
    for (const arrived of this.#waiting) arrived();
    this.#waiting.clear();
    const faulty = this.#faulty === undefined || this.#faulty.includes(method);
    const fault = faulty ? this.#fault : undefined;
    if (fault !== undefined && fault.kind !== "alter") return fault;
    const right = this.#answer(method, request);
    if (fault === undefined || right.kind !== "answer") return right;
    return { kind: "answer", answer: fault.alter(right.answer) };
  }

  #answer(method: string, request: Message): Outcome {
    try {
      const answer = methods[method]?.(this.#keys, this.#withProjectIds(request));
      if (answer === undefined) throw new StatusError("UNIMPLEMENTED", "not served here");
      return { kind: "answer", answer };
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      return { kind: "status", status: error.status, message: error.message };
    }
  }

  #withProjectIds(request: Message): Message {
    const named = Object.entries(request).map(([field, value]) => {
      const number = typeof value === "string" && /^projects\/([0-9]+)\//.exec(value)?.[1];
      const id = number ? this.#projects[number] : undefined;
      return [field, id === undefined ? value : String(value).replace(/[0-9]+/, id)];
    });
    return Object.fromEntries(named);
  }
}
