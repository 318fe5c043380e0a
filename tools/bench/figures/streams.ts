/**
 * Measures streams against other packages: 256 MiB in pieces of 64 KiB, both ways, to nowhere.
 *
 * The mistakes it avoids: bytes that are kept (a sink that holds its input makes the sides with large
 * outputs pay for memory), a peer at its slowest only (the Encryption SDK runs with its defaults and
 * at its fastest: no signature, frames of 1 MiB), and a path that is broken (what each side opens is
 * compared once). The messages to open are made anew in each round, outside of the time.
 *
 * @module
 */
import { createHash, randomBytes } from "node:crypto";
import { Readable, Writable, type Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { decryptStream, encryptStream } from "@env/node-stream";
import { CONTEXT, Data, MIB, openEnvelope, requireSame, seconds, type Figure } from "../bench.ts";
import {
  loadPeer,
  missing,
  openEsdk,
  type EsdkOptions,
  type OpenedEsdk,
  type Sodium,
  type Typage,
} from "../peers.ts";
import type { Row } from "../row.ts";

const PIECE = 64 * 1024;
const OURS = "env";

type Take = (bytes: Uint8Array) => void;
type Pass = (pieces: Iterable<Uint8Array>, take: Take) => Promise<void>;

interface Side {
  readonly encrypt: Pass;
  readonly decrypt: Pass;
  /** Bytes of the pieces that are decrypted. Default: 64 KiB. */
  readonly sealedPiece?: number;
}

interface Peer {
  readonly name: string;
  readonly side: Side | undefined;
  readonly atLeast: number;
}

export const streams: Figure = {
  name: "streams",
  async run(bench) {
    const data = new Data((bench.quick ? 64 : 256) * MIB);
    const esdk = openEsdk(randomBytes(32));
    const typage = loadPeer("age-encryption") as Typage | undefined;
    const sodium = loadPeer("libsodium-wrappers") as Sodium | undefined;
    const peers: Peer[] = [
      { name: "ESDK, default", side: esdk && esdkSide(esdk, false), atLeast: 12 },
      { name: "ESDK, fastest", side: esdk && esdkSide(esdk, true), atLeast: 1.5 },
      { name: "typage", side: typage && (await typageSide(typage)), atLeast: 10 },
      { name: "libsodium.js", side: sodium && (await sodiumSide(sodium)), atLeast: 4 },
    ];
    const sides: [string, Side][] = [[OURS, ourSide()]];
    for (const { name, side } of peers) if (side !== undefined) sides.push([name, side]);

    for (const [name, side] of sides) {
      bench.show(`${name}, checking`);
      const message = await collect(side.encrypt, data.pieces(PIECE));
      const hash = createHash("sha256");
      await side.decrypt(cut(message, side.sealedPiece), (bytes) => hash.update(bytes));
      requireSame(`what ${name} decrypted`, hash.digest("hex"), data.digest());
    }
    const encrypt = await bench.takeTurns(
      sides.map(([name, side]) => ({
        name,
        measure: async () => {
          const took = await seconds(() => side.encrypt(data.pieces(PIECE), () => undefined));
          return data.bytes / MIB / took;
        },
      })),
      () => data.renew(),
    );
    const decrypt = await bench.takeTurns(
      sides.map(([name, side]) => ({
        name,
        measure: async () => {
          const message = await collect(side.encrypt, data.pieces(PIECE));
          let bytes = 0;
          const took = await seconds(() =>
            side.decrypt(cut(message, side.sealedPiece), (opened) => {
              bytes += opened.length;
            }),
          );
          requireSame(`bytes that ${name} decrypted`, bytes, data.bytes);
          return data.bytes / MIB / took;
        },
      })),
      () => data.renew(),
    );

    const rows: Row[] = [];
    for (const [name, values] of Object.entries({ encrypt, decrypt })) {
      for (const { name: peer, atLeast } of peers) {
        const theirs = values.get(peer);
        rows.push({
          kind: "comparison",
          figure: `stream ${name}, ${data.bytes / MIB} MiB`,
          unit: "MiB/s",
          ours: values.get(OURS) ?? [],
          peer,
          theirs,
          atLeast,
          ...(theirs === undefined && missing()),
        });
      }
    }
    return rows;
  },
};

function ourSide(): Side {
  const { envelope } = openEnvelope();
  return {
    encrypt: through(() => encryptStream(envelope, CONTEXT)),
    decrypt: through(() => decryptStream(envelope, CONTEXT)),
  };
}

function esdkSide({ client, keyring, unsigned }: OpenedEsdk, fastest: boolean): Side {
  const encryptionContext = CONTEXT.context;
  const options: EsdkOptions = fastest
    ? { suiteId: unsigned, frameLength: MIB, encryptionContext }
    : { encryptionContext };
  return {
    encrypt: through(() => client.encryptStream(keyring, options)),
    decrypt: through(() =>
      fastest ? client.decryptUnsignedMessageStream(keyring) : client.decryptStream(keyring),
    ),
  };
}

async function typageSide({
  Decrypter,
  Encrypter,
  generateX25519Identity,
  identityToRecipient,
}: Typage): Promise<Side> {
  const identity = await generateX25519Identity();
  const encrypter = new Encrypter();
  encrypter.addRecipient(await identityToRecipient(identity));
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  return {
    async encrypt(pieces, take) {
      for await (const bytes of await encrypter.encrypt(webStream(pieces))) take(bytes);
    },
    async decrypt(pieces, take) {
      for await (const bytes of await decrypter.decrypt(webStream(pieces))) take(bytes);
    },
  };
}

/** It has no streams: a loop over pieces, which costs it nothing. */
async function sodiumSide(sodium: Sodium): Promise<Side> {
  await sodium.ready;
  const key = sodium.crypto_secretstream_xchacha20poly1305_keygen();
  const tag = sodium.crypto_secretstream_xchacha20poly1305_TAG_MESSAGE;
  let front = new Uint8Array();
  return {
    sealedPiece: PIECE + sodium.crypto_secretstream_xchacha20poly1305_ABYTES,
    async encrypt(pieces, take) {
      const { state, header } = sodium.crypto_secretstream_xchacha20poly1305_init_push(key);
      front = Uint8Array.from(header);
      for (const piece of pieces) {
        take(sodium.crypto_secretstream_xchacha20poly1305_push(state, piece, null, tag));
      }
    },
    async decrypt(pieces, take) {
      const state = sodium.crypto_secretstream_xchacha20poly1305_init_pull(front, key);
      for (const piece of pieces) {
        const opened = sodium.crypto_secretstream_xchacha20poly1305_pull(state, piece);
        if (opened === false) throw new Error("libsodium.js refused its own message");
        take(opened.message);
      }
    },
  };
}

/** For whoever has Node streams: all under the same pipeline. */
function through(open: () => Duplex): Pass {
  return async (pieces, take) => {
    const iterator = pieces[Symbol.iterator]();
    const source = new Readable({
      highWaterMark: PIECE,
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

function webStream(pieces: Iterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = pieces[Symbol.iterator]();
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      const { done, value } = iterator.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
  });
}

async function collect(pass: Pass, pieces: Iterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  await pass(pieces, (bytes) => parts.push(bytes));
  return Buffer.concat(parts);
}

function* cut(message: Buffer, pieceBytes: number = PIECE): Generator<Buffer, void> {
  for (let at = 0; at < message.length; at += pieceBytes) {
    yield message.subarray(at, at + pieceBytes);
  }
}
