/**
 * `local-file:./dev.kms?key=alias/app`, or `keystore:./dev.kms?key=alias/app`: a keystore and a key in it, in one line of
 * configuration.
 *
 * A URI names things and never contains a secret. Where the root key is found follows from the keystore, by convention or
 * from options. No error repeats the URI, since somebody may have put a secret into it anyway.
 *
 * @module
 */
import { resolve } from "node:path";
import { Cmk, EnvelopeError, type OpenCmkOptions } from "@env/core";
import { decodePart, readUri, uriFault } from "@env/core/driver";
import {
  inspectKeystore,
  isPostgresUrl,
  openKeystore,
  parsePrincipal,
  principalArn,
  type AuditRecord,
  type AuditRetention,
  type OpenKeystoreOptions,
  type RootKeyKind,
  type RootKeySource,
} from "@env/kms";
import { cmkOptions, localFileDriver } from "./driver.ts";

/** How the keystore is opened. These options override the URI. */
type KeystoreOptions = Omit<OpenKeystoreOptions, "root">;

export interface OpenLocalFileOptions extends OpenCmkOptions, KeystoreOptions {
  /**
   * Where to get the root key. Default, by what the keystore was made with: the file `<path>.key`, the
   * variable `ENVELOPE_ROOT_KEY`, or a passphrase in `ENVELOPE_PASSPHRASE`. A CMK must be given.
   */
  readonly root?: RootKeySource;
  /** Key ids or ARNs of further keys that may unwrap. Default: none. */
  readonly alsoUnwrap?: readonly string[];
}

/** What a URI names. */
export interface LocalFileUri {
  /** The percent-decoded path, relative or absolute, or URL of PostgreSQL. */
  readonly path: string;
  /** Key id, key ARN, alias or alias ARN. */
  readonly key: string;
  /** The principal that makes the calls: an ARN, `user/alice`, `role/app` or `root`. Default: `root`. */
  readonly principal?: string;
  /** `true` opens a keystore that cannot be changed; `audit` is then needed. */
  readonly readOnly?: boolean;
  /** Where the records of a read-only keystore go: to `stderr`, one JSON text per line, or nowhere. */
  readonly audit?: "none" | "stderr";
  /** How many records the audit log keeps. */
  readonly auditMaxRecords?: number;
  /** The age in days up to which the audit log keeps records. */
  readonly auditMaxAgeDays?: number;
  /** Folder for the records that the audit log no longer keeps, as written: relative or absolute. */
  readonly auditArchive?: string;
  /** `true` trusts a SQLite whose version can lose changes. */
  readonly patchedSqlite?: boolean;
}

const syntax = {
  scheme: "local-file",
  path: true,
  parameters: {
    key: "any",
    principal: "text",
    readOnly: "flag",
    audit: "text",
    auditMaxRecords: "text",
    auditMaxAgeDays: "text",
    auditArchive: "text",
    patchedSqlite: "flag",
  },
} as const;
const fault = uriFault(syntax.scheme);
/** The same under a name that also suits a database. */
const OTHER_SCHEME = "keystore:";

/** Whether a URI names a key of a keystore. */
export function isKeystoreUri(uri: string): boolean {
  return uri.startsWith(OTHER_SCHEME) || uri.startsWith(`${syntax.scheme}:`);
}

/**
 * Opens the keystore that a URI names and makes a {@link Cmk} from the key. Closing the CMK closes the keystore.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG` for a malformed URI, `ERR_ENVELOPE_KEYSTORE_…` for a
 * keystore that does not open. Whether the key exists is known after the first call.
 *
 * @example
 * ```ts
 * await using cmk = await openLocalFile("local-file:./dev.kms?key=alias/app");
 * ```
 */
export async function openLocalFile(uri: string, options: OpenLocalFileOptions = {}): Promise<Cmk> {
  const { baseDirectory = process.cwd(), timeout: _, ...own } = options; // Nothing here waits for a network.
  const { root: givenRoot, alsoUnwrap, ...given } = own;
  const parsed = parseLocalFileUri(uri);
  const path = keystorePath(parsed.path, baseDirectory);
  const opened = { ...keystoreOptions(parsed, baseDirectory), ...given };
  const root = givenRoot ?? rootByConvention((await inspectKeystore(path, opened)).rootKind, path);
  const keystore = await openKeystore(path, { ...opened, root });
  try {
    const driver = localFileDriver({ client: keystore.as(parsed.principal), key: parsed.key });
    return new Cmk(
      { ...driver, close: async () => keystore.close() },
      cmkOptions(alsoUnwrap === undefined ? {} : { alsoUnwrap }),
    );
  } catch (error) {
    keystore.close();
    throw error;
  }
}

/**
 * Where a keystore is: an absolute path, or the URL of PostgreSQL as it is.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG` for a URL with a password: it would be shown and kept.
 */
