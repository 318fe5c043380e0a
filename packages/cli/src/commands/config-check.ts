/**
 * `envelope config check`: asks the KMS of each configured CMK what these credentials may do, and checks
 * the configuration as a whole.
 *
 * @module
 */
import {
  EnvelopeError,
  isEnvelopeError,
  type Cmk,
  type Context,
  type OpenCmkOptions,
} from "@env/core";
import { cryptoBackend } from "@env/core/crypto";
import { doctor, type DoctorReport } from "@env/core/driver";
import type { EnvelopeConfig } from "@env/core/config";
import { checkedContext, collectPair } from "../context.ts";
import { NegativeAnswer, reportOf, usageError } from "../errors.ts";
import { adapterOf, closeAll, configFile, configOf, makeEnvelope } from "../providers.ts";
import { asOption, examples } from "../program.ts";
import { count } from "../text.ts";
import type { Ui } from "../ui.ts";
import {
  drawReport,
  type CheckedCmk,
  type CheckedConfig,
  type ConfigProblem,
} from "./config-report.ts";
import { Waiting } from "./config-waiting.ts";
import type { ConfigCommand } from "./config.ts";

const DEFAULT_SECONDS = 20;
const MAX_SECONDS = 3600;

export function addCheck(config: ConfigCommand, ui: Ui): void {
  config
    .command("check")
    .summary("Check what these credentials may do with each CMK.")
    .description(
      "Ask the KMS of each CMK what these credentials may do with it: generate data keys, wrap, unwrap, rewrap. Nothing is changed, but the KMS logs the calls as usual. Below the table is what is missing, with the next step. The exit code is 9 if anything is missing, and 6 if the configuration itself cannot work.",
    )
    .option(
      "--timeout <seconds>",
      "how long one KMS may take; all are asked at the same time",
      parseSeconds,
      DEFAULT_SECONDS,
    )
    .option(
      "--context <key=value>",
      "the context to ask with, for policies with conditions on it; repeatable",
      collectPair,
    )
    .addOption(asOption())
    .addHelpText(
      "after",
      examples(
        "envelope config check --environment production",
        "envelope config check --json | jq '.cmks[] | select(.reachable | not)'",
      ),
    )
    .action(async ({ context: pairs, timeout }, command) => {
      const globals = command.optsWithGlobals();
      const context = checkedContext(Object.fromEntries(pairs ?? [])); // Before anything is opened.
      const call = { context, timeoutMs: timeout * 1000 };
      const { report, fatal } = await check(ui, await configOf(ui, globals), call);
      const file = configFile(globals) ?? null;
      await ui.result(drawReport(report, ui.columns), { config: file, ...report });
      if (fatal !== undefined) throw fatal;
      if (!report.ok) throw new NegativeAnswer();
    });
}

interface Checked {
  readonly report: CheckedConfig;
  /** The first reason why nothing can work with this configuration, whatever the KMSs allow. */
  readonly fatal: unknown;
}

/** The options that are the same for all CMKs. */
interface Call {
  readonly context: Context;
  readonly timeoutMs: number;
}

async function check(ui: Ui, config: EnvelopeConfig, call: Call): Promise<Checked> {
  const openings: Opening[] = [];
  try {
    // One after another: a keystore may ask for its passphrase. No KMS is called yet.
    for (const uri of config.cmks) {
      // Half, so that one call that hangs does not hide what the others answer.
      const timeout = Math.ceil(call.timeoutMs / 2);
      openings.push(await open(ui, uri, { baseDirectory: config.baseDirectory, timeout }));
    }
    const cmks = await probeAll(ui, openings, call);
    const settings = settingsProblems(config, openings, cmks);
    const [fatal] = [
      ...openings.flatMap(fatalOf),
      ...settings.map(({ message }) => new EnvelopeError("ERR_ENVELOPE_CONFIG", message)),
    ];
    // Who wraps how often is a question for a configuration that can work.
    const problems = fatal === undefined ? wrapProblems(config, cmks) : settings;
    const ok = problems.length === 0 && cmks.every((cmk) => cmk.problems.length === 0);
    const { name, version } = cryptoBackend();
    const crypto = { name, version, problem: ui.host.cryptoProblem ?? null };
    return { report: { environment: config.environment, ok, cmks, problems, crypto }, fatal };
  } finally {
    await closeAll(openings.flatMap((opening) => ("cmk" in opening ? [opening.cmk] : [])));
  }
}

/** The result of opening a URI. */
type Opening =
  | { readonly provider: string; readonly cmk: Cmk }
  | {
      readonly provider: string | undefined;
      readonly error: EnvelopeError;
      readonly next: string | undefined;
    };

async function open(ui: Ui, uri: string, options: OpenCmkOptions): Promise<Opening> {
  let provider: string | undefined;
  try {
    const found = await adapterOf(ui, uri);
    ({ provider } = found);
    return { provider, cmk: await found.adapter.open(uri, options) };
  } catch (error) {
    ui.host.signal.throwIfAborted();
    if (!isEnvelopeError(error)) throw error;
    return { provider, error, next: reportOf(error).hint };
  }
}

function withNext(message: string, next: string | undefined): string {
  return next === undefined ? message : `${message}; ${next}`;
}

function fatalOf(opening: Opening, index: number): Error[] {
  if ("cmk" in opening || opening.error.code !== "ERR_ENVELOPE_CONFIG") return [];
  const { error: cause, next } = opening;
  const message = `CMK ${index + 1}: ${withNext(cause.message, next)}`;
  return [new EnvelopeError("ERR_ENVELOPE_CONFIG", message, { cause })];
}

