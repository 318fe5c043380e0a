/**
 * Decides which connections to a KMS are safe: its answers contain data keys, so nobody in between may
 * read them.
 *
 * @module
 */

/** Whether `to` is reached over TLS or is on this machine. */
export function isPrivateOrigin(to: {
  /** The protocol of a URL, with its colon: `https:`. */
  readonly protocol: string;
  readonly hostname: string;
}): boolean {
  if (to.protocol === "https:") return true;
  return to.protocol === "http:" && isLoopback(to.hostname);
}

/** Whether a name or an address always refers to this machine, whatever the resolver says. */
export function isLoopback(hostname: string): boolean {
  return /^(?:localhost|127(?:\.[0-9]{1,3}){3}|\[?::1\]?)$/.test(hostname);
}

/**
 * Says why TLS in this process authenticates nobody; `undefined` if it does. Node reads the variable at
 * every connection.
 */
export function unverifiedTls(): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } };
  return process?.env?.["NODE_TLS_REJECT_UNAUTHORIZED"] === "0"
    ? "NODE_TLS_REJECT_UNAUTHORIZED=0 turns the verification of certificates off; unset it"
    : undefined;
}
