import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Chain, decodeHead, encodeHead, ORIGIN, type Link } from "../../src/audit/chain.ts";
import { MAX_RECORD_BYTES } from "../../src/audit/record.ts";
import { MAX_SEALED_BYTES } from "../../src/store/audit-table.ts";
import { FACTS, rootKey } from "./support/log.ts";

const chain = new Chain(rootKey(), FACTS.keystoreId);
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");
const link = (sequence: number, fill: number): Link => ({
  sequence,
  digest: new Uint8Array(32).fill(fill),
});

describe("a link", () => {
  it("depends on the record, its number and all records before it", () => {
    const first = chain.next(ORIGIN, bytes("{}"));
    expect(first.sequence).toBe(1);
    const others = [
      chain.next(ORIGIN, bytes("{} ")),
      chain.next(link(0, 1), bytes("{}")),
      chain.next(link(1, 0), bytes("{}")),
      new Chain(rootKey(8), FACTS.keystoreId).next(ORIGIN, bytes("{}")),
      new Chain(rootKey(), "11111111-2222-4333-8444-555555555556").next(ORIGIN, bytes("{}")),
    ];
    const digests = [first, ...others].map(({ digest }) => hex(digest));
    expect(new Set(digests).size).toBe(6);
    expect(hex(chain.next(ORIGIN, bytes("{}")).digest)).toBe(digests[0]);
  });
});

it("makes the longest record as long as the longest row that is read", () => {
  const { sealed } = chain.seal(ORIGIN, 0, new Uint8Array(MAX_RECORD_BYTES));
  expect(sealed).toHaveLength(MAX_SEALED_BYTES);
});

describe("a sealed record", () => {
  const record = bytes(`{"eventName":"Decrypt"}`);
  const before = link(41, 9);
  const { sealed, link: made } = chain.seal(before, 1000, record);
  const row = { sequence: 42, time: 1000, sealed };

  it("gives the record and the digest before it", () => {
    expect(chain.open(row)).toEqual({ previous: before.digest, record });
    expect(made).toEqual(chain.next(before, record));
  });

  it("holds nothing in clear", () => {
    expect(Buffer.from(sealed).includes("Decrypt")).toBe(false);
    expect(sealed).toHaveLength(1 + 24 + 8 + 32 + record.length + 16);
  });

  it("is never sealed the same way twice", () => {
    expect(hex(chain.seal(before, 1000, record).sealed)).not.toBe(hex(sealed));
  });

  it("names its own number in another place", () => {
    expect(chain.open({ ...row, sequence: 43 })).toBe(42);
  });

  it("does not open at another time, under another root key or for another keystore", () => {
    expect(chain.open({ ...row, time: 1001 })).toBeUndefined();
    expect(chain.open({ ...row, time: -1 })).toBeUndefined();
    expect(new Chain(rootKey(8), FACTS.keystoreId).open(row)).toBeUndefined();
    const other = new Chain(rootKey(), "11111111-2222-4333-8444-555555555556");
    expect(other.open(row)).toBeUndefined();
  });

  it("does not open with any bit changed, or cut at any length", () => {
    fc.assert(
      fc.property(fc.nat({ max: sealed.length * 8 - 1 }), (bit) => {
        const altered = sealed.slice();
        altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        expect(chain.open({ ...row, sealed: altered })).toBeUndefined();
      }),
    );
    for (let length = 0; length < sealed.length; length++) {
      expect(chain.open({ ...row, sealed: sealed.subarray(0, length) })).toBeUndefined();
    }
  });
});

describe("a head", () => {
  it("is read as it was written", () => {
    const head = { base: link(2 ** 40, 1), last: link(Number.MAX_SAFE_INTEGER, 2) };
    expect(encodeHead(head)).toHaveLength(80);
    expect(decodeHead(encodeHead(head))).toEqual(head);
  });

  it("of a keystore without one is that of an empty log", () => {
    expect(decodeHead(undefined)).toEqual({ base: ORIGIN, last: ORIGIN });
  });

  it("of another length, or with its ends exchanged, is invalid", () => {
    const good = encodeHead({ base: link(3, 1), last: link(3, 1) });
    expect(decodeHead(good)).toBeDefined();
    expect(decodeHead(good.subarray(1))).toBeUndefined();
    expect(decodeHead(new Uint8Array(81))).toBeUndefined();
    expect(decodeHead(encodeHead({ base: link(4, 1), last: link(3, 1) }))).toBeUndefined();
  });
});
