/**
 * What a browser is told to refuse, and what it says of where a request is from.
 *
 * Source: https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html and
 * Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
 *
 * @module
 */
import { hash, timingSafeEqual } from "node:crypto";
import type { Answer } from "../aws-json.ts";
import type { Origin } from "../calls.ts";
import type { SessionRefusal } from "./api.ts";
import type { Asset } from "./assets.ts";

/** Headers by lower-case name. */
export type RequestHeaders = ReadonlyMap<string, string>;

/** What everything under `/console` is sent with. */
const consoleHeaders: Readonly<Record<string, string>> = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
};

/** A refusal with words for people. */
export class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Refuses requests that another site makes a browser send. Browsers say where a request is from, and no script can change that.
 */
export function requireOwnPage(headers: RequestHeaders, origin: Origin): void {
  const site = headers.get("sec-fetch-site") ?? "same-origin";
  const from = headers.get("origin") ?? ownOrigin(headers, origin);
  if (site === "same-origin" && from === ownOrigin(headers, origin)) return;
  throw new Refusal(403, "Only the console's own pages may do this.");
}

/** Refuses requests without the second secret of a session. The comparison takes a time that says nothing of it. */
export function requireToken(headers: RequestHeaders, token: string): void {
  const given = headers.get("x-console-token") ?? "";
  if (timingSafeEqual(hash("sha256", given, "buffer"), hash("sha256", token, "buffer"))) return;
  throw new Refusal(403, "The session was renewed elsewhere. Load the page anew.");
}

function ownOrigin(headers: RequestHeaders, { secure }: Origin): string {
  return `${secure ? "https" : "http"}://${headers.get("host") ?? ""}`;
}

/** Cookies are shared by all ports of a host, so the name has the port. A browser takes `__Host-` only from this host, and by TLS. */
export function cookieName(headers: RequestHeaders, { secure }: Origin): string {
  const [port = ""] = /[0-9]+$/.exec(headers.get("host") ?? "") ?? [];
  return `${secure ? "__Host-" : ""}envelope-console-${port}`;
}

export function cookieOf(headers: RequestHeaders, name: string): string {
  const pairs = (headers.get("cookie") ?? "").split(";").map((pair) => pair.trim());
  const found = pairs.filter((pair) => pair.startsWith(`${name}=`));
  // Of two cookies one is not ours.
  return found.length === 1 ? (found[0] ?? "").slice(name.length + 1) : "";
}

export function cookieText(name: string, value: string, { secure }: Origin): string {
  return `${name}=${value}; Path=/; HttpOnly; SameSite=Strict${secure ? "; Secure" : ""}`;
}

export function cleared(name: string, origin: Origin): Readonly<Record<string, string>> {
  return { ...consoleHeaders, "Set-Cookie": `${cookieText(name, "", origin)}; Max-Age=0` };
}

export function sent(asset: Asset, headers: RequestHeaders): Answer {
  const { contentType, body, gzipped, etag, immutable } = asset;
  const zips = gzipped !== undefined && /\bgzip\b/.test(headers.get("accept-encoding") ?? "");
  const tag = `"${etag}${zips ? "-gzip" : ""}"`;
  const all = {
    ...consoleHeaders,
    ETag: tag,
    Vary: "Accept-Encoding",
    "Cache-Control": immutable ? "public, max-age=31536000, immutable" : "no-cache",
  };
  const known = (headers.get("if-none-match") ?? "").split(",").map((one) => one.trim());
  if (known.includes(tag)) return { status: 304, contentType, body: "", headers: all };
  const found = { status: 200, contentType, body: "" };
  if (!zips) return { ...found, bytes: body, headers: all };
  return { ...found, bytes: gzipped, headers: { ...all, "Content-Encoding": "gzip" } };
}

export function refusal(status: number, message: string): Answer {
  const error = status === 429 ? "ThrottlingException" : "AccessDeniedException";
  return { ...json(status, { message } satisfies SessionRefusal), error };
}

export function json(status: number, value: object | undefined): Answer {
  return {
    status,
    contentType: "application/json",
    body: value === undefined ? "" : JSON.stringify(value),
    headers: { ...consoleHeaders, "Cache-Control": "no-store" },
  };
}
