/**
 * Drivers that break D2, D3 and D4: how tightly the wrapped bytes, the context and the key are bound.
 *
 * @module
 */
import { encodeEncryptionContext, type Bytes, type Context } from "@env/core";
import type { CmkDriver } from "@env/core/driver";
import type { BrokenDriver } from "../broken.ts";
import { base64, concat, fromHex, hex, latin1, random } from "../bytes.ts";
import { bare, Fault, faulty } from "./fault.ts";

export const brokenBinding: readonly BrokenDriver[] = [
  framing(
    "ignores the first byte",
    (wrapped) => concat(random(1), wrapped),
    (framed) => framed.slice(1),
  ),
  framing(
    "ignores the last byte",
    (wrapped) => concat(wrapped, random(1)),
    (framed) => framed.slice(0, -1),
  ),
  framing(
    "ignores one bit of the first byte",
    (wrapped) => concat(Uint8Array.of(1), wrapped),
    (framed) => (((framed[0] ?? 0) & 0xfe) === 0 ? framed.slice(1) : undefined),
  ),
  framing(
    "does not miss what was cut off",
    (wrapped) =>
      concat(Uint8Array.of(wrapped.length >>> 8, wrapped.length), wrapped, new Uint8Array(8)),
    (framed) => {
      const end = 2 + (framed[0] ?? 0) * 256 + (framed[1] ?? 0);
      return framed.slice(end).some((byte) => byte !== 0) ? undefined : framed.slice(2, end);
    },
  ),
  framing(
    "does not mind what was appended",
    (wrapped) => concat(Uint8Array.of(wrapped.length >>> 8, wrapped.length), wrapped),
    (framed) => framed.slice(2, 2 + (framed[0] ?? 0) * 256 + (framed[1] ?? 0)),
  ),
  framing(
    "reads hex in upper and lower case",
    (wrapped) => ofText(hex(wrapped)),
    (framed) => (/^(?:[\da-f]{2})+$/i.test(latin1(framed)) ? fromHex(latin1(framed)) : undefined),
  ),
  framing(
    "reads base64 with white space and stray bits",
    (wrapped) => ofText(base64(concat(wrapped, new Uint8Array(2)))),
    (framed) => {
      try {
        return ofText(atob(latin1(framed))).slice(0, -2);
      } catch {
        return undefined;
      }
    },
  ),
  {
    name: "wraps the data key in two halves",
    clause: "D2",
    make: (honest) =>
      bare(honest, {
        async wrap(request) {
          const [one, two] = await Promise.all(
            [0, 16].map((at) => {
              const half = concat(
                request.plaintext.slice(at, at + 16),
                new Uint8Array(16).fill(at),
              );
              return honest.wrap({ ...request, plaintext: half });
            }),
          );
          if (one === undefined || two === undefined) throw new Fault("ERR_ENVELOPE_KMS_ERROR");
          return { ...one, wrapped: concat(one.wrapped, two.wrapped) };
        },
        async unwrap(request) {
          const middle = request.wrapped.length / 2;
          const halves = await Promise.all(
            [0, middle].map((at) =>
              honest.unwrap({ ...request, wrapped: request.wrapped.slice(at, at + middle) }),
            ),
          );
          const inOrder = halves.every(({ plaintext }, i) => plaintext[31] === i * 16);
          if (!inOrder) throw new Fault("ERR_ENVELOPE_KMS_REJECTED");
          return { plaintext: concat(...halves.map(({ plaintext }) => plaintext.slice(0, 16))) };
        },
      }),
  },
  {
    name: "unwraps altered bytes to other bytes",
    clause: "D2",
    make: (honest) =>
      bare(honest, {
        async unwrap(request) {
          try {
            return await honest.unwrap(request);
          } catch (error) {
            if (honest.classify(error) !== "ERR_ENVELOPE_KMS_REJECTED") throw error;
            return { plaintext: random(32) };
          }
        },
      }),
  },
  binding("drops the context", () => ({})),
  binding("binds the keys and not the values", (map) => eachValue(map, () => "")),
  binding("binds the values and not the keys", (map) => ({
    values: sortedJson(Object.values(map)),
  })),
  binding("binds keys and values each for themselves", (map) => ({
    keys: sortedJson(Object.keys(map)),
    values: sortedJson(Object.values(map)),
  })),
  binding("joins keys and values without lengths", (map) => ({
    joined: pairsOf(map).flat().join(""),
  })),
  binding("joins pairs with commas", (map) => ({
    joined: pairsOf(map)
      .map(([key, value]) => `${key}=${value}`)
      .join(),
  })),
  binding("writes JSON without escapes", (map) => ({
    json: `{${pairsOf(map)
      .map(([key, value]) => `"${key}":"${value}"`)
      .join()}}`,
  })),
  binding("lowers the case of values", (map) => eachValue(map, (value) => value.toLowerCase())),
  binding("trims values", (map) => eachValue(map, (value) => value.trim())),
  binding("ends values at a NUL", (map) => eachValue(map, (value) => value.replace(/\0.*/su, ""))),
  binding("normalises Unicode", (map) => eachValue(map, (value) => value.normalize("NFC"))),
  binding("takes the low byte of every character", (map) =>
    eachValue(map, (value) => latin1(Uint8Array.from(value, (c) => c.charCodeAt(0)))),
  ),
  binding("leaves out pairs with an empty value", (map) =>
    Object.fromEntries(Object.entries(map).filter(([, value]) => value !== "")),
  ),
  binding("binds the first 1024 characters", (map) => ({
    start: JSON.stringify(pairsOf(map)).slice(0, 1024),
  })),
  binding("loses a pair named __proto__", (map) => {
    const copy: Record<string, string> = {};
    for (const [key, value] of Object.entries(map)) copy[key] = value;
    return copy;
  }),
  binding("drops the pair env:format", (map) =>
    Object.fromEntries(Object.entries(map).filter(([key]) => key !== "env:format")),
  ),
  {
    name: "unwraps with the key that the wrapped bytes name",
    clause: "D4",
    make: (honest) =>
      bare(honest, {
        async wrap(request) {
          const made = await honest.wrap(request);
          return { ...made, wrapped: labelled(made.keyId, made.wrapped) };
        },
        unwrap(request) {
          const { label, wrapped } = readLabelled(request.wrapped);
          return honest.unwrap({ ...request, wrapped, keyId: label });
        },
      }),
  },
  {
    name: "rewraps with the key that the wrapped bytes name",
    clause: "D4",
    make: (honest) =>
      bare(honest, {
        async wrap(request) {
          const made = await honest.wrap(request);
          return { ...made, wrapped: labelled(made.keyId, made.wrapped) };
        },
        async unwrap(request) {
          const { label, wrapped } = readLabelled(request.wrapped);
          await honest.unwrap({ ...request, wrapped }); // Here the requested key must match.
          return honest.unwrap({ ...request, wrapped, keyId: label });
        },
        async rewrap(request) {
          const { label, wrapped } = readLabelled(request.wrapped);
          const { plaintext } = await honest.unwrap({ ...request, wrapped, keyId: label });
          const made = await honest.wrap({ ...request, plaintext });
          return { ...made, wrapped: labelled(made.keyId, made.wrapped) };
        },
      }),
  },
  {
    name: "calls its own key whatever it is asked for",
    clause: "D4",
    make: (honest) =>
      bare(honest, { unwrap: (request) => honest.unwrap({ ...request, keyId: honest.keyId }) }),
  },
  {
    name: "falls back to its own key",
    clause: "D4",
    make: (honest) =>
      bare(honest, {
        async unwrap(request) {
          try {
            return await honest.unwrap(request);
          } catch {
            return honest.unwrap({ ...request, keyId: honest.keyId });
          }
        },
      }),
  },
  {
    name: "does not know its own canonical label",
    clause: "D4",
    make: (honest) => faulty(honest, { matches: (label) => label === honest.keyId }),
  },
  {
    name: "takes every label for its own",
    clause: "D4",
    make: (honest) => faulty(honest, { matches: () => true }),
  },
  {
    name: "takes labels that start like its own for its own",
    clause: "D4",
    make: (honest) =>
      faulty(honest, {
        async matches(label, signal) {
          const own = honest.matches ? await honest.matches(label, signal) : label === honest.keyId;
          return own || label.startsWith(honest.keyId);
        },
      }),
  },
];

