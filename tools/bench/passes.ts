/**
 * Bytes that pass through a package's streams, from memory to nowhere, and how fast they do.
 *
 * The mistakes it avoids: bytes that are kept (a sink that holds its input makes the sides with large
 * outputs pay for memory), and a path that is broken: what a package opens is compared once and counted
 * always. The messages to open are made anew in each round, outside of the time.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { Readable, Writable, type Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { Data, MIB, requireSame, seconds } from "./bench.ts";
import { collectGarbage } from "./measure.ts";
import type { Measures } from "./sides.ts";

type Take = (bytes: Uint8Array) => void;
type Pass = (pieces: Iterable<Uint8Array>, take: Take) => Promise<void>;

/** Both ways through a package. */
export interface Passes {
  readonly encrypt: Pass;
  readonly decrypt: Pass;
  /** Bytes of a piece of message. Default: as of plaintext. */
  readonly sealedPiece?: number;
}

/**
 * What a side measures, in MiB/s, once it has proved to work.
 *
 * @param bytes - Of plaintext.
 * @param piece - Bytes of a piece of it.
 */
export async function measurePasses(
  { encrypt, decrypt, sealedPiece }: Passes,
  bytes: number,
  piece: number,
): Promise<Measures> {
  const data = new Data(bytes);
  // One place for all messages: a new one for each round would leave the collector with other limits.
  const room = Buffer.alloc(bytes + bytes / 16 + MIB);
  const seal = async (): Promise<Buffer> => {
    let length = 0;
    await encrypt(data.pieces(piece), (sealed) => {
      room.set(sealed, length);
      length += sealed.length;
    });
    return room.subarray(0, length);
  };
  const hash = createHash("sha256");
  await decrypt(cut(await seal(), sealedPiece ?? piece), (opened) => hash.update(opened));
  requireSame("what was decrypted", hash.digest("hex"), data.digest());
  return {
    async encrypt() {
      data.renew();
      collectGarbage();
      const took = await seconds(() => encrypt(data.pieces(piece), () => undefined));
      return bytes / MIB / took;
    },
    async decrypt() {
      data.renew();
      const message = await seal();
      let count = 0;
      collectGarbage();
      const took = await seconds(() =>
        decrypt(cut(message, sealedPiece ?? piece), (opened) => {
          count += opened.length;
        }),
      );
      requireSame("bytes that were decrypted", count, bytes);
      return bytes / MIB / took;
    },
  };
}

/** A pass through Node streams, with the same pipeline for all sides. */
export function through(open: () => Duplex): Pass {
  return async (pieces, take) => {
    const iterator = pieces[Symbol.iterator]();
    const source = new Readable({
      highWaterMark: 64 * 1024,
      read() {
        const { done, value } = iterator.next();
        this.push(done === true ? null : value);
      },
    });
    const sink = new Writable({
      highWaterMark: MIB,
      write(bytes: Buffer, _encoding, written) {
        take(bytes);
        written();
      },
    });
    await pipeline(source, open(), sink);
  };
}

function* cut(message: Buffer, pieceBytes: number): Generator<Buffer, void> {
  for (let at = 0; at < message.length; at += pieceBytes) {
    yield message.subarray(at, at + pieceBytes);
  }
}