export function keystorePath(path: string, baseDirectory: string): string {
  if (!isPostgresUrl(path)) return resolve(baseDirectory, path);
  if (!/^\w+:\/\/[^/?#@]*:[^/?#]*@|[?&]password=/.test(path)) return path;
  throw fault("it has a password; set PGPASSWORD, or use a password file");
}

/**
 * What a URI says of how its keystore is opened: the options of `openKeystore`, without the root key.
 *
 * @param baseDirectory - Where relative paths in the URI start.
 */
export function keystoreOptions(parsed: LocalFileUri, baseDirectory: string): KeystoreOptions {
  const { readOnly, audit, auditMaxRecords, auditMaxAgeDays, auditArchive, patchedSqlite } = parsed;
  const retention: AuditRetention = {
    ...(auditMaxRecords === undefined ? {} : { maxRecords: auditMaxRecords }),
    ...(auditMaxAgeDays === undefined ? {} : { maxAgeDays: auditMaxAgeDays }),
    ...(auditArchive === undefined ? {} : { archive: resolve(baseDirectory, auditArchive) }),
  };
  return {
    ...(readOnly === undefined ? {} : { readOnly }),
    ...(patchedSqlite === undefined ? {} : { patchedSqlite }),
    ...(audit === undefined ? {} : { audit: { sink: audit === "none" ? audit : writeToStderr } }),
    ...(Object.keys(retention).length === 0 ? {} : { audit: { retention } }),
  };
}

/** One record per line, for what collects the output of a container. */
function writeToStderr(record: AuditRecord): Promise<void> {
  return new Promise((fulfil, reject) => {
    process.stderr.write(`${JSON.stringify(record)}\n`, (error) => {
      if (error) reject(error);
      else fulfil();
    });
  });
}

/**
 * Reads `local-file:<path>?key=<key>`, or the same with `keystore:`, with further parameters separated by `&`. Parameters of a URL of PostgreSQL in place of
 * the path begin with `%3F` and are separated by `%26`.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG`
 */
export function parseLocalFileUri(uri: string): LocalFileUri {
  const isOther = typeof uri === "string" && uri.startsWith(OTHER_SCHEME);
  const named = isOther ? `${syntax.scheme}:${uri.slice(OTHER_SCHEME.length)}` : uri;
  const { where, parameters } = readUri(named, syntax);
  // file:///x is a habit, and means the same here. Text between the slashes would be a host.
  const path = decodePart(where.startsWith("///") ? where.slice(2) : where, "path", fault);
  if (where.startsWith("//") && !where.startsWith("///")) {
    throw fault("it has a host or credentials; write local-file:./path or local-file:/path");
  }
  if (path === "") throw fault("the path is missing");
  if (path.includes("\0")) throw fault("the path contains a NUL character");
  const { key = "", principal, readOnly, auditArchive, patchedSqlite } = parameters;
  if (principal !== undefined) requirePrincipal(principal);
  const audit = auditIn(parameters.audit);
  const auditMaxRecords = wholeNumber(
    "auditMaxRecords",
    parameters.auditMaxRecords,
    999_999_999_999,
  );
  const auditMaxAgeDays = wholeNumber("auditMaxAgeDays", parameters.auditMaxAgeDays, 36_500);
  const found = {
    ...(principal !== undefined && { principal }),
    ...(readOnly !== undefined && { readOnly }),
    ...(audit !== undefined && { audit }),
    ...(auditMaxRecords !== undefined && { auditMaxRecords }),
    ...(auditMaxAgeDays !== undefined && { auditMaxAgeDays }),
    ...(auditArchive !== undefined && { auditArchive }),
    ...(patchedSqlite !== undefined && { patchedSqlite }),
  };
  if (key === "") throw fault("the key is missing; append ?key=alias/name or ?key=<key id>");
  requireFitting(found);
  return { path, key, ...found };
}

/** Requires that the parameters make sense together. */
function requireFitting(found: Omit<LocalFileUri, "path" | "key">): void {
  const { readOnly = false, audit, auditMaxRecords, auditMaxAgeDays, auditArchive } = found;
  if (readOnly && audit === undefined) {
    throw fault(
      "readOnly=true needs audit=none or audit=stderr, since nothing can be recorded in the file",
    );
  }
  if (!readOnly && audit !== undefined) throw fault("audit is only for readOnly=true");
  const limits = [auditMaxRecords, auditMaxAgeDays].filter((limit) => limit !== undefined);
  if (readOnly && (limits.length > 0 || auditArchive !== undefined)) {
    throw fault(
      "a keystore with readOnly=true keeps no records; leave out the limits of its audit log",
    );
  }
  if (auditArchive !== undefined && limits.length === 0) {
    throw fault("auditArchive needs auditMaxRecords or auditMaxAgeDays");
  }
}

function auditIn(text: string | undefined): LocalFileUri["audit"] | undefined {
  if (text === undefined || text === "none" || text === "stderr") return text;
  throw fault("audit must be none or stderr");
}

function requirePrincipal(text: string): void {
  const arn = principalArn(text, { accountId: "000000000000" });
  if (parsePrincipal(arn) === undefined) {
    throw fault("principal must be an ARN, user/name, role/name or root");
  }
}

function wholeNumber(name: string, text: string | undefined, max: number): number | undefined {
  if (text === undefined) return undefined;
  const number = /^[0-9]{1,12}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= max) return number;
  throw fault(`${name} must be a whole number from 1 to ${max}`);
}

function rootByConvention(kind: RootKeyKind, path: string): RootKeySource {
  if (kind === "key-file" && isPostgresUrl(path)) {
    throw fault("no key file is beside a database; pass its path as options.root");
  }
  if (kind === "key-file") return { keyFile: `${path}.key` };
  if (kind === "environment") return { environment: "ENVELOPE_ROOT_KEY" };
  if (kind === "passphrase") return { passphrase: passphraseInEnvironment() };
  throw fault("this keystore's root key is wrapped by a CMK; pass it as options.root");
}

function passphraseInEnvironment(): string {
  const passphrase = process.env["ENVELOPE_PASSPHRASE"];
  if (passphrase !== undefined && passphrase !== "") return passphrase;
  throw new EnvelopeError(
    "ERR_ENVELOPE_KEYSTORE_ROOT_KEY",
    "the keystore asks for a passphrase; set ENVELOPE_PASSPHRASE, or pass options.root",
  );
}
