/**
 * The server: listens, bounds what anybody may cost it, answers, and closes without losing an answer.
 *
 * A call is answered when its audit record is as durable as the keystore's options say, so what was answered is in the log
 * whatever happens to the process.
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Server as TlsServer } from "node:https";
import type { Socket } from "node:net";
import type { Keystore } from "@env/kms";
import { answerOfError, type Answer } from "./aws-json.ts";
import { announcesMore, readBody } from "./body.ts";
import { lenient, strict, withBrowsers } from "./caller.ts";
import { ConsoleOperations } from "./console/calls.ts";
import { Console } from "./console/console.ts";
import { Calls, type Outcome } from "./calls.ts";
import { Metrics } from "./metrics.ts";
import { settingsOf, type KmsServerOptions, type LogEntry, type Settings } from "./options.ts";
import { pageAt } from "./pages.ts";
import { Rate, throttled } from "./rate.ts";
import { RotationAge } from "./rotation-age.ts";
import { WebIdentity } from "./query/web-identity.ts";
import { headersOf } from "./signed-request.ts";
import { SignatureVerifier, type FindCredential } from "./verify-signature.ts";
import { readTls, watchTls } from "./tls-files.ts";
import { WireError } from "./wire-error.ts";

/**
 * Makes a server for a keystore, which the caller closes after the server.
 *
 * @throws TypeError, RangeError for options that are wrong or do not go together.
 *
 * @example
 * ```ts
 * const server = createKmsServer(keystore, { port: 0 });
 * const url = await server.listen();
 * ```
 */
export function createKmsServer(keystore: Keystore, options: KmsServerOptions = {}): KmsServer {
  return new KmsServer(keystore, settingsOf(options));
}

export class KmsServer implements AsyncDisposable {
  readonly #keystore: Keystore;
  readonly #settings: Settings;
  readonly #metrics = new Metrics();
  readonly #rotationAge: RotationAge;
  readonly #calls: Calls;
  readonly #console: Console | undefined;
  readonly #server: Server | TlsServer;
  #unwatch: (() => void) | undefined;
  #inWork = 0;
  /** Requests in work of each connection: more than one where a client does not wait for answers. */
  readonly #inWorkOf = new WeakMap<Socket, number>();
  #closing: Promise<void> | undefined;

