import { inspect, isEnvelopeError } from "@env/core";
import { headerLength, MAX_HEADER_BYTES, parseHeader } from "@env/core/message";
import { pattern } from "@env/testkit/bytes";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeContext } from "../src/context.ts";
import { encodeFront, rememberHeader } from "../src/header.ts";
import { encodeKeyBlock, type Entry } from "../src/key-block.ts";
import { refuses } from "./support/refuses.ts";

const entry = fc.record<Entry>({
  provider: fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,31}$/),
  keyId: fc.stringMatching(/^[ -~\u00A0-\uD7FF]{1,40}$/),
  wrapped: fc.uint8Array({ minLength: 1, maxLength: 200 }).map((bytes) => new Uint8Array(bytes)),
});
const entries = fc.uniqueArray(entry, {
  minLength: 1,
  maxLength: 16,
  selector: ({ provider, keyId }) => `${provider} ${keyId}`,
});
const stored = fc.option(fc.constant(encodeContext({ tenant: "acme" })), { nil: undefined });

describe("parseHeader", () => {
  it("reads what encodeFront and encodeKeyBlock write, and ignores what follows", () => {
    fc.assert(
      fc.property(entries, stored, fc.nat({ max: 300 }), (list, context, padding) => {
        const block = encodeKeyBlock(list);
        const padded = encodeKeyBlock(list, block.length + padding);
        const bytes = new Uint8Array([...encodeFront(context), ...padded]);
        const header = parseHeader(new Uint8Array([...bytes, 1, 2, 3]));
        expect(header.entries).toEqual(list);
        expect(header.length).toBe(bytes.length);
        expect(header.storedContextBytes).toEqual(context);
        expect(inspect(bytes)).toMatchObject({ paddingBytes: padding, plaintextBytes: undefined });
      }),
    );
  });

  // Requirements: E5
  it("refuses every proper prefix, and headerLength waits for more", () => {
    const list: Entry[] = [{ provider: "stub", keyId: "one", wrapped: pattern(60) }];
    const context = encodeContext({ tenant: "acme" });
    const bytes = new Uint8Array([...encodeFront(context), ...encodeKeyBlock(list)]);
    let known = 0;
    for (let length = 0; length < bytes.length; length++) {
      const prefix = bytes.subarray(0, length);
      expect(() => parseHeader(prefix)).toThrowError(
        expect.objectContaining({ code: "ERR_ENVELOPE_TRUNCATED" }),
      );
      const total = headerLength(prefix);
      if (total !== undefined) expect(total).toBe(bytes.length);
      else known = length + 1;
    }
    expect(known).toBe(bytes.length - encodeKeyBlock(list).length + 2);
  });

  // Requirements: E1
  it.each([
    ["stored context", "8e454e5601010100", 4096],
    ["key block", "8e454e5601010000", 16_384],
  ])("refuses a %s beyond its limit as soon as its length is there", async (_, preamble, limit) => {
    const claiming = (bytes: number): Buffer =>
      Buffer.concat([Buffer.from(preamble, "hex"), Buffer.of(bytes >> 8, bytes & 0xff)]);
    await refuses("ERR_ENVELOPE_FORMAT", () => headerLength(claiming(limit + 1)));
    expect(() => headerLength(claiming(limit))).not.toThrow();
  });

  it("fails with a code on any bytes, in bounded time", () => {
    const front = fc.constantFrom("8e454e5601010000", "8e454e5601010100", "8e454e560101");
    fc.assert(
      fc.property(front, fc.uint8Array({ maxLength: 200 }), (start, rest) => {
        try {
          parseHeader(new Uint8Array([...Buffer.from(start, "hex"), ...rest]));
        } catch (error) {
          if (!isEnvelopeError(error)) throw error;
          expect([
            "ERR_ENVELOPE_FORMAT",
            "ERR_ENVELOPE_TRUNCATED",
            "ERR_ENVELOPE_UNSUPPORTED",
          ]).toContain(error.code);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("knows its longest header", () => {
    const front = encodeFront(new Uint8Array(4096));
    const block = encodeKeyBlock([{ provider: "p", keyId: "k", wrapped: pattern(1) }], 16_386);
    expect(front.length + block.length).toBe(MAX_HEADER_BYTES);
  });

  it("refuses entries that need more than 16 KiB", async () => {
    const wrapped = pattern(4096);
    const list = [1, 2, 3, 4].map((i): Entry => ({ provider: "p", keyId: `${i}`, wrapped }));
    await refuses("ERR_ENVELOPE_LIMIT", () => encodeKeyBlock(list));
  });

  // Requirements: E4
  it.each([
    ["env1.jkVOVg", "decryptText"],
    ["jkVOVgEBAAA", "base64"],
    ["8e454e5601", "hexadecimal"],
    ["\uFFFDENV\u0001", "text decoder"],
    ["\u0002\u0005x", "AWS Encryption SDK"],
    ["something else", "stored bytes"],
  ])("tells what %j looks like", async (text, hint) => {
    const error = await refuses("ERR_ENVELOPE_FORMAT", () => parseHeader(Buffer.from(text)));
    expect(error.message).toContain(hint);
  });

  it("refuses 16 MiB of zeros at once", async () => {
    await refuses("ERR_ENVELOPE_FORMAT", () => parseHeader(new Uint8Array(2 ** 24)));
  });
});

describe("rememberHeader", () => {
  it("reads as parseHeader does, whatever was read before", () => {
    const read = rememberHeader();
    const remembered = { messages: [] as Uint8Array[] };
    fc.assert(
      fc.property(entries, stored, fc.boolean(), fc.nat(), (list, context, again, at) => {
        const fresh = new Uint8Array([...encodeFront(context), ...encodeKeyBlock(list), 7, 7]);
        const bytes = (again && remembered.messages.at(-1)) || fresh;
        remembered.messages.push(bytes);
        expect(read(bytes)).toEqual(parseHeader(bytes));
        const altered = bytes.slice();
        altered[at % bytes.length] = (altered[at % bytes.length] ?? 0) ^ 1;
        expect(outcome(() => read(altered))).toEqual(outcome(() => parseHeader(altered)));
      }),
    );
  });

  it("gives the same header for the same bytes, and is not misled by a changed array", () => {
    const read = rememberHeader();
    const list: Entry[] = [{ provider: "stub", keyId: "one", wrapped: pattern(60) }];
    const bytes = new Uint8Array([...encodeFront(undefined), ...encodeKeyBlock(list)]);
    const header = read(bytes);
    expect(read(new Uint8Array([...bytes, 1, 2, 3]))).toBe(header);
    bytes[bytes.length - 1] = 0;
    expect(read(bytes).entries?.[0]?.wrapped.at(-1)).toBe(0);
    expect(header.entries).toEqual(list);
    expect(() => read(bytes.subarray(0, -1))).toThrowError(
      expect.objectContaining({ code: "ERR_ENVELOPE_TRUNCATED" }),
    );
  });
});

function outcome(fn: () => unknown): unknown {
  try {
    return fn();
  } catch (error) {
    return error;
  }
}
