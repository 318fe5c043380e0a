/**
 * `local-file:./dev.kms?key=alias/app`: a keystore file and a key in it, in one line of configuration.
 *
 * A URI names, it never holds a secret: where the root key is found follows from the keystore itself,
 * by convention or from options. No error repeats the URI, for somebody may have put a secret there
 * all the same.
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
  type RootKeyKind,
  type RootKeySource,
} from "@env/kms";
import { cmkOptions, localFileDriver } from "./driver.ts";

export interface OpenLocalFileOptions extends OpenCmkOptions {
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
  /** As written, percent-decoded: relative or absolute. */
  readonly path: string;
  /** Key id, key ARN, alias or alias ARN. */
  readonly key: string;
  /** Who makes the calls: an ARN, `user/alice`, `role/app` or `root`. Default: `root`. */
  readonly principal?: string;
}

const SCHEME = "local-file:";

/**
 * Opens the keystore that a URI names and makes a {@link Cmk} of the key. Closing the CMK closes the
 * keystore.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG` for a malformed URI, `ERR_ENVELOPE_KEYSTORE_…` for a
 * keystore that does not open. Whether the key exists shows at the first call.
 *
 * @example
 * ```ts
 * await using cmk = await openLocalFile("local-file:./dev.kms?key=alias/app");
 * ```
 */
export async function openLocalFile(uri: string, options: OpenLocalFileOptions = {}): Promise<Cmk> {
  const { path: written, key, principal } = parseLocalFileUri(uri);
  const path = resolve(options.baseDirectory ?? process.cwd(), written);
  const root = options.root ?? rootByConvention((await inspectKeystore(path)).rootKind, path);
  const keystore = await openKeystore(path, { root });
  try {
    const driver = localFileDriver({ client: keystore.as(principal), key });
    return new Cmk({ ...driver, close: async () => keystore.close() }, cmkOptions(options));
  } catch (error) {
    keystore.close();
    throw error;
  }
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
  // file:///x is a habit, and means the same here. Anything between the slashes would be a host.
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
  return { path, key, ...rest };
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
};

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