  /** Not for applications: they call {@link createKmsServer}. */
  constructor(keystore: Keystore, settings: Settings) {
    this.#keystore = keystore;
    this.#settings = settings;
    this.#rotationAge = new RotationAge(keystore);
    const { auth, limits } = settings;
    const credential: FindCredential = (id, token) => keystore.iam.credential(id, token);
    const rate = new Rate(limits.callsPerSecond);
    this.#console = settings.console && new Console(keystore, settings.console);
    const proven = strict(new SignatureVerifier({ credential, services: SERVICES }));
    const believed = lenient(credential, keystore.facts.region);
    this.#calls = new Calls({
      keystore,
      own: settings.console && new ConsoleOperations(keystore),
      authenticate:
        auth === "strict"
          ? proven
          : this.#console === undefined
            ? believed
            : withBrowsers(proven, believed),
      webIdentity: new WebIdentity(keystore, {
        jwksFiles: settings.jwksFiles ?? {},
        perSecond: limits.tokensPerSecond,
      }),
      count: (principal) => {
        if (limits.callsPerSecond !== Infinity) rate.count(principal);
      },
    });
    this.#server = this.#create();
  }

  /** Whether callers have to sign. */
  get auth(): "strict" | "lenient" {
    return this.#settings.auth;
  }

  /** `http://127.0.0.1:4599`. @throws Error before the server listens. */
  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === "string")
      throw new Error("the server is not listening");
    const { family, port } = address;
    const { host, tls } = this.#settings;
    const name = family === "IPv6" && host.includes(":") ? `[${host}]` : host;
    return `${tls === undefined ? "http" : "https"}://${name}:${port}`;
  }

  /** Starts to listen. @returns The URL. @throws what listening fails with, such as `EADDRINUSE`. */
  async listen(): Promise<string> {
    const { host, port } = this.#settings;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(port, host, () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
    this.#watchTls();
    return this.url;
  }

  /** Takes no more requests, and settles when those in work are answered. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #create(): Server | TlsServer {
    const { limits, tls } = this.#settings;
    const settings = {
      headersTimeout: limits.headersTimeout,
      requestTimeout: limits.requestTimeout,
      keepAliveTimeout: limits.idleTimeout,
      connectionsCheckingInterval: Math.min(1000, limits.headersTimeout),
    };
    const answer = (request: IncomingMessage, response: ServerResponse): void =>
      void this.#answer(request, response);
    // An import of node:http would load its client of WebSockets as well, which takes longer than all of this package.
    const server =
      tls === undefined
        ? process.getBuiltinModule("node:http").createServer(settings, answer)
        : process
            .getBuiltinModule("node:https")
            .createServer({ ...settings, ...readTls(tls) }, answer);
    // A client that asks before it sends a body is not asked for one that is too long.
    server.on("checkContinue", (request, response) => {
      if (!announcesMore(request, limits.bodyBytes)) response.writeContinue();
      answer(request, response);
    });
    server.maxConnections = limits.connections;
    return server;
  }

  #watchTls(): void {
    const { tls } = this.#settings;
    const server = this.#server;
    if (tls === undefined || !("setSecureContext" in server)) return;
    const use = server.setSecureContext.bind(server);
    this.#unwatch = watchTls(tls, use, warn);
  }

  async #close(): Promise<void> {
    this.#unwatch?.();
    if (!this.#server.listening) return;
    const { closeTimeout } = this.#settings.limits;
    const timer = setTimeout(() => this.#server.closeAllConnections(), closeTimeout);
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    clearTimeout(timer);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = performance.now();
    const requestId = randomUUID();
    this.#count(request.socket, 1);
    try {
      const outcome = await this.#outcome(request, requestId);
      this.#send(request, response, requestId, outcome.answer);
      if (outcome.operation !== undefined || request.method === "POST")
        this.#note(request, requestId, outcome, performance.now() - started);
    } catch {
      // The client has gone. Nobody is there to be answered.
      response.destroy();
    } finally {
      this.#count(request.socket, -1);
    }
  }

  #count(socket: Socket, change: 1 | -1): void {
    this.#inWork += change;
    this.#inWorkOf.set(socket, (this.#inWorkOf.get(socket) ?? 0) + change);
  }

  /** A single connection does not get all the requests that may be in work. */
  #isBusy(socket: Socket): boolean {
    const { requests } = this.#settings.limits;
    return this.#inWork > requests || (this.#inWorkOf.get(socket) ?? 0) > MAX_PIPELINED;
  }

  async #outcome(request: IncomingMessage, requestId: string): Promise<Outcome> {
    const { limits } = this.#settings;
    const { method = "", url: target = "", socket, headers, rawHeaders } = request;
    const { remoteAddress: sourceIp } = socket;
    if (method === "GET" || method === "HEAD") {
      const page = await pageAt(target, sourceIp, {
        keystore: this.#keystore,
        metrics: this.#metrics,
        rotationAge: this.#rotationAge,
        settings: this.#settings,
        isClosing: () => this.#closing !== undefined,
      });
      if (page !== undefined) return { answer: page };
    }
    const ours = this.#console?.serves(target) === true ? this.#console : undefined;
    try {
      if (method !== "POST" && ours === undefined) {
        throw new WireError("UnknownOperationException", "", 404);
      }
      if (this.#closing !== undefined) throw new WireError("ServiceUnavailableException", "", 503);
      if (this.#isBusy(socket)) throw throttled();
      const body = await readBody(request, limits.bodyBytes);
      const contentType = headers["content-type"];
      const named = headers["x-amz-target"];
      const received = { method, target, rawHeaders, body };
      const origin = {
        requestId,
        sourceIp,
        // The longest that a session may have.
        userAgent: headers["user-agent"]?.slice(0, 1024),
        secure: this.#settings.tls !== undefined,
      };
      if (ours !== undefined) return await ours.answer(received, headersOf(received), origin);
      return await this.#calls.answer(
        received,
        { contentType, target: typeof named === "string" ? named : undefined },
        origin,
      );
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      return { answer: answerOfError(error) };
    }
  }

  #send(
    request: IncomingMessage,
    response: ServerResponse,
    requestId: string,
    { status, contentType, body: text, bytes, headers = {} }: Answer,
  ): void {
    const body = bytes ?? text;
    // What was not read would be taken for the next request.
    const isWhole = request.complete;
    response.shouldKeepAlive &&= isWhole && this.#closing === undefined;
    response.writeHead(status, {
      "x-amzn-RequestId": requestId,
      ...headers,
      // Without a body, these two would speak of one.
      ...(status === 204 || status === 304
        ? {}
        : { "Content-Type": contentType, "Content-Length": Buffer.byteLength(body) }),
    });
    response.end(body, () => {
      if (!isWhole) request.destroy();
    });
  }

  #note(
    { socket }: IncomingMessage,
    requestId: string,
    { answer, operation, caller, encryptionContext, fault }: Outcome,
    milliseconds: number,
  ): void {
    this.#metrics.add(operation ?? "unknown", answer.error ?? "Success", milliseconds / 1000);
    const { log, logContexts = false } = this.#settings;
    if (log === undefined) return;
    const entry: LogEntry = {
      time: new Date(),
      requestId,
      ...(operation === undefined ? {} : { operation }),
      ...caller,
      ...(socket.remoteAddress === undefined ? {} : { sourceIp: socket.remoteAddress }),
      status: answer.status,
      ...(answer.error === undefined ? {} : { error: answer.error }),
      ...(logContexts && encryptionContext !== undefined ? { encryptionContext } : {}),
      milliseconds,
      ...(fault === undefined ? {} : { fault: reasonOf(fault) }),
    };
    log(entry);
  }
}

function reasonOf(fault: unknown): string {
  return fault instanceof Error ? `${fault.name}: ${fault.message}` : "an unknown fault";
}

/** Requests in work of one connection. Clients of AWS send the next one after the answer. */
const MAX_PIPELINED = 16;

/** The services that are served. */
const SERVICES: ReadonlySet<string> = new Set(["kms", "sts", "iam"]);

/** The former certificate stays in use, but somebody should know. */
function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : String(error));
}
