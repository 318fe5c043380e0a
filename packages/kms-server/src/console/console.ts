/**
 * What is under `/console`: the files of the pages, and the sessions of those who look at them. It is for browsers alone, so all
 * that a browser can be told to refuse is refused.
 *
 * To sign in is to sign one request with an access key, which itself is not sent. The page receives temporary credentials, and a
 * cookie by which it gets new ones.
 *
 * Source: api.ts
 *
 * @module
 */
import {
  isKmsError,
  principalArn,
  type Keystore,
  type SessionOptions,
  type TemporaryCredentials,
} from "@env/kms";
import {
  sessionToken,
  type ConsoleSession as Session,
  type ConsoleSessions,
  type OpenedSession,
} from "@env/kms/server";
import { placeOf, type Origin, type Outcome } from "../calls.ts";
import { Rate } from "../rate.ts";
import type { ReceivedRequest } from "../signed-request.ts";
import { SignatureVerifier, type Verified } from "../verify-signature.ts";
import { faultOf, WireError } from "../wire-error.ts";
import type { ConsoleSession } from "./api.ts";
import { Assets } from "./assets.ts";
import {
  cleared,
  cookieName,
  cookieOf,
  cookieText,
  json,
  Refusal,
  refusal,
  requireOwnPage,
  requireToken,
  sent,
  type RequestHeaders,
} from "./browser.ts";

export interface ConsoleOptions {
  /** The folder with the built pages: `dist` of `@env/console`. They are read once. */
  readonly folder: string;
  /** Milliseconds after which a session ends that was not renewed, at least 900000. Default: 900000, 15 minutes. */
  readonly idleTimeout?: number;
  /** Milliseconds after which a session ends in any case. Default: 28800000, 8 hours. */
  readonly longestSession?: number;
}

/** The least time of temporary credentials, which is how long they are good for. */
export const MIN_IDLE = 900_000;
const LONGEST = 28_800_000;
const ROOT = "/console";
const SESSION = "/console/session";

/** Attempts to sign in: from one address, with one access key, and all together. */
const ATTEMPTS = {
  address: { perSecond: 0.2, burst: 10 },
  accessKey: { perSecond: 0.5, burst: 30 },
  all: { perSecond: 20, burst: 100 },
} as const;

