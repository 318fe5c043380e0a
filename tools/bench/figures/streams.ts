/**
 * Measures streams against other packages: 256 MiB in pieces of 64 KiB, which is what files and sockets
 * give, both ways, to nowhere.
 *
 * The mistake it avoids: a peer at its slowest only. The Encryption SDK runs with its defaults and at
 * its fastest: no signature, frames of 1 MiB.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { decryptStream, encryptStream } from "@env/node-stream";
import { CONTEXT, MIB, openEnvelope, type Figure } from "../bench.ts";
import { measurePasses, through, type Passes } from "../passes.ts";
import { loadPeer, openEsdk, type EsdkOptions, type Sodium, type Typage } from "../peers.ts";
import type { Row } from "../row.ts";
import { NATIVE, rowsOf, SideProcesses, useNative, type Measures, type Sides } from "../sides.ts";

const OURS = "env";
const PIECE = 64 * 1024;

const atLeast = {
  [OURS]: { "ESDK, default": 12, "ESDK, fastest": 1.5, typage: 10, "libsodium.js": 4 },
  [NATIVE]: { "ESDK, fastest": 4, typage: 20, "libsodium.js": 9, [OURS]: undefined },
} as const;

export const streams: Figure = {
  name: "streams",
  async run(bench) {
    const sides = await SideProcesses.start(bench, "streams", Object.keys(streamSides));
    try {
      const rows: Row[] = [];
      for (const direction of ["encrypt", "decrypt"] as const) {
        const values = await sides.takeTurns(bench, direction);
        const figure = `stream ${direction}, ${bytesOf(bench.quick) / MIB} MiB`;
        rows.push(...rowsOf(figure, "MiB/s", atLeast, values));
      }
      return rows;
    } finally {
      sides.end();
    }
  },
};

export const streamSides: Sides = {
  [OURS]: (quick) => measured(quick, ourPasses()),
  [NATIVE]: async (quick) => ((await useNative()) ? measured(quick, ourPasses()) : undefined),
  "ESDK, default": (quick) => measured(quick, esdkPasses(false)),
  "ESDK, fastest": (quick) => measured(quick, esdkPasses(true)),
  typage: async (quick) => measured(quick, await typagePasses()),
  "libsodium.js": async (quick) => measured(quick, await sodiumPasses()),
};

function bytesOf(quick: boolean): number {
  return (quick ? 64 : 256) * MIB;
}

function measured(quick: boolean, passes: Passes | undefined): Promise<Measures> | undefined {
  return passes && measurePasses(passes, bytesOf(quick), PIECE);
}

function ourPasses(): Passes {
  const { envelope } = openEnvelope();
  return {
    encrypt: through(() => encryptStream(envelope, CONTEXT)),
    decrypt: through(() => decryptStream(envelope, CONTEXT)),
  };
}

function esdkPasses(fastest: boolean): Passes | undefined {
  const opened = openEsdk(randomBytes(32));
  if (opened === undefined) return undefined;
  const { client, keyring, unsigned } = opened;
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

async function typagePasses(): Promise<Passes | undefined> {
  const typage = loadPeer("age-encryption") as Typage | undefined;
  if (typage === undefined) return undefined;
  const identity = await typage.generateX25519Identity();
  const encrypter = new typage.Encrypter();
  encrypter.addRecipient(await typage.identityToRecipient(identity));
  const decrypter = new typage.Decrypter();
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
async function sodiumPasses(): Promise<Passes | undefined> {
  const sodium = loadPeer("libsodium-wrappers") as Sodium | undefined;
  if (sodium === undefined) return undefined;
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
