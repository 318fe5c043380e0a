/**
 * D6 buffers, D7 concurrency, D8 abort: what callers of one driver share, and what they do not.
 *
 * @module
 */
import { Cmk, type Bytes } from "@env/core";
import type { CmkDriver } from "@env/core/driver";
import { altered } from "../altered.ts";
import { copyOf, hex, random } from "../bytes.ts";
import {
  check,
  context,
  keyHex,
  kmsContext,
  newDataKey,
  opens,
  operations,
  pause,
  refuses,
  wrappedByFirst,
} from "../check.ts";
import type { CaseDefinition } from "../harness.ts";

const signal = undefined;

export const sharingCases: readonly CaseDefinition[] = [
  {
    clause: "D6",
    name: "the arguments of every call stay as they were",
    async run({ first }) {
      const bound = kmsContext(context);
      const plaintext = random(32);
      const { wrapped } = await first.wrap({
        plaintext: copyOf(plaintext),
        context: bound,
        signal,
      });
      const before = [plaintext, wrapped, bound.bytes].map(hex).join();
      const request = Object.freeze({
        plaintext,
        wrapped,
        keyId: first.keyId,
        context: bound,
        signal,
      });
      for (const member of ["wrap", "unwrap", "generate", "rewrap"] as const) {
        await first[member]?.(request);
        await pause();
        const after = [plaintext, wrapped, bound.bytes].map(hex).join();
        check(after === before, `${member} changes none of its arguments, then or later`);
      }
    },
  },
  {
    clause: "D6",
    name: "the arguments of a refused call stay as they were",
    async run({ first, missing }) {
      const bound = kmsContext(context);
      const plaintext = random(32);
      const wrapped = random(128);
      const before = [plaintext, wrapped, bound.bytes].map(hex).join();
      const failing = [
        async () => missing.wrap({ plaintext, context: bound, signal }),
        async () => first.unwrap({ wrapped, keyId: first.keyId, context: bound, signal }),
        async () => first.rewrap?.({ wrapped, keyId: first.keyId, context: bound, signal }),
      ];
      for (const call of failing) await outcome(call());
      await pause();
      check([plaintext, wrapped, bound.bytes].map(hex).join() === before, "they are unchanged");
    },
  },
  {
    clause: "D6",
    name: "overwriting an argument after the call changes nothing",
    async run({ first }) {
      const bound = kmsContext(context);
      const plaintext = random(32);
      const key = hex(plaintext);
      const { wrapped } = await first.wrap({ plaintext, context: bound, signal });
      const lent = copyOf(wrapped);
      plaintext.fill(0x55);
      bound.bytes.fill(0x55);
      const request = { keyId: first.keyId, signal };
      const one = await first.unwrap({ ...request, wrapped: lent, context: kmsContext(context) });
      check(hex(one.plaintext) === key, "wrap does not keep the data key or the context");
      lent.fill(0x55);
      check(hex(one.plaintext) === key, "unwrap's result is not part of its argument");
      const two = await first.unwrap({ ...request, wrapped, context: kmsContext(context) });
      check(hex(two.plaintext) === key, "unwrap does not keep the wrapped key");
    },
  },
  {
    clause: "D6",
    name: "overwriting a result changes no later one",
    async run({ first }) {
      const request = { keyId: first.keyId, context: kmsContext(context), signal };
      const made = await first.wrap({ ...request, plaintext: random(32) });
      const wrapped = copyOf(made.wrapped);
      const one = await first.unwrap({ ...request, wrapped });
      const key = hex(one.plaintext);
      made.wrapped.fill(0x55);
      one.plaintext.fill(0x55);
      const two = await first.unwrap({ ...request, wrapped });
      check(hex(two.plaintext) === key, "unwrap gives the data key again");
      const generated = await first.generate?.(request);
      if (generated === undefined) return;
      const copy = copyOf(generated.wrapped);
      const generatedKey = hex(generated.plaintext);
      generated.plaintext.fill(0x55);
      generated.wrapped.fill(0x55);
      const three = await first.unwrap({ ...request, wrapped: copy });
      check(hex(three.plaintext) === generatedKey, "generate's results are the caller's own");
    },
  },
  {
    clause: "D6",
    name: "a later call changes no earlier result",
    async run({ first }) {
      const request = { keyId: first.keyId, context: kmsContext(context), signal };
      const wrap = () => first.wrap({ ...request, plaintext: random(32) });
      const results: { readonly bytes: Bytes; readonly was: string }[] = [];
      const keep = (bytes: Bytes): void => void results.push({ bytes, was: hex(bytes) });
      for (let i = 0; i < 3; i++) {
        const { wrapped } = await wrap();
        keep(wrapped);
        keep((await first.unwrap({ ...request, wrapped: copyOf(wrapped) })).plaintext);
        const generated = await first.generate?.(request);
        if (generated !== undefined) {
          keep(generated.wrapped);
          keep(generated.plaintext);
        }
        const again = await first.rewrap?.({ ...request, wrapped: copyOf(wrapped) });
        if (again !== undefined) keep(again.wrapped);
      }
      await pause(5);
      check(
        results.every(({ bytes, was }) => hex(bytes) === was),
        "all results are what they were",
      );
    },
  },
  {
    clause: "D7",
    name: "50 calls at once, of all kinds, each give their own answer",
    async run({ first, second }) {
      const jobs = Array.from({ length: 50 }, async (_, i) => {
        const cmk = new Cmk(i % 3 === 0 ? second : first);
        const own = { tenant: `t${i}`, purpose: "x".repeat(i) };
        const given = newDataKey();
        const made =
          i % 2 === 0
            ? await cmk.generateDataKey({ context: own })
            : { ...(await cmk.wrapDataKey(given.dataKey, { context: own })), ...given };
        const key = keyHex(made.dataKey);
        await opens(cmk, made.entry, key, { context: own, what: "a call gets its own data key" });
        const again = await cmk.rewrapEntry(made.entry, { context: own });
        await opens(cmk, again.entry, key, { context: own, what: "also after a rewrap" });
      });
      await Promise.all(jobs);
    },
  },
  {
    clause: "D7",
    name: "50 unwraps at once each give their own data key",
    async run({ first, second }) {
      const cmks = [new Cmk(first), new Cmk(second)] as const;
      const made = await Promise.all(
        Array.from({ length: 50 }, async (_, i) => {
          const cmk = cmks[i % 2 === 0 ? 0 : 1];
          const own = { tenant: `t${i % 5}` };
          const { dataKey, entry } = await cmk.generateDataKey({ context: own });
          return { cmk, own, entry, key: keyHex(dataKey) };
        }),
      );
      check(new Set(made.map(({ key }) => key)).size === 50, "all data keys differ");
      await Promise.all(
        made.map(({ cmk, own, entry, key }) => opens(cmk, entry, key, { context: own })),
      );
    },
  },
  {
    clause: "D7",
    name: "refused calls do not disturb those beside them",
    async run(setup) {
      const { cmk, entry, key } = await wrappedByFirst(setup);
      await Promise.all(
        Array.from({ length: 30 }, async (_, i) => {
          if (i % 3 !== 0) return opens(cmk, entry, key);
          return refuses("ERR_ENVELOPE_KMS_REJECTED", "another context", () =>
            cmk.unwrapDataKey(entry, { context: { tenant: `t${i}` } }),
          );
        }),
      );
    },
  },
  ...operations.map(({ name, call }): CaseDefinition => ({
    clause: "D8",
    name: `${name} with an aborted signal throws its reason and does not call the driver`,
    async run(setup) {
      const { entry } = await wrappedByFirst(setup);
      const reason = new Error("the caller has left");
      let calls = 0;
      const counted = watched(setup.first, () => calls++);
      const got = await outcome(
        call(new Cmk(counted), entry, { context, signal: AbortSignal.abort(reason) }),
      );
      check(got.error === reason, "it throws the signal's reason");
      check(calls === 0, "the driver was not called");
    },
  })),
  ...operations.map(({ name, call }): CaseDefinition => ({
    clause: "D8",
    name: `${name} ends soon after an abort, with the signal's reason`,
    async run(setup) {
      const { entry } = await wrappedByFirst(setup);
      await withoutUnhandledRejections(async () => {
        const reason = new Error("the caller has left");
        const controller = new AbortController();
        let calls = 0;
        const leaving = watched(setup.first, () => {
          calls++;
          queueMicrotask(() => controller.abort(reason));
        });
        const got = await within(
          2000,
          outcome(call(new Cmk(leaving), entry, { context, signal: controller.signal })),
        );
        check(got !== undefined, "it ends within two seconds");
        check(calls > 0, "the driver had been called");
        // A driver that finished within the same turn may still return its result.
        check(got?.ok === true || got?.error === reason, "it throws the signal's reason");
      });
    },
  })),
  {
    clause: "D8",
    name: "an aborted call leaves alone those beside and after it",
    async run(setup) {
      const { entry, key } = await wrappedByFirst(setup);
      const { first } = setup;
      await withoutUnhandledRejections(async () => {
        const aborted = operations.map(({ call }) => {
          const controller = new AbortController();
          const leaving = watched(first, () => {
            queueMicrotask(() => controller.abort(new Error("the caller has left")));
          });
          return outcome(call(new Cmk(leaving), entry, { context, signal: controller.signal }));
        });
        const cmk = new Cmk(first);
        await Promise.all([opens(cmk, entry, key), opens(cmk, entry, key)]);
        await Promise.all(aborted);
        await opens(cmk, entry, key, { context, what: "a later call succeeds" });
        const { dataKey, entry: later } = await cmk.generateDataKey({ context });
        await opens(cmk, later, keyHex(dataKey));
      });
    },
  },
];

