/**
 * `local-file:./dev.kms?key=alias/app`: a keystore file and a key in it, in one line of configuration.
 *
 * A URI names things and never contains a secret. Where the root key is found follows from the keystore, by convention or
 * from options. No error repeats the URI, since somebody may have put a secret into it anyway.
 *
 * @module
 */
import { resolve } from "node:path";
import { Cmk, EnvelopeError, type OpenCmkOptions } from "@env/core";
import {
  inspectKeystore,
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
  /** The percent-decoded path, relative or absolute. */
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

const SCHEME = "local-file:";

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
  const { root: givenRoot, alsoUnwrap, baseDirectory = process.cwd(), ...given } = options;
  const parsed = parseLocalFileUri(uri);
  const path = resolve(baseDirectory, parsed.path);
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
 * Reads `local-file:<path>?key=<key>`, with further parameters separated by `&`.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG`
 */
export function parseLocalFileUri(uri: string): LocalFileUri {
  if (typeof uri !== "string" || !uri.startsWith(SCHEME)) {
    throw config(`it must start with ${SCHEME}`);
  }
  const [written = "", query, ...more] = uri.slice(SCHEME.length).split("?");
  if (more.length > 0) throw config("it has more than one question mark; write %3F in a path");
  if (uri.includes("#")) throw config("it has a fragment; write %23 in a path");
  // file:///x is a habit, and means the same here. Text between the slashes would be a host.
  const path = decode(written.startsWith("///") ? written.slice(2) : written, "path");
  if (written.startsWith("//") && !written.startsWith("///")) {
    throw config("it has a host or credentials; write local-file:./path or local-file:/path");
  }
  if (path === "") throw config("the path is missing");
  if (path.includes("\0")) throw config("the path contains a NUL character");

  const found: { -readonly [K in Parameter]?: LocalFileUri[K] } = {};
  for (const parameter of query === undefined || query === "" ? [] : query.split("&")) {
    const [name = "", text = ""] = parameter.split(/=(.*)/s);
    // Neither names nor values are repeated in errors: either could be a passphrase.
    if (!isParameter(name)) {
      throw config(`it has an unknown parameter; known are ${Object.keys(parameters).join(", ")}`);
    }
    if (Object.hasOwn(found, name)) throw config(`${name} is given twice`);
    const value = decode(text, name);
    if (value === "" && name !== "key") throw config(`${name} is empty`);
    Object.assign(found, { [name]: parameters[name](value) });
  }
  const { key, ...rest } = found;
  if (key === undefined || key === "") {
    throw config("the key is missing; append ?key=alias/name or ?key=<key id>");
  }
  requireFitting(rest);
  return { path, key, ...rest };
}

/** That the parameters make sense together. */
function requireFitting(found: Omit<LocalFileUri, "path" | "key">): void {
  const { readOnly = false, audit, auditMaxRecords, auditMaxAgeDays, auditArchive } = found;
  if (readOnly && audit === undefined) {
    throw config(
      "readOnly=true needs audit=none or audit=stderr, since nothing can be recorded in the file",
    );
  }
  if (!readOnly && audit !== undefined) throw config("audit is only for readOnly=true");
  const limits = [auditMaxRecords, auditMaxAgeDays].filter((limit) => limit !== undefined);
  if (readOnly && (limits.length > 0 || auditArchive !== undefined)) {
    throw config(
      "a keystore with readOnly=true keeps no records; leave out the limits of its audit log",
    );
  }
  if (auditArchive !== undefined && limits.length === 0) {
    throw config("auditArchive needs auditMaxRecords or auditMaxAgeDays");
  }
}

type Parameter = Exclude<keyof LocalFileUri, "path">;

/** The query's parameters, and how the decoded text of each is read. */
const parameters: {
  readonly [K in Parameter]-?: (text: string) => NonNullable<LocalFileUri[K]>;
} = {
  key: (text) => text,
  principal(text) {
    const arn = principalArn(text, { accountId: "000000000000" });
    if (parsePrincipal(arn) !== undefined) return text;
    throw config("principal must be an ARN, user/name, role/name or root");
  },
  readOnly: (text) => boolean("readOnly", text),
  audit(text) {
    if (text === "none" || text === "stderr") return text;
    throw config("audit must be none or stderr");
  },
  auditMaxRecords: (text) => integer("auditMaxRecords", text, 999_999_999_999),
  auditMaxAgeDays: (text) => integer("auditMaxAgeDays", text, 36_500),
  auditArchive: (text) => text,
  patchedSqlite: (text) => boolean("patchedSqlite", text),
};

function boolean(name: string, text: string): boolean {
  if (text !== "true" && text !== "false") throw config(`${name} must be true or false`);
  return text === "true";
}

function integer(name: string, text: string, max: number): number {
  const number = /^[0-9]{1,12}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= max) return number;
  throw config(`${name} must be a whole number from 1 to ${max}`);
}

function isParameter(name: string): name is Parameter {
  return Object.hasOwn(parameters, name);
}

function rootByConvention(kind: RootKeyKind, path: string): RootKeySource {
  if (kind === "key-file") return { keyFile: `${path}.key` };
  if (kind === "environment") return { environment: "ENVELOPE_ROOT_KEY" };
  if (kind === "passphrase") return { passphrase: passphraseInEnvironment() };
  throw config("this keystore's root key is wrapped by a CMK; pass it as options.root");
}

function passphraseInEnvironment(): string {
  const passphrase = process.env["ENVELOPE_PASSPHRASE"];
  if (passphrase !== undefined && passphrase !== "") return passphrase;
  throw new EnvelopeError(
    "ERR_ENVELOPE_KEYSTORE_ROOT_KEY",
    "the keystore asks for a passphrase; set ENVELOPE_PASSPHRASE, or pass options.root",
  );
}

function decode(text: string, what: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw config(`the ${what} has a malformed percent-encoding`);
  }
}

function config(problem: string): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_CONFIG", `local-file URI: ${problem}`);
}
