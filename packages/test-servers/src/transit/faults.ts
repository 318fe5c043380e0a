/**
 * What may go wrong between a client and Transit, to be switched on in a test.
 *
 * @module
 */
import type { Answer, Json } from "./answer.ts";

export type TransitFault =
  /** Answers something else: HTML from a proxy, an error, or far too much. */
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly body: string;
      /** Content type. Default: JSON. */
      readonly type?: string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  /** A standby that cannot forward: it sends callers to the leader, with another status if one is given. */
  | { readonly kind: "standby"; readonly leader: string; readonly status?: number }
  /** Alters a successful answer. */
  | { readonly kind: "alter"; readonly alter: (body: Json) => Json }
  /** Takes the request and never answers, or never finishes the answer. */
  | { readonly kind: "stall"; readonly midBody?: boolean }
  /** Answers after so many milliseconds. */
  | { readonly kind: "slow"; readonly milliseconds: number }
  /** Ends the connection before or during the answer. */
  | { readonly kind: "drop"; readonly midBody?: boolean };

type FaultName =
  | "sealed"
  | "noLeader"
  | "notActive"
  | "rateLimited"
  | "inconsistent"
  | "internal"
  | "html"
  | "oversized"
  | "stall"
  | "drop";

/** The faults to be expected, with the texts of Vault and OpenBao. */
export const transitFaults: Readonly<Record<FaultName, TransitFault>> = {
  sealed: errors(503, "Vault is sealed"),
  /** A standby that does not know a leader. */
  noLeader: errors(503, "no active Vault instance found"),
  notActive: errors(500, "local node not active but active cluster node not found"),
  rateLimited: errors(429, 'request path "transit/": rate limit quota exceeded'),
  /** Eventual consistency of Vault Enterprise. */
  inconsistent: errors(412, "required index state not present"),
  internal: errors(500, "1 error occurred:\n\t* internal error\n\n"),
  html: { kind: "answer", status: 200, body: "<html>blocked by proxy</html>", type: "text/html" },
  oversized: {
    kind: "answer",
    status: 200,
    body: JSON.stringify({ data: { ciphertext: "x".repeat(4 * 1024 * 1024) } }),
  },
  stall: { kind: "stall" },
  drop: { kind: "drop" },
};

function errors(status: number, text: string): TransitFault {
  return { kind: "answer", status, body: JSON.stringify({ errors: [text] }) };
}

/** An answer as {@link TransitFault} alters it. */
export function alterAnswer(answer: Answer, fault: TransitFault | undefined): Answer {
  if (fault?.kind !== "alter" || answer.status >= 300 || answer.body === undefined) return answer;
  return { ...answer, body: fault.alter(answer.body) };
}
