/**
 * Context and aad from the command line.
 *
 * The context must be given, even an empty one: `--context k=v`, a file, `--no-context`, or when reading
 * `--from-header`. Contradictions are refused, and nothing that is given is ever ignored.
 *
 * @module
 */
import {
  encodeAad,
  encodeContext,
  fromHeader,
  isEnvelopeError,
  type Aad,
  type Context,
  type FromHeader,
} from "@env/core";
import { jsonErrorPosition } from "@env/core/config";
import { Option, type Command } from "@commander-js/extra-typings";
import { usageError } from "./errors.ts";
import { readPieces, readSource } from "./files.ts";
import { gather } from "./inputs.ts";
import { asOption, type GlobalOptions } from "./program.ts";

/** The size limit of a context file; the context itself is limited to 4096 bytes. */
const MAX_CONTEXT_FILE_BYTES = 65_536;
const MAX_AAD_FILE_BYTES = 2 ** 20;

/** Pairs in the given order. */
export type Pairs = readonly (readonly [key: string, value: string])[];

export interface ContextOptions {
  /** `false`: `--no-context`. */
  readonly context?: Pairs | false | undefined;
  readonly contextFile?: string | undefined;
}

// Types and not interfaces: commander wants an index signature.
export type ReadContextOptions = {
  readonly context?: Pairs | false | undefined;
  readonly contextFile?: string | undefined;
  readonly fromHeader?: true | undefined;
  readonly require?: Pairs | undefined;
  readonly as?: string | undefined;
};

export type AadOptions = {
  readonly aad?: Pairs | undefined;
  readonly aadFile?: string | undefined;
};

/**
 * Adds the options that say how a message was encrypted, but for the AAD. The types of the values are those of
 * {@link ReadContextOptions}.
 */
export function withContextToRead(
  command: Command<[], {}, GlobalOptions>,
): Command<[], ReadContextOptions, GlobalOptions> {
  return command
    .option("--context <key=value>", "the context of the encryption; repeatable", collectPair)
    .addOption(noContextOption())
    .option("--context-file <file>", "the context as a JSON object of strings")
    .option("--from-header", "use the stored context, which the author of the message chose")
    .option(
      "--require <key=value>",
      "what the stored context must contain; repeatable",
      collectPair,
    )
    .addOption(asOption());
}

/** Adds the options of {@link withContextToRead} and those of the AAD. */
export function withMessageOptions(
  command: Command<[], {}, GlobalOptions>,
): Command<[], ReadContextOptions & AadOptions, GlobalOptions> {
  return withContextToRead(command)
    .option("--aad <key=value>", "the AAD of the encryption; repeatable", collectPair)
    .option("--aad-file <file>", "the AAD as the bytes of a file");
}

/** Parses one `key=value` of a repeatable option. Values do not appear in errors. */
export function collectPair(text: string, previous?: Pairs | boolean): Pairs {
  if (previous === false) throw contradiction();
  const pairs = Array.isArray(previous) ? (previous as Pairs) : [];
  const at = text.indexOf("=");
  if (at < 1) throw usageError("expected key=value");
  const key = text.slice(0, at);
  if (pairs.some(([other]) => other === key)) {
    throw usageError(`key ${JSON.stringify(key)} is given twice`);
  }
  return [...pairs, [key, text.slice(at + 1)]];
}

/** `--no-context`: an empty context, on purpose. To be added after `--context`. */
export function noContextOption(): Option<"--no-context", undefined, "none", false> {
  return new Option("--no-context", "the empty context")
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
    "a context is required: it says who may open this and what it is for",
    "add --context key=value (repeatable) or --context-file, or --no-context for an empty one",
  );
}

/** The context to decrypt or rewrap with. */
export async function contextToRead(options: ReadContextOptions): Promise<Context | FromHeader> {
  const context = await contextGiven(options);
  if (options.fromHeader === true) {
    if (context !== undefined)
      throw usageError("--from-header and a given context exclude each other");
    return fromHeader({ require: toMap(options.require ?? []) });
  }
  if (options.require !== undefined) throw usageError("--require needs --from-header");
  if (context !== undefined) return context;
  throw usageError(
    "the context of the encryption is required",
    "add --context key=value (repeatable) or --context-file, --no-context if it was empty, or --from-header if it is stored",
  );
}

/** The AAD, or `undefined` if none is given. */
export async function readAad({ aad, aadFile }: AadOptions): Promise<Aad | undefined> {
  if (aadFile === undefined) return aad && checkedAad(toMap(aad));
  if (aad !== undefined) throw usageError("--aad and --aad-file exclude each other");
  return readSmall(aadFile, MAX_AAD_FILE_BYTES);
}

function checkedAad(aad: Context): Aad {
  encodedOrUsageError(() => encodeAad(aad));
  return aad;
}

/** @throws CommandError `ERR_CLI_USAGE` for keys that are reserved, and for what breaks a limit. */
export function checkedContext(context: Context): Context {
  encodedOrUsageError(() => encodeContext(context));
  return context;
}

/** What is wrong with given values is a mistake in the command line, whatever it is for a program. */
function encodedOrUsageError(encode: () => unknown): void {
  try {
    encode();
  } catch (error) {
    const given =
      error instanceof RangeError ||
      error instanceof TypeError ||
      isEnvelopeError(error, "ERR_ENVELOPE_INVALID_CONTEXT");
    throw given ? usageError(error.message) : error;
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
      throw usageError(`--context ${JSON.stringify(pair[0])} is also in --context-file`);
    }
    pairs.push(pair);
  }
  return checkedContext(toMap(pairs));
}

function contradiction(): Error {
  return usageError("--context and --no-context exclude each other");
}

async function readPairs(path: string): Promise<Pairs> {
  const value = parseJson(path, await readSmall(path, MAX_CONTEXT_FILE_BYTES));
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    const pairs = Object.entries(value);
    if (pairs.every((pair): pair is [string, string] => typeof pair[1] === "string")) return pairs;
  }
  throw usageError(`${path}: expected a JSON object of strings`);
}

/** @throws CommandError `ERR_CLI_USAGE` with line and column. Nothing of the file is quoted. */
function parseJson(path: string, bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw usageError(`${path}: it is not UTF-8 text`);
  }
  try {
    return JSON.parse(text);
  } catch {
    const { line, column } = jsonErrorPosition(text);
    throw usageError(`${path}:${line}:${column}: it is not valid JSON`);
  }
}

async function readSmall(path: string, maxBytes: number): Promise<Uint8Array> {
  const bytes = await readSource(path, (source) => gather(readPieces(source), maxBytes));
  if (bytes === undefined) throw usageError(`${path}: it is larger than ${maxBytes} bytes`);
  return bytes;
}

/** The map has no prototype, so `__proto__` is a key like any other. */
function toMap(pairs: Pairs): Context {
  const map: Record<string, string> = Object.create(null);
  for (const [key, value] of pairs) map[key] = value;
  return map;
}
