/**
 * Context and aad from the command line.
 *
 * The context must be given, even if it is none: `--context k=v`, a file, `--no-context`, or when reading
 * `--from-header`. What contradicts itself is refused; nothing given is ever ignored.
 *
 * @module
 */
import {
  encodeAad,
  encodeContext,
  fromHeader,
  type Aad,
  type Context,
  type FromHeader,
} from "@env/core";
import { Option } from "@commander-js/extra-typings";
import { usageError } from "./errors.ts";
import { readPieces, readSource } from "./files.ts";
import { gather } from "./inputs.ts";

/** A file with a context has at most this many bytes; the context itself is limited to 4096. */
const MAX_CONTEXT_FILE_BYTES = 65_536;
const MAX_AAD_FILE_BYTES = 2 ** 20;

/** Pairs in the order given. */
export type Pairs = readonly (readonly [key: string, value: string])[];

export interface ContextOptions {
  /** `false`: `--no-context`. */
  readonly context?: Pairs | false | undefined;
  readonly contextFile?: string | undefined;
}

export interface ReadContextOptions extends ContextOptions {
  readonly fromHeader?: true | undefined;
  readonly require?: Pairs | undefined;
}

export interface AadOptions {
  readonly aad?: Pairs | undefined;
  readonly aadFile?: string | undefined;
}

/** Parses one `key=value` of a repeatable option. Values do not appear in errors. */
export function collectPair(text: string, previous?: Pairs | boolean): Pairs {
  if (previous === false) throw contradiction();
  const pairs = Array.isArray(previous) ? (previous as Pairs) : [];
  const at = text.indexOf("=");
  if (at < 1) throw usageError("a pair is written as key=value");
  const key = text.slice(0, at);
  if (pairs.some(([other]) => other === key)) {
    throw usageError(`the key ${JSON.stringify(key)} is given twice`);
  }
  return [...pairs, [key, text.slice(at + 1)]];
}

/** `--no-context`: an empty context, on purpose. To be added after `--context`. */
export function noContextOption(): Option<"--no-context", undefined, "none", false> {
  return new Option("--no-context", "the empty context, on purpose")
    .preset("none")
    .argParser((_, previous: unknown): false => {
      if (Array.isArray(previous)) throw contradiction();
      return false;
    });
}

/** The context to encrypt with. Checked, so that a mistake shows before anything is read. */
export async function contextToWrite(options: ContextOptions): Promise<Context> {
  const context = await contextGiven(options);
  if (context !== undefined) return context;
  throw usageError(
    "a context is required: who may open this and what it is for",
    "add --context key=value (repeatable), --context-file, or --no-context for none",
  );
}

/** The context to decrypt or rewrap with. */
export async function contextToRead(options: ReadContextOptions): Promise<Context | FromHeader> {
  const context = await contextGiven(options);
  if (options.fromHeader === true) {
    if (context !== undefined) throw usageError("--from-header contradicts a given context");
    return fromHeader({ require: toMap(options.require ?? []) });
  }
  if (options.require !== undefined) throw usageError("--require goes with --from-header");
  if (context !== undefined) return context;
  throw usageError(
    "the context of the encryption is required",
    "add --context key=value (repeatable), --context-file, --no-context for none, or --from-header where it is stored",
  );
}

/** The aad, where there is one. */
export async function readAad({ aad, aadFile }: AadOptions): Promise<Aad | undefined> {
  if (aadFile === undefined) return aad && checkedAad(toMap(aad));
  if (aad !== undefined) throw usageError("--aad and --aad-file exclude each other");
  return readSmall(aadFile, MAX_AAD_FILE_BYTES);
}

/** What is a bug in a program is a mistake in a command line. */
function checkedAad(aad: Context): Aad {
  try {
    encodeAad(aad);
    return aad;
  } catch (error) {
    if (error instanceof RangeError) throw usageError(error.message);
    throw error;
  }
}

async function contextGiven({
  context,
  contextFile,
}: ContextOptions): Promise<Context | undefined> {
  if (context === false) {
    if (contextFile === undefined) return {};
    throw usageError("--no-context and --context-file exclude each other");
  }
  if (context === undefined && contextFile === undefined) return undefined;
  const pairs = [...(contextFile === undefined ? [] : await readPairs(contextFile))];
  for (const pair of context ?? []) {
    if (pairs.some(([key]) => key === pair[0])) {
      throw usageError(`--context ${JSON.stringify(pair[0])} is in --context-file too`);
    }
    pairs.push(pair);
  }
  const map = toMap(pairs);
  encodeContext(map);
  return map;
}

function contradiction(): Error {
  return usageError("--context and --no-context exclude each other");
}

async function readPairs(path: string): Promise<Pairs> {
  const bytes = await readSmall(path, MAX_CONTEXT_FILE_BYTES);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    // Without the parser's message: it quotes the file.
    throw usageError(`${path}: it is not JSON in UTF-8`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const pairs = Object.entries(value);
    if (pairs.every((pair): pair is [string, string] => typeof pair[1] === "string")) return pairs;
  }
  throw usageError(`${path}: a JSON object of strings is required`);
}

async function readSmall(path: string, maxBytes: number): Promise<Uint8Array> {
  const bytes = await readSource(path, (source) => gather(readPieces(source), maxBytes));
  if (bytes === undefined) throw usageError(`${path}: it has more than ${maxBytes} bytes`);
  return bytes;
}

/** Without a prototype: `__proto__` is a key like any other. */
function toMap(pairs: Pairs): Context {
  const map: Record<string, string> = Object.create(null);
  for (const [key, value] of pairs) map[key] = value;
  return map;
}
