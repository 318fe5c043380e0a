/** The payload: every boundary length, and every way to cut, extend, reorder or alter chunks. */

import { cat, chunkNonce, derive, gcm, hkdfExpand, PREAMBLE, sealChunks } from "../format.ts";
import {
  flip,
  type EnvelopeCases,
  type EnvelopeVector,
  type Kit,
  type Sealed,
} from "../testkit.ts";
import { createHmac } from "node:crypto";

const DECRYPT = "ERR_ENVELOPE_DECRYPT";
const TRUNCATED = "ERR_ENVELOPE_TRUNCATED";

const lengths = [0, 1, 16383, 16384, 16385, 32767, 32768, 32769];

function of(kit: Kit, length: number): Sealed {
  return kit.seal({ plaintext: kit.bytes("plaintext", length) });
}

/** The first bytes of the payload of a message with the given plaintext length. */
function cut(
  kit: Kit,
  length: number,
  keep: number,
  verdict: { code: string; calls: number; released?: number; comment: string },
): EnvelopeVector {
  const sealed = of(kit, length);
  const message = cat(sealed.header, sealed.payload.subarray(0, keep));
  return sealed.refused(verdict.code, { spec: "payload", ...verdict }, message);
}

/** A message with these bytes after its final chunk. */
function extended(
  kit: Kit,
  length: number,
  extra: Buffer,
  verdict: { code: string; calls: number; stream?: string; released?: number; comment: string },
): EnvelopeVector {
  const sealed = of(kit, length);
  const message = cat(sealed.message, extra);
  return sealed.refused(verdict.code, { spec: "payload", ...verdict }, message);
}

/** A message of three chunks whose chunks arrive in another order. */
function arranged(
  kit: Kit,
  order: readonly number[],
  released: number,
  comment: string,
): EnvelopeVector {
  const sealed = of(kit, 32769);
  const chunks = sealed.chunks;
  sealed.chunks = order.flatMap((index) => chunks.slice(index, index + 1));
  return sealed.refused(DECRYPT, { spec: "payload", calls: 1, released, comment });
}

/** A message with one part altered by a bit. */
function altered(
  kit: Kit,
  length: number,
  alter: (sealed: Sealed) => void,
  comment: string,
  released = 0,
): EnvelopeVector {
  const sealed = of(kit, length);
  alter(sealed);
  return sealed.refused(DECRYPT, { spec: "payload", calls: 1, released, comment });
}

function flipChunk(sealed: Sealed, chunk: number, index: number, bit = 0): void {
  for (const bytes of sealed.chunks.slice(chunk, chunk + 1)) flip(bytes, index, bit);
}

/** A payload sealed by a writer that gets one step of the construction wrong. */
function written(
  kit: Kit,
  plaintext: Buffer,
  write: (sealed: Sealed) => void,
  verdict: { comment: string; spec: string; released?: number },
): EnvelopeVector {
  const sealed = kit.seal({ plaintext });
  write(sealed);
  return sealed.refused(DECRYPT, { calls: 1, ...verdict });
}

const positive: EnvelopeCases = Object.fromEntries(
  lengths.map((length) => [
    `length-${length}`,
    (kit: Kit) =>
      of(kit, length).opens({ spec: "payload", comment: `plaintext of ${length} bytes` }),
  ]),
);