/** Probes all at the same time; the results are in the configured order. */
async function probeAll(ui: Ui, openings: readonly Opening[], call: Call): Promise<CheckedCmk[]> {
  const opened = openings.flatMap((opening) => ("cmk" in opening ? [opening.provider] : []));
  using waiting = new Waiting(ui.host.stderr, ui.quiet, opened);
  return await Promise.all(
    openings.map(async (opening) => {
      if ("error" in opening) {
        const { error, next, provider } = opening;
        return unprobed(provider, undefined, error.code, withNext(error.message, next));
      }
      try {
        return await probe(ui, opening.cmk, call);
      } finally {
        waiting.answered(opening.provider);
      }
    }),
  );
}

async function probe(ui: Ui, cmk: Cmk, { context, timeoutMs }: Call): Promise<CheckedCmk> {
  const bound = new AbortController();
  // Not AbortSignal.timeout(), which does not keep the process waiting.
  const timer = setTimeout(() => bound.abort(), timeoutMs);
  const signal = AbortSignal.any([ui.host.signal, bound.signal]);
  const { provider, keyId } = cmk;
  try {
    return toChecked(await doctor(cmk, { context, signal }));
  } catch (error) {
    ui.host.signal.throwIfAborted();
    if (bound.signal.aborted) {
      const message = `no complete answer within ${timeoutMs / 1000} s; check whether the KMS is slow, or raise --timeout`;
      return unprobed(provider, keyId, "ERR_ENVELOPE_KMS_UNAVAILABLE", message);
    }
    if (!isEnvelopeError(error)) throw error;
    return unprobed(provider, keyId, error.code, withNext(error.message, reportOf(error).hint));
  } finally {
    clearTimeout(timer);
  }
}

function toChecked(report: DoctorReport): CheckedCmk {
  return {
    provider: report.provider,
    keyId: report.keyId,
    label: report.label ?? null,
    reachable: report.reachable,
    mayGenerate: report.mayGenerate ?? null,
    mayWrap: report.mayWrap ?? null,
    mayUnwrap: report.mayUnwrap ?? null,
    mayRewrap: report.mayRewrap ?? null,
    keyVersion: report.keyVersion ?? null,
    latencyMs: report.latencyMs ?? null,
    problems: report.problems.map(({ check: of, code, message }) => ({
      check: of,
      code,
      message,
    })),
  };
}

/** A CMK about which nothing is known. */
function unprobed(
  provider: string | undefined,
  keyId: string | undefined,
  code: string,
  message: string,
): CheckedCmk {
  return {
    provider: provider ?? null,
    keyId: keyId ?? null,
    label: null,
    reachable: null,
    mayGenerate: null,
    mayWrap: null,
    mayUnwrap: null,
    mayRewrap: null,
    keyVersion: null,
    latencyMs: null,
    problems: [{ check: keyId === undefined ? "open" : "reach", code, message }],
  };
}

/** Problems that no KMS can fix: `encrypt` and `decrypt` refuse them as well. */
function settingsProblems(
  config: EnvelopeConfig,
  openings: readonly Opening[],
  cmks: readonly CheckedCmk[],
): ConfigProblem[] {
  const same = sameKeys(config.cmks, cmks);
  if (same.length > 0) return same;
  const opened = openings.flatMap((opening) => ("cmk" in opening ? [opening.cmk] : []));
  if (opened.length < openings.length) return [];
  try {
    makeEnvelope(config, opened);
    return [];
  } catch (error) {
    if (!isEnvelopeError(error)) throw error;
    return [{ check: "settings", message: error.message }];
  }
}

/**
 * CMKs that are the same key, by the label in the entries: aliases hide it, and keys of two Vaults can share it. A
 * message cannot hold two entries with one label.
 */
function sameKeys(uris: readonly string[], cmks: readonly CheckedCmk[]): ConfigProblem[] {
  return cmks.flatMap(({ provider, label }, index) => {
    const first = cmks.findIndex(
      (other, at) =>
        uris[at] === uris[index] ||
        (label !== null && other.label === label && other.provider === provider),
    );
    if (first === index) return [];
    const named = label === null ? "" : ` (${label})`;
    const message = `CMKs ${first + 1} and ${index + 1} are the same key${named}; remove one of them`;
    return [{ check: "same key", message }];
  });
}

/** A new data key is generated by the first CMK that can, and wrapped by those after it. */
function wrapProblems(
  { minWrapped }: EnvelopeConfig,
  cmks: readonly CheckedCmk[],
): ConfigProblem[] {
  const required = minWrapped ?? cmks.length;
  const first = cmks.findIndex(({ mayGenerate }) => mayGenerate === true);
  const others = cmks.slice(first + 1).filter(({ mayWrap }) => mayWrap === true);
  const able = first === -1 ? 0 : 1 + others.length;
  if (able >= required) return [];
  const message = `a message must be wrapped by ${required} of ${count(cmks.length, "CMK")}, but only ${able} can wrap, so nothing can be encrypted; fix the others, or lower minWrapped`;
  return [{ check: "minWrapped", message }];
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (/^[0-9]+(?:\.[0-9]+)?$/.test(text) && seconds > 0 && seconds <= MAX_SECONDS) return seconds;
  throw usageError(`--timeout must be a number of seconds, more than 0 and at most ${MAX_SECONDS}`);
}
