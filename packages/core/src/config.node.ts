/**
 * `envelope.config.json`: the CMKs of each environment, for applications and for the command line.
 *
 * It reads files and so needs Node, which is why it has its own entry point, `@env/core/config`.
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
import { checkCacheOptions, type DataKeyCacheOptions } from "./cache.ts";
import { didYouMean } from "./closest.ts";
import type { Cmk } from "./cmk.ts";
import { Envelope, keysOf, type EnvelopeOptions } from "./envelope.ts";
import { EnvelopeError } from "./error.ts";
import { jsonErrorPosition } from "./json-position.ts";
import { openCmk, type CmkOpener } from "./open-cmk.ts";
import { requireInteger } from "./options.ts";

export { jsonErrorPosition };

/** The default name of the configuration file. */
export const CONFIG_FILE = "envelope.config.json";

export interface LoadConfigOptions {
  /** Path of the file. Default: `envelope.config.json` in the working directory. */
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
  /** The file's folder, which relative paths in the URIs start from. */
  readonly baseDirectory: string;
}

/**
 * Reads one environment.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG` if the file is missing or malformed, lacks the
 * environment, or has an unknown setting.
 */
export async function loadConfig(options: LoadConfigOptions = {}): Promise<EnvelopeConfig> {
  const file = resolve(options.file ?? CONFIG_FILE);
  const environment =
    options.environment ??
    (process.env["ENVELOPE_ENVIRONMENT"] || process.env["NODE_ENV"] || "development");
  const environments = fields(await readJson(file), file, ["environments"])["environments"];
  const all = fields(environments, `${file}: environments`);
  if (!Object.hasOwn(all, environment)) {
    const hint = didYouMean(environment, Object.keys(all));
    const has = `it has ${names(all)}.${hint}`.replace(/\.$/, "");
    throw invalid(file, `there is no environment ${JSON.stringify(environment)}; ${has}`);
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
    ...(minWrapped === undefined
      ? {}
      : { minWrapped: minWrappedOf(minWrapped, cmks.length, `${place}.minWrapped`) }),
    ...(dataKeyCache === undefined
      ? {}
      : { dataKeyCache: cacheOptions(dataKeyCache, `${place}.dataKeyCache`) }),
    baseDirectory: dirname(file),
  };
}

/**
 * Opens all CMKs of a configuration. If one fails, those that were opened before it are closed again.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_CONFIG`, and whatever the adapters throw.
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

/** Opens an `Envelope` as configured; its `close()` also closes the CMKs. Throws like {@link openCmks}. */
export async function openEnvelope(
  config: EnvelopeConfig,
  openers: Readonly<Record<string, CmkOpener>>,
  options: Pick<EnvelopeOptions, "observer"> = {},
): Promise<Envelope> {
  const { minWrapped, dataKeyCache } = config;
  // Checked before anything is opened: the configuration may not come from a file.
  if (minWrapped !== undefined) requireInteger("minWrapped", minWrapped, 1, config.cmks.length);
  if (dataKeyCache !== undefined) checkCacheOptions(dataKeyCache);
  const cmks = await openCmks(config, openers);
  try {
    const envelope = new Envelope({
      cmks,
      ...(minWrapped === undefined ? {} : { minWrapped }),
      ...(dataKeyCache === undefined ? {} : { dataKeyCache }),
      ...options,
    });
    keysOf(envelope).own(cmks);
    return envelope;
  } catch (error) {
    await Promise.all(cmks.map((cmk) => cmk.close()));
    throw error;
  }
}

async function readJson(file: string): Promise<unknown> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    const missing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    const problem = missing
      ? "there is no such file; `envelope init` creates one"
      : "the file cannot be read";
    throw new EnvelopeError("ERR_ENVELOPE_CONFIG", `${file}: ${problem}`, { cause });
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The parser's message is left out: it quotes the text around the mistake.
    const { line, column } = jsonErrorPosition(text);
    throw invalid(`${file}:${line}:${column}`, "this is not valid JSON");
  }
}

/** Returns `value` as an object, whose members must all be in `known`. */
function fields(value: unknown, place: string, known?: readonly string[]): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(place, "an object is required");
  }
  const unknown = Object.keys(value).find((name) => known !== undefined && !known.includes(name));
  if (unknown !== undefined && known !== undefined) {
    const hint = didYouMean(unknown, known);
    throw invalid(place, `unknown setting ${JSON.stringify(unknown)}.${hint}`.replace(/\.$/, ""));
  }
  return Object.fromEntries(Object.entries(value));
}

function cacheOptions(value: unknown, place: string): DataKeyCacheOptions {
  const all = fields(value, place, ["maxAge", "maxMessages", "maxBytes", "maxEntries"]);
  return checked(place, () => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- checked on the next line
    const limits = all as unknown as DataKeyCacheOptions;
    checkCacheOptions(limits);
    return limits;
  });
}

function minWrappedOf(value: unknown, cmks: number, place: string): number {
  return checked(place, () => {
    requireInteger("minWrapped", value, 1, cmks);
    return Number(value);
  });
}

/**
 * Turns a misuse error (TypeError or RangeError) into a configuration error: here the mistake is in a
 * file.
 */
function checked<T>(place: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError)
      throw invalid(place, error.message);
    throw error;
  }
}

function names(all: object): string {
  return Object.keys(all).join(", ") || "none";
}

function invalid(place: string, problem: string): EnvelopeError {
  return new EnvelopeError("ERR_ENVELOPE_CONFIG", `${place}: ${problem}`);
}