export const payload: EnvelopeCases = {
  ...positive,

  "truncated-all": (kit) =>
    cut(kit, 20, 0, { code: TRUNCATED, calls: 0, comment: "a header and no payload" }),
  "truncated-in-salt": (kit) =>
    cut(kit, 20, 23, { code: TRUNCATED, calls: 0, comment: "ends inside the salt" }),
  "truncated-55": (kit) =>
    cut(kit, 20, 55, { code: TRUNCATED, calls: 0, comment: "the commitment lacks a byte" }),
  "truncated-56": (kit) =>
    cut(kit, 20, 56, { code: TRUNCATED, calls: 0, comment: "ends where chunk 0 begins" }),
  "truncated-71": (kit) =>
    cut(kit, 20, 71, { code: TRUNCATED, calls: 0, comment: "one byte short of the least payload" }),
  "truncated-72": (kit) =>
    cut(kit, 20, 72, {
      code: DECRYPT,
      calls: 1,
      comment: "as long as an empty message, and not one",
    }),
  "truncated-last-byte": (kit) =>
    cut(kit, 20, 56 + 20 + 15, { code: DECRYPT, calls: 1, comment: "the last byte is missing" }),
  "truncated-in-first-chunk": (kit) =>
    cut(kit, 16385, 56 + 5000, { code: DECRYPT, calls: 1, comment: "ends inside chunk 0" }),
  "truncated-in-second-chunk": (kit) =>
    cut(kit, 20000, 56 + 16400 + 2000, {
      code: DECRYPT,
      calls: 1,
      released: 16384,
      comment: "ends inside chunk 1",
    }),
  "truncated-at-chunk-boundary": (kit) =>
    cut(kit, 20000, 56 + 16400, {
      code: TRUNCATED,
      calls: 0,
      released: 16384,
      comment: "ends after a full chunk: what follows is missing, whatever it was",
    }),
  // Requirements: E23
  "truncated-final-empty-chunk": (kit) =>
    cut(kit, 16384, 56 + 16400, {
      code: TRUNCATED,
      calls: 0,
      released: 16384,
      comment: "all the plaintext is there, the empty final chunk is not",
    }),
  "truncated-in-final-tag": (kit) =>
    cut(kit, 16384, 56 + 16400 + 15, {
      code: TRUNCATED,
      calls: 0,
      released: 16384,
      comment: "15 bytes after a full chunk are too few for a tag",
    }),
  "truncated-to-a-tag": (kit) =>
    cut(kit, 20000, 56 + 16400 + 16, {
      code: DECRYPT,
      calls: 1,
      released: 16384,
      comment: "16 bytes of chunk 1 are as long as an empty final chunk",
    }),

  "extended-1": (kit) =>
    extended(kit, 20, Buffer.alloc(1), {
      code: DECRYPT,
      calls: 1,
      comment: "one byte after the end",
    }),
  "extended-empty-message": (kit) =>
    extended(kit, 0, Buffer.alloc(1), {
      code: DECRYPT,
      calls: 1,
      comment: "an empty message plus 00",
    }),
  "extended-to-chunk-boundary": (kit) =>
    extended(kit, 16383, Buffer.alloc(1), {
      code: TRUNCATED,
      calls: 0,
      stream: DECRYPT,
      comment: "one byte makes the final chunk a full one; a stream opens it before it ends",
    }),
  "extended-past-chunk-boundary": (kit) =>
    extended(kit, 16383, Buffer.alloc(17), {
      code: DECRYPT,
      calls: 1,
      comment: "17 bytes: a full chunk that was not written as one, then a possible empty chunk",
    }),
  "extended-second-chunk": (kit) =>
    extended(kit, 16385, kit.bytes("extra", 40), {
      code: DECRYPT,
      calls: 1,
      released: 16384,
      comment: "40 bytes after the final chunk, which is chunk 1",
    }),
  "extended-by-valid-chunk": (kit) => {
    const sealed = of(kit, 20);
    const nonce = chunkNonce(sealed.derived.baseNonce, 1);
    sealed.chunks.push(gcm(sealed.derived.key, nonce, kit.bytes("more", 20)));
    const comment = "a short chunk 0 and then a chunk 1, both sealed with the right key and nonce";
    return sealed.refused(DECRYPT, { spec: "payload", calls: 1, comment });
  },
  "extended-by-empty-chunk": (kit) => {
    const sealed = of(kit, 16385);
    sealed.chunks.push(
      gcm(sealed.derived.key, chunkNonce(sealed.derived.baseNonce, 2), Buffer.alloc(0)),
    );
    const comment = "a second final chunk after a short one";
    return sealed.refused(DECRYPT, { spec: "payload", calls: 1, released: 16384, comment });
  },
  "extended-by-message": (kit) => {
    const sealed = of(kit, 20);
    const comment = "two messages in a row are not one";
    const message = cat(sealed.message, sealed.message);
    return sealed.refused(DECRYPT, { spec: "payload", calls: 1, comment }, message);
  },

  "chunks-swapped": (kit) => arranged(kit, [1, 0, 2], 0, "chunks 0 and 1 exchanged"),
  "chunks-duplicated": (kit) => arranged(kit, [0, 0, 1, 2], 16384, "chunk 0 twice"),
  "chunks-repeated-in-place": (kit) =>
    arranged(kit, [0, 0, 2], 16384, "chunk 0 in place of chunk 1"),
  "chunks-first-dropped": (kit) => arranged(kit, [1, 2], 0, "chunk 0 missing"),
  "chunks-middle-dropped": (kit) => arranged(kit, [0, 2], 16384, "chunk 1 missing"),
  "chunks-final-first": (kit) => arranged(kit, [2, 0, 1], 0, "the final chunk in front"),
  "chunk-of-another-message": (kit) => {
    const sealed = of(kit, 20);
    const salt = kit.bytes("other salt", 24);
    const contextBytes = Buffer.from([0, 0]);
    const { dataKey } = kit;
    const other = derive({ dataKey, salt, preamble: PREAMBLE, contextBytes, aad: Buffer.alloc(0) });
    sealed.chunks = sealChunks(other, sealed.plaintext);
    const comment = "same data key, same position, another salt";
    return sealed.refused(DECRYPT, { spec: "payload", calls: 1, comment });
  },

  "flipped-salt": (kit) => altered(kit, 20, (m) => flip(m.salt, 0), "one bit of the salt"),
  "flipped-salt-last": (kit) =>
    altered(kit, 20, (m) => flip(m.salt, -1, 7), "last bit of the salt"),
  "flipped-commitment": (kit) =>
    altered(kit, 20, (m) => flip(m.commitment, 0), "one bit of the commitment's first byte"),
  "flipped-commitment-last": (kit) =>
    altered(kit, 20, (m) => flip(m.commitment, -1, 7), "one bit of the commitment's last byte"),
  "flipped-first-chunk": (kit) =>
    altered(kit, 20000, (m) => flipChunk(m, 0, 0), "one bit of chunk 0 of 2"),
  "flipped-first-tag": (kit) =>
    altered(kit, 20000, (m) => flipChunk(m, 0, -1, 7), "one bit of the tag of chunk 0 of 2"),
  // Requirements: E23
  "flipped-last-chunk": (kit) =>
    altered(kit, 20000, (m) => flipChunk(m, 1, 0), "one bit of the final chunk", 16384),
  "flipped-last-tag": (kit) =>
    altered(kit, 20000, (m) => flipChunk(m, 1, -1), "one bit of the final tag", 16384),
  "flipped-empty-final-tag": (kit) =>
    altered(kit, 16384, (m) => flipChunk(m, 1, 0), "one bit of the empty final chunk's tag", 16384),
  "flipped-only-tag": (kit) =>
    altered(kit, 0, (m) => flipChunk(m, 0, 3), "one bit of an empty message's tag"),

  // Requirements: E17
  "writer-counter-little-endian": (kit) =>
    written(
      kit,
      kit.bytes("plaintext", 16385),
      (m) => {
        const nonce = chunkNonce(m.derived.baseNonce, 2 ** 88);
        m.chunks = [
          ...m.chunks.slice(0, 1),
          gcm(m.derived.key, nonce, m.plaintext.subarray(16384)),
        ];
      },
      {
        spec: "payload",
        released: 16384,
        comment: "the chunk number goes into the nonce reversed",
      },
    ),
  // Requirements: E17
  "writer-counter-from-one": (kit) =>
    written(
      kit,
      kit.bytes("plaintext", 20),
      (m) => {
        m.chunks = [gcm(m.derived.key, chunkNonce(m.derived.baseNonce, 1), m.plaintext)];
      },
      { spec: "payload", comment: "chunks numbered from 1" },
    ),
  "writer-with-extract": (kit) =>
    written(
      kit,
      kit.bytes("plaintext", 20),
      (m) => {
        const prk = createHmac("sha512", Buffer.alloc(64)).update(kit.dataKey).digest();
        const okm = hkdfExpand(prk, m.derived.info, 76);
        m.commitment = okm.subarray(44);
        m.chunks = [gcm(okm.subarray(0, 32), okm.subarray(32, 44), m.plaintext)];
      },
      { spec: "key-derivation", comment: "HKDF with an Extract step: the commitment differs" },
    ),
  // Requirements: E20
  "writer-commitment-of-another-key": (kit) =>
    written(
      kit,
      kit.bytes("plaintext", 20),
      (m) => {
        m.commitment = kit.bytes("any 32 bytes", 32);
      },
      {
        spec: "key-derivation",
        comment: "every chunk opens, the commitment is another: no plaintext",
      },
    ),
};
