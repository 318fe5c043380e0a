/**
 * Measures chunks sealed and opened from memory to memory in one thread, in runs of 1 MiB, against
 * the machine's limit and against the least that Node could do.
 *
 * The mistakes it avoids: a buffer that never leaves the cache (64 MiB pass through), a limit from
 * another day (`openssl speed` runs in the same rounds), CPU time against wall time (`-elapsed`), and
 * indices sealed twice, which no writer does.
 *
 * @module
 */
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from "node:crypto";
import {
  CHUNK_BYTES,
  messageWriter,
  type PayloadCodec,
  SEALED_CHUNK_BYTES,
  sealedLength,
} from "@env/core/message";
import { CONTEXT, Data, MIB, openEnvelope, requireSame, seconds, type Figure } from "../bench.ts";
import { collectGarbage } from "../measure.ts";
import { programVersion, runProgram } from "../peers.ts";
import type { Comparison, Row } from "../row.ts";
import { SideProcesses, type Sides } from "../sides.ts";

export const OURS = "env";
const OPENSSL = "openssl speed";
export const BARE = "bare createCipheriv, 16 KiB";
const RUN = MIB;
const RUN_CHUNKS = RUN / CHUNK_BYTES;
const SEALED_RUN = RUN_CHUNKS * SEALED_CHUNK_BYTES;
/** What is opened. Opening does no harm to an index: the same bytes pass again and again. */
const SAMPLE = 64 * MIB;

export const memory: Figure = {
  name: "memory",
  async run(bench) {
    const sides = await SideProcesses.start(bench, "memory", Object.keys(memorySides));
    const hasOpenssl = programVersion("openssl", "version") !== undefined;
    try {
      const rows: Row[] = [];
      for (const direction of ["seal", "open"] as const) {
        const limit = { name: OPENSSL, measure: () => opensslSpeed(direction, bench.quick) };
        const values = await sides.takeTurns(bench, direction, hasOpenssl ? [limit] : []);
        const row: Omit<Comparison, "peer" | "theirs"> = {
          kind: "comparison",
          figure: `memory to memory, one thread, ${direction}`,
          unit: "MiB/s",
          ours: values.get(OURS) ?? [],
        };
        const theirs = values.get(OPENSSL);
        rows.push({
          ...row,
          peer: OPENSSL,
          theirs,
          atLeast: 0.45,
          ...(theirs === undefined && { note: "missing: apt-get install openssl" }),
        });
        rows.push({ ...row, peer: BARE, theirs: values.get(BARE) });
      }
      return rows;
    } finally {
      sides.end();
    }
  },
};

export const memorySides: Sides = {
  async [OURS](quick) {
    const { envelope } = openEnvelope();
    const start = async (plaintextBytes: number): Promise<PayloadCodec> => {
      const writer = messageWriter(envelope, { ...CONTEXT, plaintextBytes });
      await writer.start();
      return writer.codec;
    };
    const bytes = bytesOf(quick);
    const data = new Data(bytes);
    const sealed = new Uint8Array(sealedLength(SAMPLE, false));
    return {
      async seal() {
        data.renew();
        return sealAll(await start(bytes), data);
      },
      async open() {
        const sample = new Data(SAMPLE);
        const codec = await start(SAMPLE);
        let run = 0;
        for (const piece of sample.pieces(RUN)) {
          const out = sealed.subarray(run * SEALED_RUN, (run + 1) * SEALED_RUN);
          await codec.sealChunks(run * RUN_CHUNKS, piece, false, out);
          run++;
        }
        return openAll(codec, sealed, bytes, sample);
      },
    };
  },
  [BARE](quick) {
    const bytes = bytesOf(quick);
    const data = new Data(bytes);
    const sealed = new Uint8Array(sealedLength(SAMPLE, false));
    return {
      seal() {
        data.renew();
        return new Bare().sealAll(data);
      },
      open() {
        const bare = new Bare();
        let run = 0;
        for (const piece of new Data(SAMPLE).pieces(RUN)) {
          const out = sealed.subarray(run * SEALED_RUN, (run + 1) * SEALED_RUN);
          bare.seal(run * RUN_CHUNKS, piece, out);
          run++;
        }
        return bare.openAll(sealed, bytes);
      },
    };
  },
};

