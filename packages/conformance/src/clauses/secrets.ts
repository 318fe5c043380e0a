/**
 * D10: errors and events hold neither key bytes nor context values.
 *
 * Error objects of SDKs are the usual leak: many contain the request, which then reaches a log. The
 * cases search for every spelling in which a log may show the bytes.
 *
 * @module
 */
import { Cmk, type Context, type EnvelopeEvent } from "@env/core";
import { base64, concat, flipped, fromHex, hex, latin1, random } from "../bytes.ts";
import { check, newDataKey, operations } from "../check.ts";
import type { CaseDefinition, CmkHarness, CmkSetup } from "../harness.ts";

type Failure = "disable" | "deny" | "unreachable" | "throttle";

export const secretCases: readonly CaseDefinition[] = [
  {
    clause: "D10",
    name: "the error of a rejected unwrap holds no secret",
    run: (setup, harness) =>
      holdsNoSecret(setup, harness, async ({ first }, sentinel) => {
        const cmk = new Cmk(first);
        const { dataKey, entry } = await cmk.generateDataKey({ context: sentinel.context });
        sentinel.look(dataKey.use(hex));
        const wrapped = flipped(entry.wrapped, entry.wrapped.length - 1, 1);
        const other = { ...sentinel.context, city: sentinel.value() };
        for (const { name, call } of operations.slice(2)) {
          await sentinel.inError(`${name} of altered bytes`, (options) =>
            call(cmk, { ...entry, wrapped }, options),
          );
          await sentinel.inError(`${name} with another context`, (options) =>
            call(cmk, entry, { ...options, context: other }),
          );
          await sentinel.inError(`${name} of garbage`, (options) =>
            call(cmk, { ...entry, wrapped: random(64) }, options),
          );
        }
      }),
  },
  ...operations.map(({ name, call }): CaseDefinition => ({
    clause: "D10",
    name: `the error of ${name} with a missing key holds no secret`,
    run: (setup, harness) =>
      holdsNoSecret(setup, harness, async ({ first, missing }, sentinel) => {
        const made = await new Cmk(first).generateDataKey({ context: sentinel.context });
        const { dataKey, key } = newDataKey();
        sentinel.look(key, made.dataKey.use(hex));
        await sentinel.inError(name, (options) =>
          call(new Cmk(missing), { ...made.entry, keyId: missing.keyId }, { ...options, dataKey }),
        );
      }),
  })),
  ...(["disable", "deny", "unreachable", "throttle"] as const).map(
    (ability: Failure): CaseDefinition => ({
      clause: "D10",
      name: `the errors after ${ability} hold no secret`,
      needs: ability,
      run: (setup, harness) =>
        holdsNoSecret(setup, harness, async ({ first }, sentinel) => {
          const cmk = new Cmk(first);
          const made = await cmk.generateDataKey({ context: sentinel.context });
          const { dataKey, key } = newDataKey();
          sentinel.look(key, made.dataKey.use(hex));
          await setup[ability]?.();
          for (const { name, call } of operations) {
            await sentinel.inError(name, (options) =>
              call(cmk, made.entry, { ...options, dataKey }),
            );
          }
        }),
    }),
  ),
  {
    clause: "D10",
    name: "labels, versions and events of calls that succeed hold no secret",
    run: (setup, harness) =>
      holdsNoSecret(setup, harness, async ({ first }, sentinel) => {
        const cmk = new Cmk(first);
        const options = sentinel.options();
        const { dataKey, entry, keyVersion } = await cmk.generateDataKey(options);
        const { keyId } = (await cmk.wrapDataKey(dataKey, options)).entry;
        const again = await cmk.rewrapEntry(entry, options);
        sentinel.look(dataKey.use(hex));
        sentinel.inText("a label", [entry.keyId, keyId, again.entry.keyId].join());
        sentinel.inText("a version", [keyVersion, again.keyVersion, again.fromVersion].join());
      }),
  },
];

async function holdsNoSecret(
  setup: CmkSetup,
  harness: CmkHarness,
  run: (setup: CmkSetup, sentinel: Sentinel) => Promise<void>,
): Promise<void> {
  const sentinel = new Sentinel(harness);
  await run(setup, sentinel);
  sentinel.inEvents();
}

