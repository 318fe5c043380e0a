/**
 * D11: old wraps still open, new ones use the new version, rewrap moves between them.
 *
 * Rewrap is tested for every driver: if a driver has no `rewrap`, `Cmk` unwraps and wraps. Versions are
 * compared if the KMS reports them.
 *
 * @module
 */
import { Cmk } from "@env/core";
import { flipped, hex, random } from "../bytes.ts";
import {
  check,
  context,
  keyHex,
  kmsContext,
  newDataKey,
  opens,
  refuses,
  wrappedByFirst,
} from "../check.ts";
import type { CaseDefinition } from "../harness.ts";

export const rotationCases: readonly CaseDefinition[] = [
  {
    clause: "D11",
    name: "what was wrapped before a rotation still opens after it",
    needs: "rotate",
    async run(setup) {
      const { cmk, entry, key } = await wrappedByFirst(setup);
      for (let i = 0; i < 3; i++) {
        await setup.rotate?.();
        const made = await cmk.generateDataKey({ context });
        check(made.entry.keyId === entry.keyId, "the label has no version in it");
        await opens(cmk, made.entry, keyHex(made.dataKey));
        await opens(cmk, entry, key, { context, what: `it opens after rotation ${i + 1}` });
      }
    },
  },
  {
    clause: "D11",
    name: "a new version has a new name, for all who tell it",
    needs: "rotate",
    async run(setup) {
      const { first } = setup;
      const request = { context: kmsContext(context), signal: undefined, keyId: first.keyId };
      const before = await first.wrap({ ...request, plaintext: random(32) });
      await setup.rotate?.();
      const after = await first.wrap({ ...request, plaintext: random(32) });
      const generated = await first.generate?.(request);
      const old = await first.unwrap({ ...request, wrapped: before.wrapped });
      const fresh = await first.unwrap({ ...request, wrapped: after.wrapped });
      const tells = before.keyVersion !== undefined;
      check(tells === (after.keyVersion !== undefined), "wrap tells the version always or never");
      if (tells) check(before.keyVersion !== after.keyVersion, "wrap tells another version");
      if (tells && generated?.keyVersion !== undefined) {
        check(generated.keyVersion === after.keyVersion, "generate tells the version wrap tells");
      }
      if (old.keyVersion !== undefined && tells) {
        check(old.keyVersion === before.keyVersion, "unwrap tells the version that had wrapped");
        check(fresh.keyVersion === after.keyVersion, "also of what was wrapped since");
      }
    },
  },
  {
    clause: "D11",
    name: "a rewrap after a rotation moves to the new version",
    needs: "rotate",
    async run(setup) {
      const { cmk, entry, key } = await wrappedByFirst(setup);
      const { keyVersion: old } = await cmk.wrapDataKey(newDataKey().dataKey, { context });
      await setup.rotate?.();
      const { keyVersion: current } = await cmk.wrapDataKey(newDataKey().dataKey, { context });
      const made = await cmk.rewrapEntry(entry, { context });
      check(made.changed, "the entry is changed");
      check(hex(made.entry.wrapped) !== hex(entry.wrapped), "it holds another wrapped key");
      check(made.entry.keyId === entry.keyId, "under the same label");
      // A KMS may report versions when it rewraps but not when it wraps.
      if (made.keyVersion !== undefined && current !== undefined) {
        check(made.keyVersion === current, "of the new version");
      }
      if (made.fromVersion !== undefined && old !== undefined) {
        check(made.fromVersion === old, "it was of the old one");
      }
      await opens(cmk, made.entry, key, { context, what: "it opens to the same data key" });
      await opens(cmk, entry, key, { context, what: "so does the old entry" });
      const direct = await setup.first.unwrap({
        keyId: setup.first.keyId,
        context: kmsContext(context),
        signal: undefined,
        wrapped: made.entry.wrapped,
      });
      if (direct.keyVersion !== undefined && current !== undefined) {
        check(direct.keyVersion === current, "the new version did wrap it");
      }
    },
  },
  {
    clause: "D11",
    name: "a rewrap keeps the data key and the context",
    async run(setup) {
      const { cmk, entry, key } = await wrappedByFirst(setup);
      const made = await cmk.rewrapEntry(entry, { context });
      await opens(cmk, made.entry, key, { context, what: "it opens to the same data key" });
      for (const other of [{}, { ...context, tenant: "evil" }]) {
        await refuses("ERR_ENVELOPE_KMS_REJECTED", "another context", () =>
          cmk.unwrapDataKey(made.entry, { context: other }),
        );
      }
    },
  },
  {
    clause: "D11",
    name: "a rewrap of what is current changes nothing, where versions are told",
    async run(setup) {
      const { cmk, entry, key } = await wrappedByFirst(setup);
      const made = await cmk.rewrapEntry(entry, { context });
      if (made.keyVersion !== undefined && made.fromVersion !== undefined) {
        check(made.keyVersion === made.fromVersion, "both versions are the current one");
        check(!made.changed, "the entry is not changed");
        check(hex(made.entry.wrapped) === hex(entry.wrapped), "it is the entry that was given");
      } else {
        check(made.changed, "who cannot tell that nothing changed says that it did");
      }
      await opens(cmk, made.entry, key);
    },
  },
  {
    clause: "D11",
    name: "rewrap refuses altered bytes",
    async run(setup) {
      const { cmk, entry } = await wrappedByFirst(setup);
      const { length } = entry.wrapped;
      for (const at of [0, length >> 1, length - 1]) {
        const wrapped = flipped(entry.wrapped, at, 1);
        await refuses("ERR_ENVELOPE_KMS_REJECTED", `byte ${at}`, () =>
          cmk.rewrapEntry({ ...entry, wrapped }, { context }),
        );
      }
      await refuses("ERR_ENVELOPE_KMS_REJECTED", "garbage", () =>
        cmk.rewrapEntry({ ...entry, wrapped: random(64) }, { context }),
      );
    },
  },
  {
    clause: "D11",
    name: "rewrap refuses another context",
    async run(setup) {
      const { cmk, entry } = await wrappedByFirst(setup);
      for (const other of [{}, { ...context, tenant: "evil" }, { tenant: "acme" }]) {
        await refuses("ERR_ENVELOPE_KMS_REJECTED", "another context", () =>
          cmk.rewrapEntry(entry, { context: other }),
        );
      }
    },
  },
  {
    clause: "D11",
    name: "a rewrap moves an entry of a further key to the own key",
    async run({ first, second }) {
      const { dataKey, entry } = await new Cmk(second).generateDataKey({ context });
      const moved = await new Cmk(first, { alsoUnwrap: [entry.keyId] }).rewrapEntry(entry, {
        context,
      });
      check(moved.changed, "the entry is changed");
      check(moved.entry.keyId !== entry.keyId, "its label is that of the own key");
      await opens(new Cmk(first), moved.entry, keyHex(dataKey));
    },
  },
  {
    clause: "D11",
    name: "a rewrap within the own key is not left to Cmk, where there is one",
    async run({ first }) {
      const request = { context: kmsContext(context), signal: undefined };
      const { wrapped, keyId } = await first.wrap({ ...request, plaintext: random(32) });
      if (first.rewrap === undefined) return;
      const made = await first.rewrap({ ...request, wrapped, keyId });
      check(made !== undefined, "it gives an answer");
    },
  },
];
