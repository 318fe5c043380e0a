/**
 * Sessions of the console: who has signed in, and until when. They are in memory alone, so they end with the server.
 *
 * A session is found by the hash of its cookie; a second secret, the token, has to come in a header, which another site
 * cannot send. Both are replaced whenever the session is renewed.
 *
 * @module
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

/** Who has signed in. */
export interface Person {
  /** ARN. */
  readonly principal: string;
  /** The access key that the person has signed in with. */
  readonly accessKeyId: string;
}

export interface Session extends Person {
  /** Milliseconds since 1970: when the session ends in any case. */
  readonly expires: number;
}

/** A session with its secrets, which are only known when it begins or is renewed. */
export interface Opened {
  readonly session: Session;
  readonly cookie: string;
  readonly token: string;
}

/** Milliseconds. */
export interface SessionTimes {
  /** How long a session lasts without being renewed. */
  readonly idle: number;
  /** How long it lasts at most. */
  readonly longest: number;
}

/** Sessions at once, of all persons and of one access key. The one that was not renewed for longest ends for a new one. */
const MAX_SESSIONS = 1000;
const MAX_SESSIONS_OF_KEY = 10;

interface Kept {
  readonly session: Session;
  readonly token: string;
  readonly idleUntil: number;
}

export class Sessions {
  readonly #times: SessionTimes;
  readonly #now: () => number;
  /** Sessions are found by the hash of the cookie. The one that was renewed last is the last. */
  readonly #kept = new Map<string, Kept>();

  constructor(times: SessionTimes, now: () => number = Date.now) {
    this.#times = times;
    this.#now = now;
  }

  begin(person: Person): Opened {
    const own = [...this.#kept].filter(
      ([, { session }]) => session.accessKeyId === person.accessKeyId,
    );
    const [oldest] = own.length >= MAX_SESSIONS_OF_KEY ? own.flat() : this.#oldestOfAll();
    if (typeof oldest === "string") this.#kept.delete(oldest);
    return this.#open({ ...person, expires: this.#now() + this.#times.longest });
  }

  /** The session of a cookie, with its token. */
  find(cookie: string): Omit<Opened, "cookie"> | undefined {
    const kept = this.#kept.get(hashOf(cookie));
    const now = this.#now();
    if (kept === undefined || now >= kept.idleUntil || now >= kept.session.expires)
      return undefined;
    return kept;
  }

  /** The session with other secrets; the former ones are worthless. */
  renew(cookie: string): Opened | undefined {
    const found = this.find(cookie);
    this.end(cookie);
    return found && this.#open(found.session);
  }

  end(cookie: string): void {
    this.#kept.delete(hashOf(cookie));
  }

  #open(session: Session): Opened {
    const cookie = randomBytes(32).toString("base64url");
    const token = randomBytes(32).toString("base64url");
    const idleUntil = this.#now() + this.#times.idle;
    this.#kept.set(hashOf(cookie), { session, token, idleUntil });
    return { session, cookie, token };
  }

  #oldestOfAll(): readonly (string | undefined)[] {
    return this.#kept.size >= MAX_SESSIONS ? [this.#kept.keys().next().value] : [];
  }
}

/** Whether two secrets are the same, in a time that says nothing of them. */
export function isSame(a: string, b: string): boolean {
  return timingSafeEqual(
    createHash("sha256").update(a).digest(),
    createHash("sha256").update(b).digest(),
  );
}

function hashOf(cookie: string): string {
  return createHash("sha256").update(cookie).digest("hex");
}
