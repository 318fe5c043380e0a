/**
 * Measures messages of 256 bytes under a data key that is held, one after the other, both ways.
 *
 * The mistakes it avoids: a cache for one side only (the Encryption SDK runs with its defaults, which
 * is what most run, and without signature over its own cache, which is its fastest), the same message
 * again and again (a thousand different ones take turns), and calls in flight together, which would
 * measure a queue.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from "node:crypto";
import { CONTEXT, openEnvelope, requireSame, seconds, type Figure } from "../bench.ts";
import {
  missing,
  openEsdk,
  type EsdkOptions,
  type EsdkMaterials,
  type OpenedEsdk,
} from "../peers.ts";
import type { Row } from "../row.ts";

const BYTES = 256;
const DIFFERENT = 1000;
const OURS = "env";
const HOUR = 3_600_000;

interface Side {
  /** How many messages one measurement takes: a second or so. */
  readonly messages: number;
  readonly encrypt: (plaintext: Buffer) => Promise<Uint8Array> | Uint8Array;
  readonly decrypt: (message: Uint8Array) => Promise<Uint8Array> | Uint8Array;
}

export const small: Figure = {
  name: "small",
  async run(bench) {
    const esdk = openEsdk(randomBytes(32));
    const peers = [
      { name: "ESDK, default", side: esdk && esdkSide(esdk, "default"), atLeast: 120 },
      { name: "ESDK, unsigned, cached", side: esdk && esdkSide(esdk, "cached"), atLeast: 20 },
      { name: "bare createCipheriv", side: bareSide(), atLeast: 0.15 },
    ];
    const sides: [string, Side][] = [[OURS, ourSide()]];
    for (const { name, side } of peers) if (side !== undefined) sides.push([name, side]);

    let plaintexts: Buffer[] = [];
    const prepare = (): void => {
      plaintexts = Array.from({ length: DIFFERENT }, () => randomBytes(BYTES));
    };
    const factor = bench.quick ? 0.2 : 1;
    const encrypt = await bench.takeTurns(
      sides.map(([name, side]) => ({
        name,
        measure: () => rate(side.messages * factor, plaintexts, side.encrypt),
      })),
      prepare,
    );
    const decrypt = await bench.takeTurns(
      sides.map(([name, side]) => ({
        name,
        measure: async () => {
          const messages: Uint8Array[] = [];
          for (const plaintext of plaintexts) messages.push(await side.encrypt(plaintext));
          for (const [i, message] of messages.slice(0, 10).entries()) {
            const opened = await side.decrypt(message);
            requireSame(`what ${name} decrypted`, plaintexts[i]?.equals(opened), true);
          }
          return rate(side.messages * factor, messages, side.decrypt);
        },
      })),
      prepare,
    );

    const rows: Row[] = [];
    for (const [name, values] of Object.entries({ encrypt, decrypt })) {
      for (const { name: peer, atLeast } of peers) {
        const theirs = values.get(peer);
        rows.push({
          kind: "comparison",
          figure: `messages of ${BYTES} B, ${name}`,
          unit: "messages/s",
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

/** Messages per second, each awaited. A synchronous side does not wait, as its users would not. */
async function rate<T>(
  count: number,
  inputs: readonly T[],
  work: (input: T) => Promise<Uint8Array> | Uint8Array,
): Promise<number> {
  const took = await seconds(async () => {
    for (let done = 0; done < count;) {
      for (const input of inputs) {
        if (done++ >= count) break;
        const pending = work(input);
        if (pending instanceof Promise) await pending;
      }
    }
  });
  return count / took;
}

function ourSide(): Side {
  const { envelope } = openEnvelope({
    dataKeyCache: { maxAge: HOUR, maxMessages: 2 ** 32, maxBytes: 2 ** 40 },
  });
  return {
    messages: 50_000,
    encrypt: (plaintext) => envelope.encrypt(plaintext, CONTEXT),
    decrypt: (message) => envelope.decrypt(message, CONTEXT),
  };
}

function esdkSide(
  { esdk, client, keyring, unsigned }: OpenedEsdk,
  mode: "default" | "cached",
): Side {
  const encryptionContext = CONTEXT.context;
  let materials: EsdkMaterials = keyring;
  let options: EsdkOptions = { encryptionContext };
  if (mode === "cached") {
    materials = new esdk.NodeCachingMaterialsManager({
      backingMaterials: keyring,
      cache: esdk.getLocalCryptographicMaterialsCache(1000),
      maxAge: HOUR,
      maxMessagesEncrypted: 2 ** 32,
      maxBytesEncrypted: 2 ** 40,
    });
    options = { suiteId: unsigned, encryptionContext };
  }
  return {
    messages: mode === "default" ? 400 : 2500,
    async encrypt(plaintext) {
      return (await client.encrypt(materials, plaintext, options)).result;
    },
    async decrypt(message) {
      return (await client.decrypt(materials, message)).plaintext;
    },
  };
}

/** No format, no commitment, no key of its own per message: what the primitive alone costs. */
function bareSide(): Side {
  const key = createSecretKey(randomBytes(32));
  const options = { authTagLength: 16 } as const;
  let count = 0;
  return {
    messages: 200_000,
    encrypt(plaintext) {
      const message = Buffer.allocUnsafe(12 + BYTES + 16).fill(0, 0, 8);
      message.writeUInt32BE(count++, 8);
      const cipher = createCipheriv("aes-256-gcm", key, message.subarray(0, 12), options);
      cipher.update(plaintext).copy(message, 12);
      cipher.final();
      cipher.getAuthTag().copy(message, 12 + BYTES);
      return message;
    },
    decrypt(message) {
      const decipher = createDecipheriv("aes-256-gcm", key, message.subarray(0, 12), options);
      decipher.setAuthTag(message.subarray(-16));
      const plaintext = decipher.update(message.subarray(12, -16));
      decipher.final();
      return plaintext;
    },
  };
}
