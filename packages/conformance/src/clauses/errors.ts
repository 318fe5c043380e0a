/**
 * D5: every foreseeable failure has its own code.
 *
 * @module
 */
import { Cmk } from "@env/core";
import type { KmsFailureCode } from "@env/core/driver";
import { flipped } from "../bytes.ts";
import { check, context, operations, refuses, wrappedByFirst } from "../check.ts";
import type { Ability, CaseDefinition } from "../harness.ts";

const failures: readonly {
  readonly ability: Ability & ("disable" | "deny" | "unreachable" | "throttle");
  readonly what: string;
  readonly code: KmsFailureCode;
  readonly retryable: boolean;
}[] = [
  {
    ability: "disable",
    what: "a disabled key",
    code: "ERR_ENVELOPE_KMS_KEY_STATE",
    retryable: false,
  },
  {
    ability: "deny",
    what: "a denied call",
    code: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
    retryable: false,
  },
  {
    ability: "unreachable",
    what: "an unreachable KMS",
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    retryable: true,
  },
  {
    ability: "throttle",
    what: "a throttled call",
    code: "ERR_ENVELOPE_KMS_THROTTLED",
    retryable: true,
  },
];

export const errorCases: readonly CaseDefinition[] = [
  ...operations.map(({ name, call }): CaseDefinition => ({
    clause: "D5",
    name: `${name} tells a missing key as such`,
    async run(setup) {
      const { entry } = await wrappedByFirst(setup);
      const { missing } = setup;
      const error = await refuses("ERR_ENVELOPE_KMS_KEY_NOT_FOUND", name, () =>
        call(new Cmk(missing), { ...entry, keyId: missing.keyId }, { context }),
      );
      check(!error.retryable, "it is not worth a retry");
    },
  })),
  ...failures.flatMap(({ ability, what, code, retryable }) =>
    operations.map(({ name, call }): CaseDefinition => ({
      clause: "D5",
      name: `${name} tells ${what} as such`,
      needs: ability,
      async run(setup) {
        const { cmk, entry } = await wrappedByFirst(setup);
        await setup[ability]?.();
        const error = await refuses(code, name, () => call(cmk, entry, { context }));
        check(error.retryable === retryable, `retryable is ${retryable}`);
        const [attempt] = error.attempts;
        check(attempt?.code === code, "the attempt has the same code");
        check(attempt?.provider === cmk.provider, "and names the provider");
      },
    })),
  ),
  {
    clause: "D5",
    name: "a refusal keeps what the driver threw as its cause, an Error",
    async run(setup) {
      const { cmk, entry } = await wrappedByFirst(setup);
      const last = entry.wrapped.length - 1;
      const altered = { ...entry, wrapped: flipped(entry.wrapped, last, 1) };
      const errors = [
        await refuses("ERR_ENVELOPE_KMS_REJECTED", "altered bytes", () =>
          cmk.unwrapDataKey(altered, { context }),
        ),
        await refuses("ERR_ENVELOPE_KMS_KEY_NOT_FOUND", "a missing key", () =>
          new Cmk(setup.missing).generateDataKey({ context }),
        ),
      ];
      for (const { cause } of errors) {
        // Not `instanceof`: an SDK may be in another realm.
        const thrown: unknown = cause;
        check(
          typeof thrown === "object" && thrown !== null && "message" in thrown && "name" in thrown,
          "what the driver threw is an Error",
        );
      }
    },
  },
  {
    clause: "D5",
    name: "classify gives ERR_ENVELOPE_KMS_ERROR for what nobody could foresee, and never throws",
    async run({ first }) {
      const unforeseen: readonly unknown[] = [
        undefined,
        null,
        0,
        "ERR_ENVELOPE_KMS_REJECTED",
        Symbol("reason"),
        {},
        Object.create(null),
        new Error("unforeseen"),
        Object.assign(new Error("unforeseen"), { name: "UnforeseenError", code: 123456 }),
        new RangeError("unforeseen"),
        [],
        () => undefined,
      ];
      for (const [i, error] of unforeseen.entries()) {
        let code = "an error of its own";
        try {
          code = first.classify(error);
        } catch {
          // `code` says it.
        }
        check(
          code === "ERR_ENVELOPE_KMS_ERROR",
          `the ${i}th gives ERR_ENVELOPE_KMS_ERROR, not ${code}`,
        );
      }
    },
  },
];