export class Console {
  readonly #keystore: Keystore;
  readonly #assets: Assets;
  readonly #sessions: ConsoleSessions;
  readonly #idle: number;
  readonly #verifier: SignatureVerifier;
  readonly #attempts = {
    address: rateOf(ATTEMPTS.address),
    accessKey: rateOf(ATTEMPTS.accessKey),
    all: rateOf(ATTEMPTS.all),
  };

  /** @throws TypeError for a folder without the pages. */
  constructor(
    keystore: Keystore,
    { folder, idleTimeout = MIN_IDLE, longestSession = LONGEST }: ConsoleOptions,
  ) {
    this.#keystore = keystore;
    this.#assets = new Assets(folder);
    this.#idle = idleTimeout;
    this.#sessions = keystore.iam.consoleSessions({ idle: idleTimeout, longest: longestSession });
    this.#verifier = new SignatureVerifier({
      credential: (id, token) => keystore.iam.credential(id, token),
      services: new Set(["sts"]),
    });
  }

  /** Whether a request is for the console. */
  serves(target: string): boolean {
    return target === ROOT || target.startsWith(`${ROOT}/`) || target.startsWith(`${ROOT}?`);
  }

  /** Answers a request whose body has been read. Never throws. */
  async answer(
    request: ReceivedRequest,
    headers: RequestHeaders,
    origin: Origin,
  ): Promise<Outcome> {
    const [path = ""] = request.target.split("?", 1);
    if (path === SESSION) return this.#session(request, headers, origin);
    const { method } = request;
    if (method !== "GET" && method !== "HEAD")
      return { answer: refusal(405, "There are only pages here.") };
    return { answer: this.#page(path, headers) };
  }

  #page(path: string, headers: RequestHeaders): Outcome["answer"] {
    const asset = this.#assets.at(path.slice(ROOT.length + 1));
    return asset === undefined ? refusal(404, "There is no such file.") : sent(asset, headers);
  }

  async #session(
    request: ReceivedRequest,
    headers: RequestHeaders,
    origin: Origin,
  ): Promise<Outcome> {
    const operation = operations.get(request.method);
    if (operation === undefined) return { answer: refusal(405, "A session begins with POST.") };
    let person: Session | undefined;
    const caller = (): Outcome["caller"] =>
      person && { principal: person.principal, accessKeyId: person.accessKeyId };
    try {
      requireOwnPage(headers, origin);
      const name = cookieName(headers, origin);
      if (operation === "ConsoleLogin") {
        const begun = await this.#begin(request, origin);
        person = begun.opened;
        return { answer: this.#opened(begun, name, origin), operation, caller: caller() };
      }
      const cookie = cookieOf(headers, name);
      const found = await this.#sessions.find(cookie);
      if (found === undefined)
        throw new Refusal(401, "There is no session, or it has ended. Sign in.");
      person = found;
      if (operation === "ConsoleSession") {
        return { answer: json(200, this.#facts(found)), operation, caller: caller() };
      }
      requireToken(headers, found.token);
      if (operation === "ConsoleLogout") {
        await this.#sessions.end(cookie);
        await this.#record(operation, person.principal, origin);
        return {
          answer: { ...json(204, undefined), headers: cleared(name, origin) },
          operation,
          caller: caller(),
        };
      }
      const renewed = await this.#renew(cookie, found, origin);
      return { answer: this.#opened(renewed, name, origin), operation, caller: caller() };
    } catch (error) {
      const isAnswer = error instanceof Refusal || error instanceof WireError || isKmsError(error);
      if (!isAnswer) {
        const { status, message } = faultOf(error);
        return {
          answer: refusal(status, message || "The server could not answer."),
          operation,
          caller: caller(),
          fault: error,
        };
      }
      const status = error instanceof Refusal ? error.status : 401;
      return { answer: refusal(status, error.message), operation, caller: caller() };
    } finally {
      request.body.fill(0);
    }
  }

  async #begin(request: ReceivedRequest, origin: Origin): Promise<Begun> {
    // First, so that one address cannot use up the attempts of all.
    this.#count("address", origin.sourceIp ?? "");
    this.#count("all", "");
    const { credential } = await this.#verified(request, origin);
    const { accessKeyId, principal, session } = credential;
    const credentials = await this.#credentials(principal, origin, session);
    const opened = await this.#sessions.begin(accessKeyId);
    if (opened === undefined) throw noLongerValid();
    await this.#record("ConsoleLogin", principal, origin);
    return { opened, credentials };
  }

  async #verified(request: ReceivedRequest, origin: Origin): Promise<Verified> {
    const claimed = CLAIMED.exec(authorizationOf(request))?.[1];
    if (claimed === undefined) throw new Refusal(401, "Sign in with an access key.");
    this.#count("accessKey", claimed);
    try {
      return await this.#verifier.verify(request);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      const known = await this.#keystore.iam.credential(claimed);
      const { type: code, message } = error;
      await this.#record("ConsoleLogin", known?.principal ?? this.#unknown, origin, {
        code,
        message,
      });
      throw error;
    }
  }

  async #renew(cookie: string, { principal }: Session, origin: Origin): Promise<Begun> {
    const credentials = await this.#credentials(principal, origin);
    const opened = await this.#sessions.renew(cookie);
    if (opened === undefined) throw noLongerValid();
    return { opened, credentials };
  }

  /** Temporary credentials of a person, for as long as a session may be idle. */
  #credentials(
    principal: string,
    origin: Origin,
    session: SessionOptions = {},
  ): Promise<TemporaryCredentials> {
    const DurationSeconds = MIN_IDLE / 1000;
    return this.#keystore.iam.access.call(
      { principal, session: { ...session, ...placeOf(origin) }, requestId: origin.requestId },
      {
        source: "sts",
        operation: "GetSessionToken",
        readOnly: true,
        parameters: { DurationSeconds },
      },
      (call) => sessionToken(call, DurationSeconds),
    );
  }

  /** Whoever tried to sign in with an access key that nobody has. */
  get #unknown(): string {
    return `arn:aws:iam::${this.#keystore.facts.accountId}:unknown`;
  }

  #count(what: keyof typeof ATTEMPTS, name: string): void {
    try {
      this.#attempts[what].count(name);
    } catch {
      throw new Refusal(429, "There were too many attempts to sign in. Try again in a minute.");
    }
  }

  async #record(
    operation: string,
    principal: string,
    { sourceIp, userAgent, requestId }: Origin,
    error?: { readonly code: string; readonly message: string },
  ): Promise<void> {
    const { audit, facts } = this.#keystore;
    await audit.append({
      time: Date.now(),
      source: "envelope",
      operation,
      principal: principalArn(principal, facts),
      accountId: facts.accountId,
      readOnly: false,
      resources: [],
      parameters: {},
      decisions: [],
      requestId,
      ...(sourceIp === undefined ? {} : { sourceIp }),
      ...(userAgent === undefined ? {} : { userAgent }),
      ...(error === undefined ? {} : { error }),
    });
  }

  #opened({ opened, credentials }: Begun, name: string, origin: Origin): Outcome["answer"] {
    const { accessKeyId, secretAccessKey, sessionToken: inHeader, expiration } = credentials;
    const answer = json(200, {
      ...this.#facts(opened),
      credentials: {
        accessKeyId,
        secretAccessKey,
        sessionToken: inHeader,
        expires: expiration.getTime(),
      },
    } satisfies ConsoleSession);
    return {
      ...answer,
      headers: { ...answer.headers, "Set-Cookie": cookieText(name, opened.cookie, origin) },
    };
  }

  #facts({ principal, expires, token }: Session): ConsoleSession {
    const { accountId, region } = this.#keystore.facts;
    return { principal, accountId, region, token, idleTimeout: this.#idle, expires };
  }
}

interface Begun {
  readonly opened: OpenedSession;
  readonly credentials: TemporaryCredentials;
}

function noLongerValid(): Refusal {
  return new Refusal(401, "The access key is no longer valid. Sign in with another one.");
}

/** What the audit log and the metrics call what is done with a session, by the method. */
const operations: ReadonlyMap<string, string> = new Map([
  ["GET", "ConsoleSession"],
  ["POST", "ConsoleLogin"],
  ["PUT", "ConsoleRenewal"],
  ["DELETE", "ConsoleLogout"],
]);

const CLAIMED = /Credential=(\w{16,128})\//;

function rateOf({
  perSecond,
  burst,
}: {
  readonly perSecond: number;
  readonly burst: number;
}): Rate {
  return new Rate(perSecond, undefined, burst);
}

function authorizationOf({ rawHeaders }: ReceivedRequest): string {
  const at = rawHeaders.findIndex(
    (name, i) => i % 2 === 0 && name.toLowerCase() === "authorization",
  );
  return at === -1 ? "" : (rawHeaders[at + 1] ?? "");
}
