/**
 * D2: a wrapped key altered in any way is rejected.
 *
 * Flipping one bit keeps the length, so that only authentication can detect it. A driver whose wrapped
 * key is text (base64) must also refuse other spellings of the same bytes.
 *
 * @module
 */
import { Cmk } from "@env/core";
import { concat, copyOf, flipped, hex } from "../bytes.ts";
import { check, context, forEach, newDataKey, opens, refuses, wrappedByFirst } from "../check.ts";
import type { CaseDefinition, CmkSetup } from "../harness.ts";

export const integrityCases: readonly CaseDefinition[] = [
  {
    clause: "D2",
    name: "unwrap refuses one flipped bit, at every byte",
    run: (setup) => refusesAll(setup, (wrapped) => flips(wrapped, (at) => [1 << (at % 8)])),
  },
  {
    clause: "D2",
    // 0x20 flips the case of a letter, which hex and lenient text decoders ignore.
    name: "unwrap refuses a flipped letter case, at every byte",
    run: (setup) => refusesAll(setup, (wrapped) => flips(wrapped, () => [0x20])),
  },
  {
    clause: "D2",
    // This is where base64 has unused bits, which a lenient decoder ignores.
    name: "unwrap refuses any flipped bit in the last bytes",
    run: (setup) =>
      refusesAll(setup, (wrapped) =>
        flips(wrapped, (at) => (at < wrapped.length - 4 ? [] : [1, 2, 4, 8, 16, 32, 64, 128])),
      ),
  },
  {
    clause: "D2",
    name: "unwrap refuses every truncation",
    run: (setup) =>
      refusesAll(setup, (wrapped) =>
        Array.from({ length: wrapped.length - 1 }, (_, i) => [
          `the first ${i + 1} of ${wrapped.length} bytes`,
          wrapped.slice(0, i + 1),
        ]),
      ),
  },
  {
    clause: "D2",
    name: "unwrap refuses a wrapped key without its first bytes",
    run: (setup) =>
      refusesAll(setup, (wrapped) =>
        [1, 2, 4, 12, 16].map((cut) => [`${cut} bytes cut off in front`, wrapped.slice(cut)]),
      ),
  },
  {
    clause: "D2",
    name: "unwrap refuses an extension",
    run: (setup) =>
      refusesAll(setup, (wrapped) => [
        ["a zero behind", concat(wrapped, Uint8Array.of(0))],
        ["a one behind", concat(wrapped, Uint8Array.of(0xff))],
        ["a line feed behind", concat(wrapped, Uint8Array.of(0x0a))],
        ["an equals sign behind", concat(wrapped, Uint8Array.of(0x3d))],
        ["16 zeros behind", concat(wrapped, new Uint8Array(16))],
        ["a zero in front", concat(Uint8Array.of(0), wrapped)],
        ["a space in front", concat(Uint8Array.of(0x20), wrapped)],
        ["itself behind", concat(wrapped, wrapped)],
      ]),
  },
  {
    clause: "D2",
    name: "unwrap refuses the head of one wrapped key with the tail of another",
    async run(setup) {
      const cmk = new Cmk(setup.first);
      const { entry: other } = await cmk.wrapDataKey(newDataKey().dataKey, { context });
      const others = copyOf(other.wrapped);
      await refusesAll(setup, (wrapped) => {
        const same = new Set([hex(wrapped), hex(others)]);
        return Array.from({ length: wrapped.length - 1 }, (_, i): Altered => [
          `${i + 1} bytes of one and the rest of another`,
          concat(wrapped.slice(0, i + 1), others.slice(i + 1)),
        ]).filter(([, spliced]) => !same.has(hex(spliced)));
      });
    },
  },
];

type Altered = readonly [what: string, wrapped: Uint8Array<ArrayBuffer>];

/**
 * Asserts that all alterations of a wrapped key are refused, and that the original still unwraps
 * afterwards.
 */
async function refusesAll(
  setup: CmkSetup,
  alter: (wrapped: Uint8Array) => readonly Altered[],
): Promise<void> {
  const { cmk, entry, key } = await wrappedByFirst(setup);
  const all = alter(copyOf(entry.wrapped));
  check(all.length > 0, "there is something to alter");
  await forEach(all, async ([what, wrapped]) => {
    await refuses("ERR_ENVELOPE_KMS_REJECTED", what, () =>
      cmk.unwrapDataKey({ ...entry, wrapped }, { context }),
    );
  });
  await opens(cmk, entry, key);
}

/** Returns one alteration per byte and mask. */
function flips(wrapped: Uint8Array, masks: (at: number) => readonly number[]): Altered[] {
  return Array.from(wrapped, (_, at) =>
    masks(at).map((mask): Altered => [
      `byte ${at} with bits ${mask} flipped`,
      flipped(wrapped, at, mask),
    ]),
  ).flat();
}
