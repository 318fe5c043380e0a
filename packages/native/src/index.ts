/**
 * A crypto backend on AWS-LC: `useCryptoBackend(native)` before the first message. Importing this module
 * loads the addon.
 *
 * @throws EnvelopeError `ERR_ENVELOPE_UNSUPPORTED`, where there is no addon for the platform.
 *
 * @module
 */
import { DrawnInAdvance, type CryptoBackend } from "@env/core/crypto";
import { addon, type Bytes } from "./addon.ts";

const drawn = new DrawnInAdvance(random);

const native: CryptoBackend = {
  name: "native",
  version: addon.version(),
  module: import.meta.url,
  synchronous: true,
  random,
  randomPublic: (length) => drawn.take(length),
  sha256: (data) => filled(32, (out) => addon.sha256(data, out)),
  equal: addon.equal,
  hmacKey: addon.hmacKey,
  hmacSha512: (key, data) => filled(64, (out) => addon.hmacSha512(key, data, out)),
  messageKeys(dataKey, info) {
    const commitment = new Uint8Array(32);
    return { keys: addon.messageKeys(dataKey, info, commitment), commitment };
  },
  sealChunks: addon.sealChunks,
  openChunks: addon.openChunks,
  sealPayload: addon.sealPayload,
  openPayload: addon.openPayload,
  sealPayloads: (dataKey, infos, infoLengths, plaintexts, plaintextLengths, out) =>
    addon.sealPayloads(
      dataKey,
      infos,
      bytesOf(infoLengths),
      plaintexts,
      bytesOf(plaintextLengths),
      out,
    ),
  openPayloads: (dataKey, infos, infoLengths, sealed, sealedLengths, out) =>
    addon.openPayloads(dataKey, infos, bytesOf(infoLengths), sealed, bytesOf(sealedLengths), out),
  share: (keys) => filled(16, (ticket) => addon.share(keys, ticket)),
  adopt(shared) {
    if (!(shared instanceof Uint8Array)) {
      throw new TypeError("adopt needs what share returned in another thread");
    }
    const keys = addon.adopt(new Uint8Array(shared));
    if (keys !== null) return keys;
    throw new RangeError(
      "no thread holds the shared keys any longer: keep them until they are adopted",
    );
  },
};

// oxlint-disable-next-line import/no-default-export -- worker threads import a backend so
export default native;

function random(length: number): Bytes {
  return filled(length, addon.random);
}

/** A new array after `fill` has written it. */
function filled(length: number, fill: (out: Bytes) => void): Bytes {
  const out = new Uint8Array(length);
  fill(out);
  return out;
}

/** The bytes of lengths. The addon refuses them where their memory is shared or detached. */
function bytesOf(lengths: Uint32Array): Bytes {
  if (!(lengths instanceof Uint32Array)) throw new TypeError("lengths must be a Uint32Array");
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return new Uint8Array(lengths.buffer as ArrayBuffer, lengths.byteOffset, lengths.byteLength);
}
