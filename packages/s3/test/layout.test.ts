import { isEnvelopeError } from "@env/core";
import { refusing } from "@env/testkit/refusal";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ownerOfSidecar,
  readLayout,
  sidecarKey,
  userMetadata,
  writeLayout,
} from "../src/layout.ts";

const refuses = refusing(isEnvelopeError);
const inline = {
  placement: "inline",
  headerBytes: 10,
  keyBlock: undefined,
  sidecarId: undefined,
} as const;

describe("the layout", () => {
  it("is read as it was written, for any key block that fits", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 1400 }),
        fc.integer({ min: 1, max: 20_000 }),
        (keyBlock, headerBytes) => {
          const layout = {
            placement: "metadata",
            headerBytes,
            keyBlock,
            sidecarId: undefined,
          } as const;
          const written = writeLayout(layout, { mine: "x" });
          expect(readLayout(written)).toEqual(layout);
          expect(userMetadata(written)).toEqual({ mine: "x" });
        },
      ),
    );
  });

  // Requirements: S3
  it("has exactly the bytes that S3 takes, and says what does not fit", async () => {
    const free = 2048 - "env-v1env-h10".length;
    const metadata = { a: "x".repeat(free - 1) };
    expect(writeLayout(inline, metadata)).toMatchObject(metadata);
    const error = await refuses("ERR_ENVELOPE_LIMIT", () =>
      writeLayout(inline, { a: "x".repeat(free) }),
    );
    expect(error.message).toBe(
      'the object\'s metadata would have 2049 bytes, of which 13 are its key block: S3 takes 2048. Use the placement "sidecar" or "inline", or less metadata',
    );
    await refuses("ERR_ENVELOPE_LIMIT", () => writeLayout(inline, { a: "ü".repeat(free / 2 + 1) }));
  });

  it("reserves its names in any case", () => {
    for (const name of ["env-k", "ENV-X"]) {
      expect(() => writeLayout(inline, { [name]: "" })).toThrow(TypeError);
    }
  });

  // Requirements: S1
  it.each([
    ["no version", { "env-h": "10" }],
    ["a name that is unknown", { "env-v": "1", "env-h": "10", "env-x": "1" }],
    ["a name in capitals", { "env-v": "1", "env-h": "10", "Env-K": "AAA" }],
    ["no length", { "env-v": "1" }],
    ["a length that is none", { "env-v": "1", "env-h": "010" }],
    ["two places", { "env-v": "1", "env-h": "10", "env-k": "AAA", "env-s": "a".repeat(16) }],
    ["a sidecar elsewhere", { "env-v": "1", "env-h": "10", "env-s": "../../../../etc/x" }],
    ["a key block in base64", { "env-v": "1", "env-h": "10", "env-k": "AA+/" }],
    ["a key block with bits left over", { "env-v": "1", "env-h": "10", "env-k": "AB" }],
  ])("is refused with %s", async (_, metadata) => {
    await refuses("ERR_ENVELOPE_FORMAT", () => readLayout(metadata));
  });

  // Requirements: S2
  it("of a later version is not guessed", async () => {
    await refuses("ERR_ENVELOPE_UNSUPPORTED", () => readLayout({ "env-v": "2", "env-z": "" }));
  });

  it("names a sidecar so that its object is found again", () => {
    const id = "AbC-_6789012345_";
    for (const Key of ["a", "a/b.envelope-keys", `x.${id}.envelope-keys`, "line\nfeed"]) {
      expect(ownerOfSidecar(sidecarKey(Key, id))).toEqual({ Key, id });
    }
    expect(ownerOfSidecar("a.envelope-keys")).toBeUndefined();
  });
});
