/**
 * Who is signed in. The secret access key signs one request and is forgotten; the temporary credentials that it is answered with
 * are in memory alone. What outlives a reload is a cookie that no script can read.
 *
 * @module
 */
import type { ConsoleSession, SessionRefusal } from "@env/kms-server";
import { signal } from "@preact/signals";
import { CallError, UnreachableError } from "../aws/errors.ts";
import { sign, type Credentials } from "../aws/sign.ts";
import { reached, unreached } from "./reach.ts";

/** `unknown`: the server has not been asked yet. `over`: there was a session, and what it showed is still there. */
export type SessionState = "unknown" | "none" | "active" | "over";

export const sessionState = signal<SessionState>("unknown");
export const session = signal<ConsoleSession | undefined>(undefined);

const PATH = "/console/session";
/** How long before credentials expire new ones are asked for. */
const SOON = 60_000;

/** After a reload: continues the session of the cookie. */
export async function resumeSession(): Promise<void> {
  try {
    use(await ask("GET", {}));
    await renew();
  } catch (error) {
    if (error instanceof UnreachableError) throw error;
    sessionState.value = "none";
  }
}

/** @throws {@link CallError} with what to tell the person. */
export async function signIn(key: Credentials): Promise<void> {
  const url = new URL(PATH, location.href);
  const request = { url, method: "POST", headers: {}, body: "", service: "sts" };
  const before = session.peek()?.principal;
  const begun = await ask("POST", await sign({ ...request, region: "us-east-1" }, key));
  use(begun);
  // What is on the page was for somebody else.
  if (before !== undefined && before !== begun.principal) location.reload();
}

export async function signOut(): Promise<void> {
  const { token } = session.peek() ?? { token: "" };
  await ask("DELETE", { "x-console-token": token }).catch(() => undefined);
  session.value = undefined;
  sessionState.value = "none";
}

/** The credentials for a call. @throws {@link CallError} `NoSession` */
export async function credentials(): Promise<Credentials> {
  const known = session.peek()?.credentials;
  if (known !== undefined && known.expires - Date.now() > SOON) return known;
  await renew();
  const renewed = session.peek()?.credentials;
  if (renewed === undefined) throw noSession();
  return renewed;
}

export function region(): string {
  return session.peek()?.region ?? "local";
}

export function sessionEnded(): void {
  if (sessionState.peek() === "active") sessionState.value = "over";
}

let renewing: Promise<void> | undefined;

/** New credentials and another cookie. Calls that are made at once share one renewal. */
function renew(): Promise<void> {
  renewing ??= renewNow().finally(() => {
    renewing = undefined;
  });
  return renewing;
}

async function renewNow(): Promise<void> {
  try {
    await renewWith(session.peek()?.token).catch(async (error: unknown) => {
      // Another tab has renewed the session: both share the cookie, and the token is asked for.
      if (!(error instanceof CallError && error.status === 403)) throw error;
      await renewWith((await ask("GET", {})).token);
    });
  } catch (error) {
    if (error instanceof CallError) sessionEnded();
    throw error;
  }
}

async function renewWith(token = ""): Promise<void> {
  use(await ask("PUT", { "x-console-token": token }));
}

function use(begun: ConsoleSession): void {
  session.value = begun;
  sessionState.value = "active";
}

async function ask(method: string, headers: Record<string, string>): Promise<ConsoleSession> {
  const response = await answerTo(method, headers);
  if (response.status === 204) throw noSession();
  const answer: unknown = await response.json();
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- The server's types say so.
  if (response.ok) return answer as ConsoleSession;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  throw new CallError("NoSession", (answer as SessionRefusal).message, response.status);
}

async function answerTo(method: string, headers: Record<string, string>): Promise<Response> {
  try {
    const response = await fetch(PATH, { method, headers, cache: "no-store" });
    reached();
    return response;
  } catch {
    unreached();
    throw new UnreachableError();
  }
}

function noSession(): CallError {
  return new CallError("NoSession", "Sign in first.", 401);
}

let usedAt = 0;

/** Keeps the session alive while somebody uses the page: half of the idle time is left when it is renewed. */
export function keepAlive(): void {
  for (const event of ["keydown", "pointerdown"] as const) {
    addEventListener(event, () => (usedAt = Date.now()), { passive: true });
  }
  let renewedAt = Date.now();
  setInterval(() => {
    const idle = session.peek()?.idleTimeout;
    if (sessionState.peek() !== "active" || idle === undefined) return;
    if (Date.now() > (session.peek()?.expires ?? Infinity)) return sessionEnded();
    if (usedAt < renewedAt || Date.now() - renewedAt < idle / 2) return;
    renewedAt = Date.now();
    renew().catch(() => undefined);
  }, 5000);
}
