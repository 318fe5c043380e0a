/**
 * Which ways to a KMS are safe: data keys travel in its answers, so nobody on the way may read them.
 *
 * @module
 */

/** Whether `to` is called over TLS, or is on this machine. */
export function isPrivateOrigin(to: {
  /** `https:`, as of a URL. */
  readonly protocol: string;
  readonly hostname: string;
}): boolean {
  if (to.protocol === "https:") return true;
  return to.protocol === "http:" && isLoopback(to.hostname);
}

/** Whether a name or an address is this machine's own, whatever the resolver says. */
export function isLoopback(hostname: string): boolean {
  return /^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[?::1\]?)$/.test(hostname);
}

/** Why TLS in this process proves nothing; `undefined` where it does. Node reads it at every connection. */
export function unverifiedTls(): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return process?.env?.["NODE_TLS_REJECT_UNAUTHORIZED"] === "0"
    ? "NODE_TLS_REJECT_UNAUTHORIZED=0 turns the verification of certificates off; unset it"
    : undefined;
}
