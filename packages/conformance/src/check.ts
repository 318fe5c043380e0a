/**
 * Assertions and fixtures of the cases.
 *
 * @module
 */
import {
  Cmk,
  DataKey,
  encodeEncryptionContext,
  isEnvelopeError,
  type CmkCallOptions,
  type Context,
  type Entry,
  type EnvelopeError,
  type EnvelopeErrorCode,
} from "@env/core";
import type { CmkDriver, KmsContext, KmsFailureCode } from "@env/core/driver";
import { hex, random } from "./bytes.ts";
import type { CmkSetup } from "./harness.ts";

/** The context for cases in which it does not matter. */
export const context: Context = Object.freeze({ tenant: "acme", purpose: "invoice" });

export function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(`assertion failed: ${what}`);
}

/** Returns the error of the call, which must be an `EnvelopeError` with `code`. */
export async function refuses(
  code: EnvelopeErrorCode,
  what: string,
  call: () => Promise<unknown>,
): Promise<EnvelopeError> {
  try {
    await call();
  } catch (error) {
    if (isEnvelopeError(error, code)) return error;
    const got = isEnvelopeError(error) ? error.code : `an error that is not an EnvelopeError`;
    throw new Error(`${what}: want ${code}, got ${got}`, { cause: error });
  }
  throw new Error(`${what}: want ${code}, got success`);
}

/** Like {@link refuses}, for a driver called without a `Cmk`: it must throw what it classifies as `code`. */
export async function refusedBy(
  driver: CmkDriver,
  what: string,
  call: () => Promise<unknown>,
  code: KmsFailureCode = "ERR_ENVELOPE_KMS_REJECTED",
): Promise<void> {
  try {
    await call();
  } catch (error) {
    const got = driver.classify(error);
    if (got === code) return;
    throw new Error(`${what}: want ${code}, got ${got}`, { cause: error });
  }
  throw new Error(`${what}: want ${code}, got success`);
}

/** Asserts that `entry` unwraps to the key with the given hex. */
export async function opens(
  cmk: Cmk,
  entry: Entry,
  key: string,
  options: { readonly context: Context; readonly what?: string } = { context },
): Promise<void> {
  using again = await cmk.unwrapDataKey(entry, { context: options.context });
  check(keyHex(again) === key, options.what ?? "the data key that was wrapped comes back");
}

export function keyHex(dataKey: DataKey): string {
  return dataKey.use(hex);
}

/** Returns a random data key and its bytes in hex. */
export function newDataKey(): { readonly dataKey: DataKey; readonly key: string } {
  const dataKey = new DataKey(random(32));
  return { dataKey, key: keyHex(dataKey) };
}

/** Returns a data key wrapped by `first`. */
export async function wrappedByFirst(
  { first }: CmkSetup,
  ofContext: Context = context,
): Promise<{ readonly cmk: Cmk; readonly entry: Entry; readonly key: string }> {
  const cmk = new Cmk(first);
  const { dataKey, entry } = await cmk.generateDataKey({ context: ofContext });
  return { cmk, entry, key: keyHex(dataKey) };
}

/** Returns what a driver receives for the context `of`, for cases that call it without a `Cmk`. */
export function kmsContext(of: Context): KmsContext {
  const map: Record<string, string> = Object.create(null);
  for (const [key, value] of Object.entries({ ...of, "env:format": "1" })) map[key] = value;
  return { map: Object.freeze(map), bytes: encodeEncryptionContext(map) };
}

/** Runs one call per item, a few concurrently: fast enough against a live KMS, and within its rate limits. */
export async function forEach<T>(
  items: Iterable<T>,
  run: (item: T) => Promise<unknown>,
): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await run(item);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

/** Lets all pending work run. */
export function pause(milliseconds = 0): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}

/** Every operation of a CMK that calls the driver, for cases in which all must behave the same. */
export const operations: readonly {
  readonly name: string;
  readonly call: (
    cmk: Cmk,
    entry: Entry,
    options: CmkCallOptions & { readonly dataKey?: DataKey },
  ) => Promise<unknown>;
}[] = [
  { name: "generateDataKey", call: (cmk, _, options) => cmk.generateDataKey(options) },
  {
    name: "wrapDataKey",
    call: (cmk, _, { dataKey = newDataKey().dataKey, ...options }) =>
      cmk.wrapDataKey(dataKey, options),
  },
  { name: "unwrapDataKey", call: (cmk, entry, options) => cmk.unwrapDataKey(entry, options) },
  { name: "rewrapEntry", call: (cmk, entry, options) => cmk.rewrapEntry(entry, options) },
];
