/**
 * Sessions of a server's console: who has signed in with an access key, and until when. They are in the record of the access
 * key, so every process that has the keystore open knows them, and they end with the key.
 *
 * A session is found by its cookie, of which the record has a hash. A second secret, the token, has to come in a header, which
 * another site cannot send. Both are replaced whenever the session is renewed.
 *
 * @module
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { AccessKeyRecord, ConsoleSessionRecord } from "../store/iam-records.ts";
import type { Directory } from "./directory.ts";

export interface ConsoleSession {
  /** ARN of the user, or of the account's root. */
  readonly principal: string;
  /** The access key that the person has signed in with. */
  readonly accessKeyId: string;
  /** Milliseconds since 1970: when the session ends in any case. */
  readonly expires: number;
  /** The secret that has to come in a header. */
  readonly token: string;
}

/** A session with its cookie, which is only known when it begins or is renewed. */
export interface OpenedSession extends ConsoleSession {
  readonly cookie: string;
}

/** Milliseconds. */
export interface SessionTimes {
  /** How long a session lasts without being renewed. */
  readonly idle: number;
  /** How long it lasts at most. */
  readonly longest: number;
}

/** Sessions of one access key at once. The one that was not renewed for longest ends for a new one. */
const MAX_SESSIONS = 10;
const COOKIE = /^(AKIA[A-Z2-7]{16})\.([\w-]{43})$/;

/** The sessions, where a record and its session belong to a cookie. */
interface Found {
  readonly record: AccessKeyRecord;
  readonly session: ConsoleSessionRecord;
}

export class ConsoleSessions {
  readonly #directory: Directory;
  readonly #times: SessionTimes;

  /** Not for applications: servers take `keystore.iam.consoleSessions`. */
  constructor(directory: Directory, times: SessionTimes) {
    this.#directory = directory;
    this.#times = times;
  }

  /** Begins a session of whoever has shown an access key. `undefined`: the key is not active any longer. */
  begin(accessKeyId: string): Promise<OpenedSession | undefined> {
    const { store } = this.#directory;
    return store.write(() => {
      const record = this.#directory.activeAccessKey(accessKeyId);
      return record && this.#open(record, store.now() + this.#times.longest);
    });
  }

  /** The session of a cookie. */
  find(cookie: string): Promise<ConsoleSession | undefined> {
    return this.#directory.store.read(() => {
      const found = this.#find(cookie);
      return found && toSession(found);
    });
  }

  /** The session with other secrets; the former ones are worthless. */
  renew(cookie: string): Promise<OpenedSession | undefined> {
    return this.#directory.store.write(() => {
      const found = this.#find(cookie);
      return found && this.#open(found.record, found.session.expires, found.session);
    });
  }

  end(cookie: string): Promise<void> {
    return this.#directory.store.write(() => {
      const found = this.#find(cookie);
      if (found !== undefined) this.#put(found.record, this.#others(found.record, found.session));
    });
  }

  #find(cookie: string): Found | undefined {
    const [, accessKeyId, secret] = COOKIE.exec(cookie) ?? [];
    if (accessKeyId === undefined || secret === undefined) return undefined;
    const record = this.#directory.activeAccessKey(accessKeyId);
    if (record === undefined) return undefined;
    const wanted = hashOf(secret);
    const session = this.#others(record).find(({ hash }) =>
      timingSafeEqual(Buffer.from(hash, "base64url"), wanted),
    );
    return session && { record, session };
  }

  /** The sessions of an access key that have not ended, without one of them. */
  #others({ sessions = [] }: AccessKeyRecord, session?: ConsoleSessionRecord): Kept {
    const now = this.#directory.store.now();
    return sessions.filter(
      (one) => one.hash !== session?.hash && now < one.idleUntil && now < one.expires,
    );
  }

  #open(record: AccessKeyRecord, expires: number, former?: ConsoleSessionRecord): OpenedSession {
    const [secret, token] = [newSecret(), newSecret()];
    const hash = hashOf(secret).toString("base64url");
    const idleUntil = this.#directory.store.now() + this.#times.idle;
    const session = { hash, token, idleUntil, expires };
    this.#put(record, [...this.#others(record, former), session].slice(-MAX_SESSIONS));
    return { ...toSession({ record, session }), cookie: `${record.accessKeyId}.${secret}` };
  }

  #put(record: AccessKeyRecord, sessions: Kept): void {
    this.#directory.store.accessKeys.put({ ...record, sessions });
  }
}

type Kept = readonly ConsoleSessionRecord[];

function toSession({ record, session: { expires, token } }: Found): ConsoleSession {
  return { principal: record.owner, accessKeyId: record.accessKeyId, expires, token };
}

function newSecret(): string {
  return randomBytes(32).toString("base64url");
}

function hashOf(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}
