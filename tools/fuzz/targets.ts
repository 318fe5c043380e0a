/**
 * What must hold for any input at all. Each target takes bytes and throws a {@link Finding} where its
 * property does not.
 *
 * A reader may refuse with a code of the format and in no other way: a TypeError or RangeError out of
 * bytes means that a length was believed. What it accepts must be the one encoding of what it read,
 * which is made here anew from the parsed values.
 *
 * Source: spec/envelope-v1.md#layout, #key-block, #context, #text-form
 *
 * @module
 */
import { attachKeyBlock, decodeText, detachKeyBlock, encodeContext, encodeText } from "@env/core";
import { inspect, isEnvelopeError, type Entry } from "@env/core";
import { headerLength, parseHeader, payloadLength, type Header } from "@env/core/message";
import type { Bytes } from "./mutate.ts";

/** A property that does not hold. */
export class Finding extends Error {
  override readonly name = "Finding";
}

/** What the fuzzer calls. The tests put broken ones in their place. */
export interface Readers {
  readonly headerLength: typeof headerLength;
  readonly parseHeader: typeof parseHeader;
  readonly inspect: typeof inspect;
  readonly decodeText: typeof decodeText;
  readonly attachKeyBlock: typeof attachKeyBlock;
}

export const readers: Readers = {
  headerLength,
  parseHeader,
  inspect,
  decodeText,
  attachKeyBlock,
};

export type Target = (input: Bytes, readers: Readers) => void;

const CODES = new Set<string>([
  "ERR_ENVELOPE_FORMAT",
  "ERR_ENVELOPE_UNSUPPORTED",
  "ERR_ENVELOPE_TRUNCATED",
]);

export type Verdict<T> = { readonly value: T } | { readonly code: string };

/** What a reader says of its input; any other way out of it than its codes is a finding. */
export function verdict<T>(what: string, read: () => T): Verdict<T> {
  try {
    return { value: read() };
  } catch (error) {
    if (isEnvelopeError(error) && CODES.has(error.code)) return { code: error.code };
    throw new Finding(`${what} threw ${String(error)}`, { cause: error });
  }
}

/** parseHeader, headerLength over growing prefixes, and inspect agree; what is accepted comes back. */
export const header: Target = (input, read) => {
  const parsed = verdict("parseHeader", () => read.parseHeader(input));
  const length = verdict("headerLength", () => read.headerLength(input));
  if ("code" in length) {
    expect(same(parsed, length), "headerLength refuses what parseHeader does not");
  } else if (length.value === undefined || length.value > input.length) {
    expect(
      same(parsed, { code: "ERR_ENVELOPE_TRUNCATED" }),
      "a header that is cut short was accepted",
    );
  }
  growing(input, length, read.headerLength);

  const facts = verdict("inspect", () => read.inspect(input));
  if ("code" in parsed) {
    expect(same(facts, parsed), "inspect and parseHeader disagree");
    return;
  }
  if ("code" in facts) throw new Finding("inspect refuses what parseHeader accepts");
  const { value } = parsed;
  expect("value" in length && length.value === value.length, "two lengths of one header");
  const front = input.subarray(0, value.length);
  expect(equal(rebuild(value), front), "the header does not encode to the bytes it was read from");
  const alone = verdict("parseHeader", () => read.parseHeader(front.slice()));
  expect("value" in alone && alone.value.length === value.length, "the header alone is refused");
  const { headerBytes, payloadBytes, plaintextBytes, paddingBytes } = facts.value;
  expect(headerBytes + payloadBytes === input.length, "inspect's lengths do not add up");
  expect(paddingBytes >= 0, "inspect found negative padding");
  expect(
    plaintextBytes === undefined || payloadLength(plaintextBytes) === payloadBytes,
    "inspect's plaintext length is not that of the payload",
  );
};

/** Checks a growing prefix: it gives nothing, and from some length on the same number or the same refusal. */
function growing(
  input: Bytes,
  whole: Verdict<number | undefined>,
  read: Readers["headerLength"],
): void {
  let before: Verdict<number | undefined> = { value: undefined };
  for (let end = 0; end <= input.length; end += end < 24 ? 1 : Math.max(1, end >> 2)) {
    const now = verdict("headerLength", () => read(input.subarray(0, end)));
    const settled = "code" in before || before.value !== undefined;
    expect(!settled || same(now, before), `headerLength changed its mind at ${end} bytes`);
    before = now;
  }
  const settled = "code" in before || before.value !== undefined;
  expect(!settled || same(whole, before), "headerLength says another thing of the whole");
}