/** Returns a driver that calls `entered` once a call has reached it and is pending. */
function watched(driver: CmkDriver, entered: () => void): CmkDriver {
  const generate = driver.generate?.bind(driver);
  const rewrap = driver.rewrap?.bind(driver);
  const matches = driver.matches?.bind(driver);
  const then = <T>(result: T): T => {
    entered();
    return result;
  };
  return altered(driver, {
    wrap: (request) => then(driver.wrap(request)),
    unwrap: (request) => then(driver.unwrap(request)),
    generate: generate && ((request) => then(generate(request))),
    rewrap: rewrap && ((request) => then(rewrap(request))),
    matches: matches && ((label, abort) => then(matches(label, abort))),
  });
}

type Outcome =
  | { readonly ok: true; readonly error?: never }
  | { readonly ok: false; readonly error: unknown };

async function outcome(call: Promise<unknown>): Promise<Outcome> {
  return call.then(
    (): Outcome => ({ ok: true }),
    (error: unknown): Outcome => ({ ok: false, error }),
  );
}

/** Returns the result, or `undefined` after a timeout. */
async function within<T>(milliseconds: number, promise: Promise<T>): Promise<T | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const over = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
  });
  try {
    return await Promise.race([promise, over]);
  } finally {
    clearTimeout(timer);
  }
}

interface RejectionSource {
  on?(name: "unhandledRejection", listener: () => void): unknown;
  off?(name: "unhandledRejection", listener: () => void): unknown;
  addEventListener?(name: "unhandledrejection", listener: () => void): void;
  removeEventListener?(name: "unhandledrejection", listener: () => void): void;
}

/** Fails if `run` leaves an unhandled rejection behind. */
async function withoutUnhandledRejections(run: () => Promise<void>): Promise<void> {
  let seen = 0;
  const listener = (): void => void seen++;
  // Node has one, browsers the other, Deno and Bun both. There is no import, so that this file stays
  // portable.
  const scope: RejectionSource & { readonly process?: RejectionSource } = globalThis;
  const { process } = scope;
  process?.on?.("unhandledRejection", listener);
  scope.addEventListener?.("unhandledrejection", listener);
  try {
    await run();
    await pause(10);
  } finally {
    process?.off?.("unhandledRejection", listener);
    scope.removeEventListener?.("unhandledrejection", listener);
  }
  check(seen === 0, "no rejection is left unhandled");
}
