/**
 * The checksums that S3 knows and Node does not: CRC-32C and CRC-64/NVME.
 *
 * Source: NVM Express NVM Command Set Specification, section 5.2.1.3.4, "64b CRC"
 *
 * @module
 */
import { crc32c } from "@env/testkit/crc32c";

export { crc32c };

/** The polynomial 0xAD93D23594C93659, reflected. */
const NVME: readonly [number, number] = [0x9a6c9329, 0xac4bc9b5];

const high = new Uint32Array(256);
const low = new Uint32Array(256);
for (let byte = 0; byte < 256; byte++) {
  let [h, l] = [0, byte];
  for (let bit = 0; bit < 8; bit++) {
    const odd = l & 1;
    l = (l >>> 1) | (h << 31);
    h >>>= 1;
    if (odd === 1) [h, l] = [h ^ NVME[0], l ^ NVME[1]];
  }
  high[byte] = h;
  low[byte] = l;
}

/** Returns the 8 bytes of the checksum, the most significant first. */
export function crc64Nvme(pieces: Iterable<Uint8Array>): Buffer {
  let [h, l] = [-1, -1];
  for (const piece of pieces) {
    for (const byte of piece) {
      const index = (l ^ byte) & 0xff;
      l = ((l >>> 8) | (h << 24)) ^ (low[index] ?? 0);
      h = (h >>> 8) ^ (high[index] ?? 0);
    }
  }
  const result = Buffer.alloc(8);
  result.writeUInt32BE(~h >>> 0, 0);
  result.writeUInt32BE(~l >>> 0, 4);
  return result;
}
