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
import { collectGarbage } from "../measure.ts";
import { openEsdk, type EsdkMaterials, type EsdkOptions } from "../peers.ts";
import type { Row } from "../row.ts";
import { NATIVE, rowsOf, SideProcesses, useNative, type Measures, type Sides } from "../sides.ts";

const BYTES = 256;
const DIFFERENT = 1000;
const OURS = "env";
const BARE = "bare createCipheriv";
const HOUR = 3_600_000;

const atLeast = {
  [OURS]: { "ESDK, default": 120, "ESDK, unsigned, cached": 20, [BARE]: 0.15 },
  [NATIVE]: { "ESDK, default": 500, "ESDK, unsigned, cached": 100, [BARE]: 1, [OURS]: undefined },
} as const;

interface Calls {
  /** How many messages one measurement takes: a second or so. */
  readonly messages: number;
  readonly encrypt: (plaintext: Buffer) => Promise<Uint8Array> | Uint8Array;
  readonly decrypt: (message: Uint8Array) => Promise<Uint8Array> | Uint8Array;
}

export const small: Figure = {
  name: "small",
  async run(bench) {
    const sides = await SideProcesses.start(bench, "small", Object.keys(smallSides));
    try {
      const rows: Row[] = [];
      for (const direction of ["encrypt", "decrypt"]) {
        const values = await sides.takeTurns(bench, direction);
        rows.push(...rowsOf(`messages of ${BYTES} B, ${direction}`, "messages/s", atLeast, values));
      }
      return rows;
    } finally {
      sides.end();
    }
  },
};

export const smallSides: Sides = {
  [OURS]: (quick) => measuresOf(ourCalls(), quick),
  [NATIVE]: async (quick) => ((await useNative()) ? measuresOf(ourCalls(), quick) : undefined),
  "ESDK, default": (quick) => measuresOf(esdkCalls("default"), quick),
  "ESDK, unsigned, cached": (quick) => measuresOf(esdkCalls("cached"), quick),
  [BARE]: (quick) => measuresOf(bareCalls(), quick),
};

function measuresOf(calls: Calls | undefined, quick: boolean): Measures | undefined {
  if (calls === undefined) return undefined;
  const count = calls.messages * (quick ? 0.2 : 1);
  const different = (): Buffer[] => Array.from({ length: DIFFERENT }, () => randomBytes(BYTES));
  return {
    encrypt: () => rate(count, different(), calls.encrypt),
    async decrypt() {
      const plaintexts = different();
      const messages: Uint8Array[] = [];
      for (const plaintext of plaintexts) messages.push(await calls.encrypt(plaintext));
      for (const [i, message] of messages.slice(0, 10).entries()) {
        const opened = await calls.decrypt(message);
        requireSame("what was decrypted", plaintexts[i]?.equals(opened), true);
      }
      return rate(count, messages, calls.decrypt);
    },
  };
}

/** Messages per second, each awaited. A synchronous side does not wait, as its users would not. */
async function rate<T>(
  count: number,
  inputs: readonly T[],
  work: (input: T) => Promise<Uint8Array> | Uint8Array,
): Promise<number> {
  collectGarbage();
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

function ourCalls(): Calls {
  const { envelope } = openEnvelope({
    dataKeyCache: { maxAge: HOUR, maxMessages: 2 ** 32, maxBytes: 2 ** 40 },
  });
  return {
    messages: 50_000,
    encrypt: (plaintext) => envelope.encrypt(plaintext, CONTEXT),
    decrypt: (message) => envelope.decrypt(message, CONTEXT),
  };
}

function esdkCalls(mode: "default" | "cached"): Calls | undefined {
  const opened = openEsdk(randomBytes(32));
  if (opened === undefined) return undefined;
  const { esdk, client, keyring, unsigned } = opened;
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
function bareCalls(): Calls {
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