/** Input as a detached key block: attached it comes back unchanged, or it is refused. */
export const keyBlock: Target = (input, read) => {
  const attached = verdict("attachKeyBlock", () => read.attachKeyBlock(DETACHED, input));
  if ("code" in attached) return;
  const message = new Uint8Array(attached.value);
  const parsed = verdict("parseHeader", () => read.parseHeader(message));
  if ("code" in parsed) throw new Finding("an attached key block does not parse");
  expect(equal(rebuild(parsed.value), message), "the key block does not encode to its bytes");
  expect(equal(detachKeyBlock(message).keyBlock, input), "the key block does not come off again");
};

/** Input as a stored context: read back it encodes to the same bytes, or it is refused. */
export const context: Target = (input, read) => {
  const bytes = input.subarray(0, 5000);
  const parsed = verdict("the stored context", () => read.parseHeader(storing(bytes)));
  if ("code" in parsed) return;
  const { storedContext } = parsed.value;
  if (storedContext === undefined) throw new Finding("the stored context was lost");
  expect(equal(encodeContext(storedContext), bytes), "the context does not encode to its bytes");
};

/** Input as text: only what encodeText writes is read, and every message survives. */
export const text: Target = (whole, read) => {
  const input = whole.subarray(0, 1024);
  const given = String.fromCharCode(...input);
  const good = encodeText(input);
  const middle = good.length >> 1;
  const disturbed = [" ", "\n", "=", "\u00e9", "A"].flatMap((more) => [
    more + good,
    good + more,
    good.slice(0, middle) + more + good.slice(middle),
  ]);
  for (const candidate of [given, `env1.${given}`, good.slice(0, -1), ...disturbed]) {
    const decoded = verdict("decodeText", () => read.decodeText(candidate));
    if ("value" in decoded) {
      expect(encodeText(decoded.value) === candidate, "two texts give one message");
    } else {
      const codes = ["ERR_ENVELOPE_FORMAT", "ERR_ENVELOPE_TRUNCATED"];
      expect(codes.includes(decoded.code), `decodeText threw ${decoded.code}`);
    }
  }
  if (input.length === 0) return; // No message is empty.
  const back = verdict("decodeText", () => read.decodeText(good));
  expect("value" in back && equal(back.value, input), "a message does not survive its text form");
};

export const targets: Readonly<Record<string, Target>> = { header, keyBlock, context, text };

const DETACHED: Bytes = Uint8Array.of(0x8e, 0x45, 0x4e, 0x56, 1, 1, 0, 0, 0, 0);

function storing(contextBytes: Bytes): Bytes {
  const preamble = Uint8Array.of(0x8e, 0x45, 0x4e, 0x56, 1, 1, 1, 0);
  return new Uint8Array(Buffer.concat([preamble, prefixed(contextBytes), Uint8Array.of(0, 0)]));
}

/** The bytes of a header, written from its values and from the specification alone. */
function rebuild({ preamble, storedContext, entries, length, keyBlockOffset }: Header): Bytes {
  const parts: Uint8Array[] = [preamble];
  if (storedContext !== undefined) parts.push(prefixed(encodeContext(storedContext)));
  const body = entries === undefined ? new Uint8Array(0) : keyBlockBody(entries);
  const padded = new Uint8Array(length - keyBlockOffset - 2);
  if (body.length > padded.length) throw new Finding("entries take more room than the key block");
  padded.set(body);
  return new Uint8Array(Buffer.concat([...parts, prefixed(padded)]));
}

function keyBlockBody(entries: readonly Entry[]): Uint8Array {
  const parts = entries.flatMap(({ provider, keyId, wrapped }) => [
    Uint8Array.of(Buffer.byteLength(provider)),
    Buffer.from(provider),
    prefixed(Buffer.from(keyId)),
    prefixed(wrapped),
  ]);
  return Buffer.concat([Uint8Array.of(entries.length), ...parts]);
}

function prefixed(bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(bytes.length >>> 8, bytes.length & 0xff), bytes]);
}

function same(a: Verdict<unknown>, b: Verdict<unknown>): boolean {
  if ("code" in a || "code" in b) return "code" in a && "code" in b && a.code === b.code;
  return a.value === b.value;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

export function expect(holds: boolean, finding: string): asserts holds {
  if (!holds) throw new Finding(finding);
}
