/**
 * D4: the key that was asked for is the key that is used.
 *
 * The same caller may use both keys here, so permissions do not hide a driver that lets the KMS choose
 * the key.
 *
 * @module
 */
import { Cmk } from "@env/core";
import { altered } from "../altered.ts";
import { random } from "../bytes.ts";
import {
  check,
  context,
  forEach,
  keyHex,
  kmsContext,
  newDataKey,
  opens,
  refusedBy,
  refuses,
  wrappedByFirst,
} from "../check.ts";
import type { CaseDefinition } from "../harness.ts";

export const keyCases: readonly CaseDefinition[] = [
  {
    clause: "D4",
    name: "an entry that names no configured key is not tried, unless told",
    async run({ first, second }) {
      const { dataKey, entry } = await new Cmk(second).generateDataKey({ context });
      let calls = 0;
      const counted = altered(first, {
        unwrap: (request) => {
          calls++;
          return first.unwrap(request);
        },
      });
      await refuses("ERR_ENVELOPE_NO_KEY", "an entry of another key", () =>
        new Cmk(counted).unwrapDataKey(entry, { context }),
      );
      check(calls === 0, "the driver was not called");
      await opens(new Cmk(first, { alsoUnwrap: [entry.keyId] }), entry, keyHex(dataKey));
    },
  },
  {
    clause: "D4",
    name: "unwrap refuses another key's work under a false label",
    async run({ first, second }) {
      const { entry } = await new Cmk(second).generateDataKey({ context });
      const { entry: own } = await new Cmk(first).generateDataKey({ context });
      await forEach([first.keyId, own.keyId], async (keyId) => {
        await refuses("ERR_ENVELOPE_KMS_REJECTED", "a false label", () =>
          new Cmk(first, { alsoUnwrap: [own.keyId] }).unwrapDataKey(
            { ...entry, keyId },
            { context },
          ),
        );
      });
    },
  },
  {
    clause: "D4",
    name: "unwrap refuses its own work under the label of another key",
    async run({ first, second }) {
      const { entry } = await new Cmk(first).generateDataKey({ context });
      const { entry: others } = await new Cmk(second).generateDataKey({ context });
      const cmk = new Cmk(first, { alsoUnwrap: [others.keyId] });
      await refuses("ERR_ENVELOPE_KMS_REJECTED", "a false label", () =>
        cmk.unwrapDataKey({ ...entry, keyId: others.keyId }, { context }),
      );
    },
  },
  {
    clause: "D4",
    name: "the driver calls the key of the request, own or not",
    async run({ first, second }) {
      const request = { context: kmsContext(context), signal: undefined };
      const own = await first.wrap({ ...request, plaintext: random(32) });
      const others = await second.wrap({ ...request, plaintext: random(32) });
      await first.unwrap({ ...request, ...own });
      await first.unwrap({ ...request, ...own, keyId: first.keyId });
      await first.unwrap({ ...request, ...others });
      for (const driver of [first, second]) {
        await refusedBy(driver, "own key, other's work", () =>
          driver.unwrap({ ...request, wrapped: others.wrapped, keyId: own.keyId }),
        );
        await refusedBy(driver, "other's key, own work", () =>
          driver.unwrap({ ...request, wrapped: own.wrapped, keyId: others.keyId }),
        );
      }
    },
  },
  {
    clause: "D4",
    name: "rewrap refuses another key's work under a false label",
    async run({ first, second }) {
      const { entry } = await new Cmk(second).generateDataKey({ context });
      await refuses("ERR_ENVELOPE_KMS_REJECTED", "a false label", () =>
        new Cmk(first).rewrapEntry({ ...entry, keyId: first.keyId }, { context }),
      );
    },
  },
  {
    clause: "D4",
    name: "wrap uses the driver's own key, whatever else may unwrap",
    async run({ first, second }) {
      const { entry: others } = await new Cmk(second).generateDataKey({ context });
      const { dataKey, key } = newDataKey();
      const made = await new Cmk(first, { alsoUnwrap: [others.keyId] }).wrapDataKey(dataKey, {
        context,
      });
      check(made.entry.keyId !== others.keyId, "the label is that of the own key");
      await opens(new Cmk(second, { alsoUnwrap: [made.entry.keyId] }), made.entry, key);
    },
  },
  {
    clause: "D4",
    name: "matches knows the own label and no other",
    async run(setup) {
      const { first, second } = setup;
      const { entry } = await wrappedByFirst(setup);
      const { entry: others } = await new Cmk(second).generateDataKey({ context });
      const cmk = new Cmk(first);
      check(await cmk.matches(entry), "the own label");
      check(!(await cmk.matches(others)), "not the label of another key of the same KMS");
      check(
        !(await cmk.matches({ ...entry, provider: "org.example.other" })),
        "nor of another KMS",
      );
      const strange = [entry.keyId.slice(0, -1), `${entry.keyId}x`, "x", "../..", "a/b", "*", "😀"];
      await forEach(strange, async (keyId) => {
        const named = await cmk.matches({ ...entry, keyId });
        check(!named, `not ${JSON.stringify(keyId)}`);
      });
    },
  },
  {
    clause: "D4",
    name: "what was wrapped by alias opens by alias, by the key, and by its canonical label",
    needs: "alias",
    async run({ alias, first }) {
      if (alias === undefined) return;
      const { dataKey, entry } = await new Cmk(alias).generateDataKey({ context });
      const key = keyHex(dataKey);
      await opens(new Cmk(alias, { alsoUnwrap: [entry.keyId] }), entry, key);
      await opens(new Cmk(first, { alsoUnwrap: [entry.keyId] }), entry, key);
      if (alias.matches !== undefined) await opens(new Cmk(alias), entry, key);
    },
  },
  {
    clause: "D4",
    name: "a driver over an alias refuses the work of another key",
    needs: "alias",
    async run({ alias, second }) {
      if (alias === undefined) return;
      const { entry } = await new Cmk(second).generateDataKey({ context });
      const cmk = new Cmk(alias);
      await refuses("ERR_ENVELOPE_NO_KEY", "the other key's label", () =>
        cmk.unwrapDataKey(entry, { context }),
      );
      await refuses("ERR_ENVELOPE_KMS_REJECTED", "a false label", () =>
        cmk.unwrapDataKey({ ...entry, keyId: alias.keyId }, { context }),
      );
    },
  },
];
