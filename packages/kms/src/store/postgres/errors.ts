/**
 * What PostgreSQL and the network report, as errors of a keystore.
 *
 * Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
 *
 * @module
 */
import { isEnvelopeError, type EnvelopeError, type EnvelopeErrorCode } from "@env/core";
import { keystoreError, named } from "../file-errors.ts";

/** The connection was lost: what was under way may have happened or not. */
export class ConnectionLost extends Error {
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** What was thrown for a statement. Errors other than PostgreSQL's are the connection's, unless this program is wrong. */
export function statementError(error: unknown): unknown {
  if (isEnvelopeError(error) || error instanceof TypeError || error instanceof RangeError) {
    return error;
  }
  const { severity, code } = facts(error);
  const isOver = severity === undefined || severity === "FATAL" || code.startsWith("57P");
  return isOver ? new ConnectionLost(error) : error;
}

/** Whether the statement had no effect because others were first: `22012` is how the statement of commit.ts says so. */
export function isConflict(error: unknown): boolean {
  return ["40001", "40P01", "22012"].includes(facts(error).code);
}

/** Whether the server has become a standby, or read-only: another host may take changes. */
export function takesNoChanges(error: unknown): boolean {
  return facts(error).code === READ_ONLY;
}

const READ_ONLY = "25006";

/** The error for callers; anything that is not about the database as it is. */
export function keystoreProblem(error: unknown, shownAs: string): unknown {
  if (error instanceof ConnectionLost) {
    return keystoreError(
      "ERR_ENVELOPE_KEYSTORE_BUSY",
      shownAs,
      `PostgreSQL does not answer (${error.message}); nothing was changed. Try again, or look at the server`,
      error.cause,
    );
  }
  const { severity, code } = facts(error);
  if (severity === undefined) return named(error, shownAs);
  const [as, problem] = problems.find(([start]) => code.startsWith(start))?.[1] ?? [
    "ERR_ENVELOPE_KEYSTORE_IO",
    `PostgreSQL reports ${code}; look at the cause and at its log`,
  ];
  return keystoreError(as, shownAs, problem, error);
}

/** No host takes changes. */
export function unreachable(shownAs: string, failures: readonly unknown[]): EnvelopeError {
  const refusal = failures.find((error) => /^(?:28|3D|42)/.test(facts(error).code));
  if (refusal !== undefined) {
    const { code } = facts(refusal);
    const problem =
      code === "3D000"
        ? "there is no such database; check the URL"
        : "PostgreSQL refuses the user or password; check the URL and pg_hba.conf";
    return keystoreError("ERR_ENVELOPE_KEYSTORE_IO", shownAs, problem, refusal);
  }
  const untrusted = failures.find(isAboutTls);
  if (untrusted !== undefined) {
    const problem = `the connection cannot be encrypted as sslmode demands (${reasonOf(untrusted)}); check sslrootcert, the host's name and the server's certificate`;
    return keystoreError("ERR_ENVELOPE_KEYSTORE_IO", shownAs, problem, untrusted);
  }
  const reasons = failures.map((error) => (error instanceof Error ? reasonOf(error) : "unknown"));
  return keystoreError(
    "ERR_ENVELOPE_KEYSTORE_BUSY",
    shownAs,
    `PostgreSQL cannot be reached (${[...new Set(reasons)].join("; ")}). Check the URL, or look at the server`,
    failures[0],
  );
}

/** A transaction may have happened or not. */
export function unknownOutcome(shownAs: string, cause?: unknown): EnvelopeError {
  return keystoreError(
    "ERR_ENVELOPE_KEYSTORE_UNKNOWN_OUTCOME",
    shownAs,
    "the connection to PostgreSQL was cut while it committed, and it could not be asked in time; the change was made, or not. Look at the key or the audit log before you try again",
    cause,
  );
}

/** Node names problems with a certificate by OpenSSL's codes; `pg` has no code for a server without TLS. */
function isAboutTls(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  return /CERT|UNABLE_TO_/.test(facts(error).code) || /does not support SSL/.test(error.message);
}

/** A connection to several addresses of a name fails with a list. */
function reasonOf(error: Error): string {
  if (error.message !== "") return error.message;
  return "code" in error ? String(error.code) : error.name;
}

function facts(error: unknown): { readonly severity: string | undefined; readonly code: string } {
  if (!(error instanceof Error)) return { severity: undefined, code: "" };
  return {
    severity: "severity" in error ? String(error.severity) : undefined,
    code: "code" in error ? String(error.code) : "",
  };
}

type Problem = readonly [EnvelopeErrorCode, string];

/** Each with the beginning of its SQLSTATE. */
const problems: readonly (readonly [string, Problem])[] = [
  [
    READ_ONLY,
    [
      "ERR_ENVELOPE_KEYSTORE_IO",
      "the database is read-only; nothing was changed. Look for the primary server",
    ],
  ],
  [
    "40",
    [
      "ERR_ENVELOPE_KEYSTORE_BUSY",
      "other nodes' changes came first too often; nothing was changed. Try again",
    ],
  ],
  [
    "42501",
    [
      "ERR_ENVELOPE_KEYSTORE_IO",
      "the role may not do this; nothing was changed. The README lists the rights that it needs",
    ],
  ],
  [
    "42P01",
    [
      "ERR_ENVELOPE_KEYSTORE_FORMAT",
      "the schema holds no keystore; create one there, or check the URL",
    ],
  ],
  [
    "53",
    [
      "ERR_ENVELOPE_KEYSTORE_IO",
      "PostgreSQL lacks disk space, memory or connections; nothing was changed. Look at its log",
    ],
  ],
  [
    "57014",
    ["ERR_ENVELOPE_KEYSTORE_BUSY", "PostgreSQL took too long; nothing was changed. Try again"],
  ],
  ["55P03", ["ERR_ENVELOPE_KEYSTORE_BUSY", "another node holds a lock; try again"]],
];
