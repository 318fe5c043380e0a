/**
 * The options of a server, and what they may not be together.
 *
 * @module
 */
import { checkOptions, isLoopback } from "@env/core/driver";
import { MIN_IDLE, type ConsoleOptions } from "./console/console.ts";

export interface KmsServerOptions {
  /** The address to listen on. Default: `127.0.0.1`. */
  readonly host?: string;
  /** 0: any free one. Default: 4599. */
  readonly port?: number;
  /**
   * `strict`: callers sign with an access key of the keystore. `lenient`, only on a loopback address: callers are believed.
   * Default: `lenient` on a loopback address, `strict` elsewhere.
   */
  readonly auth?: "strict" | "lenient";
  /** A certificate and its key, as files in PEM. They are read anew when they change. Default: plain HTTP. */
  readonly tls?: TlsFiles;
  /**
   * Paths of JSON Web Key Sets by issuer, such as `https://token.actions.githubusercontent.com`, for a server that cannot or
   * should not fetch the keys of identity providers. They are read anew every ten minutes, and for a key that is not there.
   */
  readonly jwksFiles?: Readonly<Record<string, string>>;
  readonly limits?: ServerLimits;
  /** Serves the console under `/console`. Default: there is none. */
  readonly console?: ConsoleOptions;
  /** Also answers `GET /_localstack/health`, as LocalStack does. Default: false. */
  readonly localstack?: boolean;
  /** Who may read `GET /metrics`: callers on this machine, or everybody. Default: `loopback`. */
  readonly metrics?: "loopback" | "everybody";
  /** Is told of every request after its answer. */
  readonly log?: (entry: LogEntry) => void;
  /** Whether log entries show encryption contexts. Default: false. */
  readonly logContexts?: boolean;
}

/** Paths of files in PEM. */
export interface TlsFiles {
  /** The certificate, followed by those of intermediate authorities. */
  readonly certFile: string;
  readonly keyFile: string;
}

/** Times in milliseconds. */
export interface ServerLimits {
  /** Bytes of a request's body. Default: 65536. */
  readonly bodyBytes?: number;
  /** The time from the first byte of a request to the end of its headers. Default: 10000. */
  readonly headersTimeout?: number;
  /** The time from the first byte of a request to the end of its body. Default: 30000. */
  readonly requestTimeout?: number;
  /** How long a connection may be idle between requests. Default: 60000. */
  readonly idleTimeout?: number;
  /** Open connections; further ones are closed at once. Default: 1024. */
  readonly connections?: number;
  /** Requests in work; further ones are throttled. Default: 512. */
  readonly requests?: number;
  /** Calls per second of one principal; further ones are throttled. Default: no limit. */
  readonly callsPerSecond?: number;
  /** Calls with a token of an identity provider per second from one address; further ones are throttled. Default: 20. */
  readonly tokensPerSecond?: number;
  /** How long `close` waits for requests in work. Default: 10000. */
  readonly closeTimeout?: number;
}

/** What happened to a request. It has no plaintext, no ciphertext and no signature. */
export interface LogEntry {
  readonly time: Date;
  readonly requestId: string;
  /** AWS's name; absent if the request names none. */
  readonly operation?: string;
  /** Absent if the caller was refused. */
  readonly principal?: string;
  readonly accessKeyId?: string;
  readonly region?: string;
  readonly sourceIp?: string;
  readonly status: number;
  /** The name of the error; absent for a success. */
  readonly error?: string;
  /** Only with `logContexts`. */
  readonly encryptionContext?: unknown;
  readonly milliseconds: number;
  /** What the answer does not say: a mistake of the program, a full disk. */
  readonly fault?: string;
}

/** Options with everything that has a default. */
export type Settings = Omit<KmsServerOptions, "limits"> & {
  readonly host: string;
  readonly port: number;
  readonly auth: "strict" | "lenient";
  readonly limits: Required<ServerLimits>;
};

const DEFAULT_LIMITS: Required<ServerLimits> = {
  bodyBytes: 65_536,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  idleTimeout: 60_000,
  connections: 1024,
  requests: 512,
  callsPerSecond: Infinity,
  tokensPerSecond: 20,
  closeTimeout: 10_000,
};

const KNOWN: ReadonlySet<string> = new Set<keyof KmsServerOptions>([
  "auth",
  "console",
  "host",
  "jwksFiles",
  "limits",
  "localstack",
  "log",
  "logContexts",
  "metrics",
  "port",
  "tls",
]);

const KNOWN_LIMITS: ReadonlySet<string> = new Set(Object.keys(DEFAULT_LIMITS));
const KNOWN_CONSOLE: ReadonlySet<string> = new Set<keyof ConsoleOptions>([
  "folder",
  "idleTimeout",
  "longestSession",
]);
const KNOWN_TLS: ReadonlySet<string> = new Set<keyof TlsFiles>(["certFile", "keyFile"]);

/**
 * Checks options and fills in defaults.
 *
 * @throws TypeError for an unknown option, or for a server that others could reach and that does not know its callers;
 * RangeError for a number out of range.
 */
export function settingsOf(options: KmsServerOptions): Settings {
  checkOptions(options, KNOWN, "createKmsServer");
  const { host = "127.0.0.1", port = 4599, tls, metrics, limits: given = {} } = options;
  checkOptions(given, KNOWN_LIMITS, "limits");
  if (tls !== undefined) checkOptions(tls, KNOWN_TLS, "tls");
  if (!(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    throw new RangeError("port must be an integer from 0 to 65535");
  }
  const limits = { ...DEFAULT_LIMITS, ...given };
  for (const [name, value] of Object.entries(limits)) {
    if (!(typeof value === "number" && value > 0)) {
      throw new RangeError(`limits.${name} must be a number above 0`);
    }
  }
  if (options.console !== undefined) requireConsole(options.console);
  const local = isLoopback(host);
  const { auth = local ? "lenient" : "strict" } = options;
  if (auth !== "strict" && auth !== "lenient")
    throw new TypeError("auth must be strict or lenient");
  if (metrics !== undefined && metrics !== "loopback" && metrics !== "everybody") {
    throw new TypeError("metrics must be loopback or everybody");
  }
  if (!local && (auth !== "strict" || tls === undefined)) {
    throw new TypeError(
      `${host} can be reached from other machines: give tls, and leave auth at strict, or listen on 127.0.0.1`,
    );
  }
  return { ...options, host, port, auth, limits };
}

function requireConsole(options: ConsoleOptions): void {
  checkOptions(options, KNOWN_CONSOLE, "console");
  const { folder, idleTimeout = MIN_IDLE, longestSession = idleTimeout } = options;
  if (typeof folder !== "string") throw new TypeError("console.folder must be a path");
  if (!(idleTimeout >= MIN_IDLE)) {
    throw new RangeError(`console.idleTimeout must be a number of at least ${MIN_IDLE}`);
  }
  if (!(longestSession >= idleTimeout)) {
    throw new RangeError(
      "console.longestSession must be a number, and at least console.idleTimeout",
    );
  }
}
