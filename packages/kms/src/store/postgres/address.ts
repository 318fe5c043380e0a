/**
 * Where a keystore is in PostgreSQL: `postgres://user@host:5432,other:5432/database?schema=…`, with the parameters of `pg`.
 *
 * @module
 */

/** A keystore in PostgreSQL. */
export interface PostgresAddress {
  /** How errors name it: without a password and parameters. */
  readonly shownAs: string;
  /** A URL for each host, in the order in which they are tried. */
  readonly hosts: readonly string[];
  /** The schema of the tables, quoted. */
  readonly schema: string;
}

const URL_FORM = /^(postgres(?:ql)?):\/\/(?:([^@/?#]*)@)?([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/;
const SCHEMA = /^[a-z_][a-z0-9_]{0,62}$/;

/** Whether a keystore named like this is in PostgreSQL, and not a file. */
export function isPostgresUrl(path: string): boolean {
  return /^postgres(?:ql)?:\/\//.test(path);
}

/** A URL as it may be shown and kept: without a password. */
export function withoutPassword(url: string): string {
  const [, scheme = "", credentials, hosts = "", path = "", query = ""] = URL_FORM.exec(url) ?? [];
  const user = credentials === undefined ? "" : `${credentials.split(":", 1)[0]}@`;
  const kept = query.split("&").filter((one) => one !== "" && !one.startsWith("password="));
  return `${scheme}://${user}${hosts}${path}${kept.length === 0 ? "" : `?${kept.join("&")}`}`;
}

/** @throws TypeError */
export function parsePostgresUrl(url: string): PostgresAddress {
  const [, scheme, credentials, hosts, path = "", query = ""] = URL_FORM.exec(url) ?? [];
  if (scheme === undefined || hosts === undefined) {
    throw new TypeError("the URL of a keystore is postgres://user@host:port/database");
  }
  const parameters = new URLSearchParams(query);
  const schema = parameters.get("schema") ?? "envelope";
  if (!SCHEMA.test(schema)) {
    throw new TypeError("schema must be 1 to 63 lower-case letters, digits and underscores");
  }
  const target = parameters.get("target_session_attrs") ?? "read-write";
  if (target !== "read-write") {
    throw new TypeError("target_session_attrs must be read-write: every call is recorded");
  }
  parameters.delete("schema");
  parameters.delete("target_session_attrs");
  const rest = parameters.size === 0 ? path : `${path}?${parameters.toString()}`;
  const user = credentials === undefined ? "" : `${credentials}@`;
  return {
    shownAs: `${scheme}://${hosts}${path}`,
    hosts: hosts.split(",").map((host) => `${scheme}://${user}${host}${rest}`),
    schema,
  };
}
