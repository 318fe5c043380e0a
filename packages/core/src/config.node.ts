/**
 * `envelope.config.json`: the CMKs of each environment, for applications and for the command line.
 *
 * Node only (it reads files), hence a sub-path of its own: `@env/core/config`.
 *
 * @example
 * ```ts
 * const config = await loadConfig();
 * await using envelope = await openEnvelope(config, { "local-file": openLocalFile, "aws-kms": openAwsKms });
 * ```
 *
 * @module
 */
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { DataKeyCacheOptions } from "./cache.ts";
import type { Cmk } from "./cmk.ts";
import { Envelope, messagesOf, type EnvelopeOptions } from "./envelope.ts";
import { EnvelopeError } from "./error.ts";
import { openCmk, type CmkOpener } from "./open-cmk.ts";

/** The name that is looked for. */
export const CONFIG_FILE = "envelope.config.json";

export interface LoadConfigOptions {
  /** The file. Default: `envelope.config.json` in the working directory. */
  readonly file?: string | undefined;
  /** Default: `ENVELOPE_ENVIRONMENT`, else `NODE_ENV`, else `development`. */
  readonly environment?: string | undefined;
}

/** One environment of a configuration file. */
export interface EnvelopeConfig {
  readonly environment: string;
  /** CMK URIs, in order. */
  readonly cmks: readonly string[];
  readonly minWrapped?: number;
  readonly dataKeyCache?: DataKeyCacheOptions;
  /** The file's folder: relative paths in the URIs start there. */
  readonly baseDirectory: string;
}

/**
 * Reads one environment.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG` where the file is missing or malformed, has no such
 * environment, or has a setting that is not known.
 */
export async function loadConfig(options: LoadConfigOptions = {}): Promise<EnvelopeConfig> {
  const file = resolve(options.file ?? CONFIG_FILE);
  const environment =
    options.environment ??
    (process.env["ENVELOPE_ENVIRONMENT"] || process.env["NODE_ENV"] || "development");
  const environments = fields(await readJson(file), file, ["environments"])["environments"];
  const all = fields(environments, `${file}: environments`);
  if (!Object.hasOwn(all, environment)) {
    throw invalid(file, `no environment ${JSON.stringify(environment)}; it has ${names(all)}`);
  }
  const place = `${file}: environments.${environment}`;
  const settings = fields(all[environment], place, ["cmks", "minWrapped", "dataKeyCache"]);
  const { cmks, minWrapped, dataKeyCache } = settings;
  if (!Array.isArray(cmks) || cmks.length === 0 || !cmks.every((uri) => typeof uri === "string")) {
    throw invalid(place, "`cmks` must be a list of CMK URIs");
  }
  return {
    environment,
    cmks,
    ...(minWrapped === undefined ? {} : { minWrapped: number(minWrapped, `${place}.minWrapped`) }),
    ...(dataKeyCache === undefined
      ? {}
      : { dataKeyCache: cacheOptions(dataKeyCache, `${place}.dataKeyCache`) }),
    baseDirectory: dirname(file),
  };
}

/**
 * Opens all CMKs of a configuration. If one fails, those opened before it are closed again.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG`, and what the adapters throw.
 */
export async function openCmks(
  config: EnvelopeConfig,
  openers: Readonly<Record<string, CmkOpener>>,
): Promise<Cmk[]> {
  const cmks: Cmk[] = [];
  try {
    for (const uri of config.cmks) {
      cmks.push(await openCmk(uri, openers, { baseDirectory: config.baseDirectory }));
    }
    return cmks;
  } catch (error) {
    await Promise.all(cmks.map((cmk) => cmk.close()));
    throw error;
  }
}

/** An `Envelope` as configured, whose `close()` closes the CMKs. Throws as {@link openCmks}. */
export async function openEnvelope(
  config: EnvelopeConfig,
  openers: Readonly<Record<string, CmkOpener>>,
  options: Pick<EnvelopeOptions, "observer"> = {},
): Promise<Envelope> {
  const { minWrapped, dataKeyCache } = config;
  const cmks = await openCmks(config, openers);
  const envelope = new Envelope({
    cmks,
    ...(minWrapped === undefined ? {} : { minWrapped }),
    ...(dataKeyCache === undefined ? {} : { dataKeyCache }),
    ...options,
  });
  messagesOf(envelope).own(cmks);
  return envelope;
}

async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    const missing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    const problem = missing
      ? "there is no such file; `envelope init` makes one"
      : "it cannot be read";
    throw new EnvelopeError("ERR_ENVELOPE_CONFIG", `${file}: ${problem}`, { cause });
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Without the parser's message: it quotes the text around the mistake.
    throw invalid(file, "it is not JSON");
  }
}

/** `value` as an object, with no other members than `known`. */
function fields(value: unknown, place: string, known?: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(place, "an object is required");
  }
  const unknown = Object.keys(value).find((name) => known !== undefined && !known.includes(name));
  if (unknown !== undefined) throw invalid(place, `unknown setting ${JSON.stringify(unknown)}`);
  return Object.fromEntries(Object.entries(value));
}

function cacheOptions(value: unknown, place: string): DataKeyCacheOptions {
  const all = fields(value, place, ["maxAge", "maxMessages", "maxBytes", "maxEntries"]);
  const limit = (name: string): number => number(all[name], `${place}.${name}`);
  return {
    maxAge: limit("maxAge"),
    maxMessages: limit("maxMessages"),
    maxBytes: limit("maxBytes"),
    ...(all["maxEntries"] === undefined ? {} : { maxEntries: limit("maxEntries") }),
  };
}

function number(value: unknown, place: string): number {
  if (typeof value !== "number") throw invalid(place, "a number is required");
  return value;
}

function names(all: object): string {
  return Object.keys(all).join(", ") || "none";
}

function invalid(place: string, problem: string): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_CONFIG", `${place}: ${problem}`);
}