function bytesOf(quick: boolean): number {
  return (quick ? 256 : 1024) * MIB;
}

async function sealAll(codec: PayloadCodec, data: Data): Promise<number> {
  const out = new Uint8Array(SEALED_RUN);
  collectGarbage();
  const took = await seconds(async () => {
    let index = 0;
    for (const piece of data.pieces(RUN)) {
      await codec.sealChunks(index, piece, false, out);
      index += RUN_CHUNKS;
    }
  });
  return data.bytes / MIB / took;
}

async function openAll(
  codec: PayloadCodec,
  sealed: Uint8Array,
  bytes: number,
  sample: Data,
): Promise<number> {
  const out = new Uint8Array(RUN);
  const runs = sealed.length / SEALED_RUN;
  collectGarbage();
  const took = await seconds(async () => {
    for (let run = 0; run < bytes / RUN; run++) {
      const at = (run % runs) * SEALED_RUN;
      await codec.openChunks((run % runs) * RUN_CHUNKS, sealed.subarray(at, at + SEALED_RUN), out);
    }
  });
  const last = [...sample.pieces(RUN)].at(-1);
  requireSame("opened chunks", last?.equals(out), true);
  return bytes / MIB / took;
}

/** What a program without the format would do: a cipher per chunk, its results dropped. */
class Bare {
  readonly #key = createSecretKey(randomBytes(32));
  readonly #nonce = Buffer.alloc(12);

  async sealAll(data: Data): Promise<number> {
    collectGarbage();
    const took = await seconds(() => {
      let index = 0;
      for (const piece of data.pieces(CHUNK_BYTES)) {
        this.#nonce.writeUInt32BE(index++, 8);
        const cipher = createCipheriv("aes-256-gcm", this.#key, this.#nonce);
        cipher.update(piece);
        cipher.final();
        cipher.getAuthTag();
      }
    });
    return data.bytes / MIB / took;
  }

  seal(index: number, plaintext: Uint8Array, out: Uint8Array): void {
    for (let i = 0; i < plaintext.length / CHUNK_BYTES; i++) {
      this.#nonce.writeUInt32BE(index + i, 8);
      const cipher = createCipheriv("aes-256-gcm", this.#key, this.#nonce);
      const chunk = plaintext.subarray(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES);
      out.set(cipher.update(chunk), i * SEALED_CHUNK_BYTES);
      cipher.final();
      out.set(cipher.getAuthTag(), i * SEALED_CHUNK_BYTES + CHUNK_BYTES);
    }
  }

  async openAll(sealed: Uint8Array, bytes: number): Promise<number> {
    const chunks = sealed.length / SEALED_CHUNK_BYTES;
    collectGarbage();
    const took = await seconds(() => {
      for (let i = 0; i < bytes / CHUNK_BYTES; i++) {
        const index = i % chunks;
        const at = index * SEALED_CHUNK_BYTES;
        this.#nonce.writeUInt32BE(index, 8);
        const decipher = createDecipheriv("aes-256-gcm", this.#key, this.#nonce, {
          authTagLength: 16,
        });
        decipher.setAuthTag(sealed.subarray(at + CHUNK_BYTES, at + SEALED_CHUNK_BYTES));
        decipher.update(sealed.subarray(at, at + CHUNK_BYTES));
        decipher.final();
      }
    });
    return bytes / MIB / took;
  }
}

/** MiB/s of one core, without Node. */
export function opensslSpeed(direction: "seal" | "open", quick: boolean): number {
  const args = ["speed", "-mr", "-elapsed", "-seconds", quick ? "1" : "2", "-bytes"];
  args.push(String(CHUNK_BYTES), ...(direction === "open" ? ["-decrypt"] : []));
  args.push("-evp", "aes-256-gcm");
  return parseSpeed(runProgram("openssl", ...args)) / MIB;
}

/**
 * Bytes per second of a machine-readable report of `openssl speed` over one size of block.
 *
 * Source: `+F:<index>:<cipher>:<bytes per second>`, one column per size; apps/speed.c of OpenSSL 3.
 */
export function parseSpeed(report: string): number {
  const rate = Number(/^\+F:\d+:[^:]+:([\d.]+)$/m.exec(report)?.[1]);
  if (!(rate > 0)) throw new Error(`openssl speed printed no rate: ${report}`);
  return rate;
}
