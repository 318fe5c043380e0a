/**
 * What the server answers: the envelope of a success, and refusals with the status and text that
 * Vault and OpenBao give them.
 *
 * Source: OpenBao sdk/logical/response_util.go, http/handler.go
 *
 * @module
 */
import { randomUUID } from "node:crypto";

export type Json = Record<string, unknown>;

export function isJson(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An answer as it is sent; without a body, its status is 204. */
export interface Answer {
  readonly status: number;
  readonly body?: Json | undefined;
}

/** The result of a handler. */
export interface Result {
  readonly data?: Json | undefined;
  readonly auth?: Json | undefined;
  readonly warnings?: readonly string[] | undefined;
  /** Default: 200, or 204 if there is no data. */
  readonly status?: number | undefined;
}

/** A request that is refused. */
export class Refusal extends Error {
  readonly status: number;
  readonly errors: readonly string[];

  constructor(status: number, ...errors: readonly string[]) {
    super(errors.join("; "));
    this.status = status;
    this.errors = errors;
  }
}

/** What a caller did wrong. */
export function refused(text: string): Refusal {
  return new Refusal(400, text);
}

/** What went wrong inside, as Go's multierror prints it. */
export function multiError(status: number, ...texts: readonly string[]): Refusal {
  const count = texts.length === 1 ? "1 error" : `${texts.length} errors`;
  return new Refusal(
    status,
    `${count} occurred:\n${texts.map((text) => `\t* ${text}\n`).join("")}\n`,
  );
}

/** The envelope of a success. */
export function envelope({ data, auth, warnings = [], status }: Result): Answer {
  if (data === undefined && auth === undefined && warnings.length === 0) return { status: 204 };
  return {
    status: status ?? 200,
    body: {
      request_id: randomUUID(),
      lease_id: "",
      renewable: false,
      lease_duration: 0,
      data: data ?? null,
      wrap_info: null,
      warnings: warnings.length === 0 ? null : [...warnings],
      auth: auth ?? null,
    },
  };
}