/** Unique secrets, and the search for them. */
class Sentinel {
  readonly #harness: CmkHarness;
  readonly #values: string[] = [];
  readonly #keys: string[] = [];
  readonly #events: EnvelopeEvent[] = [];
  readonly context: Context = Object.freeze({ tenant: this.value(), purpose: this.value() });

  constructor(harness: CmkHarness) {
    this.#harness = harness;
  }

  /** Creates another context value that must not be found. */
  value(): string {
    const fresh = `sentinel-${hex(random(12))}`;
    this.#values.push(fresh);
    return fresh;
  }

  /** Adds data keys, in hex, that must not be found from now on. */
  look(...keys: readonly string[]): void {
    this.#keys.push(...keys);
  }

  options(): { readonly context: Context; readonly observer: (event: EnvelopeEvent) => void } {
    return { context: this.context, observer: (event) => void this.#events.push(event) };
  }

  /** Runs a call that must fail, and searches its error. */
  async inError(
    what: string,
    call: (options: ReturnType<Sentinel["options"]>) => Promise<unknown>,
  ): Promise<void> {
    let thrown: unknown;
    try {
      await call(this.options());
    } catch (error) {
      thrown = error;
    }
    check(thrown !== undefined, `${what} fails`);
    for (const text of spelt(thrown, this.#harness)) this.inText(`the error of ${what}`, text);
  }

  inEvents(): void {
    this.inText("an event", JSON.stringify(this.#events));
    this.inText("an event", this.#harness.inspect(this.#events));
  }

  inText(what: string, text: string): void {
    // `inspect` wraps and pads long lists.
    const squeezed = text.replaceAll(/\s+/g, "");
    const lower = squeezed.toLowerCase();
    for (const spelling of this.#values.flatMap(textSpellings)) {
      check(!squeezed.includes(spelling), `${what} holds no context value`);
    }
    for (const key of this.#keys) {
      const inHex = lower.includes(key.slice(0, 30)) || lower.includes(key.slice(-30));
      check(!inHex, `${what} holds no data key in hex`);
      for (const [form, spelling] of keySpellings(fromHex(key))) {
        const found = text.includes(spelling) || squeezed.includes(spelling);
        check(!found, `${what} holds no data key as ${form}`);
      }
    }
  }
}

/** Returns every text that a log may make of an error: inspected, as JSON, and of all its causes. */
function spelt(thrown: unknown, harness: CmkHarness): string[] {
  const texts: string[] = [];
  for (let error = thrown, depth = 0; error !== undefined && depth < 10; depth++) {
    texts.push(harness.inspect(error), json(error));
    if (typeof error !== "object" || error === null) break;
    const { message, stack, cause } = error as Partial<Error>;
    texts.push(String(message), String(stack), json({ ...error }));
    error = cause;
  }
  return texts;
}

function json(value: unknown): string {
  try {
    return JSON.stringify(value) ?? "";
  } catch {
    return ""; // Circular or not JSON: `inspect` has printed it.
  }
}

function textSpellings(secret: string): readonly string[] {
  const bytes = new TextEncoder().encode(secret);
  return [secret, hex(bytes), ...base64Spellings(bytes), Array.from(bytes).join(",")];
}

/** Returns spellings of both halves, since printed bytes are often truncated. */
function keySpellings(key: Uint8Array): readonly (readonly [form: string, spelling: string])[] {
  const spellings: [form: string, spelling: string][] = [];
  for (const half of [key.subarray(0, 15), key.subarray(15, 30)]) {
    for (const text of base64Spellings(half)) {
      spellings.push(["base64", text]);
      spellings.push(["base64url", text.replaceAll("+", "-").replaceAll("/", "_")]);
    }
    const indexed = Array.from(half.subarray(0, 8), (byte, i) => `"${i}":${byte}`);
    spellings.push(["latin1", latin1(half)]);
    spellings.push(["UTF-8", new TextDecoder().decode(half)]);
    spellings.push(["a list of numbers", Array.from(half).join(",")]);
    spellings.push(["JSON of a typed array", indexed.join(",")]);
  }
  return spellings;
}

/** The base64 of the bytes, alone or within something longer, where they may start at three places of a group. */
function base64Spellings(bytes: Uint8Array): readonly string[] {
  return [0, 1, 2].map((shift) => {
    const text = base64(concat(new Uint8Array(shift), bytes));
    return text.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + bytes.length) * 8) / 6));
  });
}
