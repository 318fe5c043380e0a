/**
 * Calls of a CMK that fail, and what they must not show: for every adapter the same.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import {
  DataKey,
  errorCodes,
  isEnvelopeError,
  type Bytes,
  type Cmk,
  type Entry,
  type EnvelopeError,
} from "@env/core";
import { rejection } from "@env/testkit/refusal";
import { expect, onTestFinished, vi, type Mock } from "vitest";

/** Its value must not be shown. */
export const context: { readonly tenant: string } = { tenant: "SECRET tenant" };

export const operations = ["generate", "wrap", "unwrap", "rewrap"] as const;
export type Operation = (typeof operations)[number];

export interface Setup {
  readonly cmk: Cmk;
  /** A data key that was wrapped under {@link context} while nothing failed. */
  readonly entry: Entry;
  /** Texts that must not be shown. */
  readonly secrets: readonly string[];
}

/** Calls a CMK and returns the error. Neither the setup's secrets nor a data key may be shown in it. */
export async function failing(setup: Setup, operation: Operation): Promise<EnvelopeError> {
  const { cmk, entry } = setup;
  const given = new Uint8Array(randomBytes(32));
  const secrets = [...setup.secrets, ...formsOf(given)];
  const dataKey = new DataKey(given);
  const call = {
    generate: () => cmk.generateDataKey({ context }),
    wrap: () => cmk.wrapDataKey(dataKey, { context }),
    unwrap: () => cmk.unwrapDataKey(entry, { context }),
    rewrap: () => cmk.rewrapEntry(entry, { context }),
  }[operation];
  const error = await rejection(call());
  if (!isEnvelopeError(error)) throw new Error("not an EnvelopeError", { cause: error });
  expect(error.retryable).toBe(errorCodes[error.code].retryable ?? false);
  const shown = [inspect(error, { showHidden: true, depth: 20 }), error, error.cause];
  for (const secret of secrets) expect(JSON.stringify(shown)).not.toContain(secret);
  return error;
}

/** Texts by which a data key and its wrapped key would be recognised where they are shown. */
export function secretsOf(dataKey: DataKey, { wrapped }: Entry): string[] {
  return [...dataKey.use(formsOf), ...formsOf(wrapped)];
}

function formsOf(bytes: Bytes): string[] {
  const buffer = Buffer.from(bytes);
  return [buffer.toString("base64").slice(0, 42), buffer.toString("hex").slice(0, 60)];
}

/** Watches for rejections that nobody handles, until the end of the test. */
export function watchRejections(): Mock<() => void> {
  const unhandled = vi.fn<() => void>();
  process.on("unhandledRejection", unhandled);
  onTestFinished(() => void process.off("unhandledRejection", unhandled));
  return unhandled;
}