/** Frames the result of the correct driver, and parses the frame carelessly. */
function framing(
  name: string,
  frame: (wrapped: Bytes) => Bytes,
  read: (framed: Bytes) => Bytes | undefined,
): BrokenDriver {
  return {
    name,
    clause: "D2",
    make: (honest) =>
      bare(honest, {
        async wrap(request) {
          const made = await honest.wrap(request);
          return { ...made, wrapped: frame(made.wrapped) };
        },
        async unwrap(request) {
          const wrapped = read(request.wrapped);
          if (wrapped === undefined) throw new Fault("ERR_ENVELOPE_KMS_REJECTED");
          return honest.unwrap({ ...request, wrapped });
        },
      }),
  };
}

/** Wraps and unwraps under a rewritten context. */
function binding(name: string, rewrite: (map: Context) => Context): BrokenDriver {
  return { name, clause: "D3", make: (honest) => rebound(honest, rewrite) };
}

/** Returns a driver that rewrites the context of every call. */
export function rebound(honest: CmkDriver, rewrite: (map: Context) => Context): CmkDriver {
  const rebind = <T extends { readonly context: { readonly map: Context } }>(request: T) => {
    const map = rewrite(request.context.map);
    return { ...request, context: { map, bytes: encodeEncryptionContext(map) } };
  };
  return bare(honest, {
    wrap: (request) => honest.wrap(rebind(request)),
    unwrap: (request) => honest.unwrap(rebind(request)),
  });
}

function pairsOf(map: Context): readonly (readonly [key: string, value: string])[] {
  return Object.entries(map).toSorted(([a], [b]) => (a < b ? -1 : 1));
}

function sortedJson(texts: readonly string[]): string {
  return JSON.stringify(texts.toSorted((a, b) => (a < b ? -1 : 1)));
}

function eachValue(map: Context, rewrite: (value: string) => string): Context {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, rewrite(value)]));
}

function ofText(characters: string): Bytes {
  return Uint8Array.from(characters, (character) => character.charCodeAt(0));
}

/** Prepends the label of the wrapping key, as in a self-describing ciphertext. */
function labelled(label: string, wrapped: Bytes): Bytes {
  const bytes = new TextEncoder().encode(label);
  return concat(Uint8Array.of(bytes.length >>> 8, bytes.length & 0xff), bytes, wrapped);
}

function readLabelled(bytes: Bytes): { readonly label: string; readonly wrapped: Bytes } {
  const end = 2 + (bytes[0] ?? 0) * 256 + (bytes[1] ?? 0);
  return { label: new TextDecoder().decode(bytes.slice(2, end)), wrapped: bytes.slice(end) };
}
