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
  type PayloadCodec,
  SEALED_CHUNK_BYTES,
  sealedLength,
  startMessage,
} from "@env/core/message";
import { CONTEXT, Data, MIB, openEnvelope, requireSame, seconds, type Figure } from "../bench.ts";
import type { Contender } from "../measure.ts";
import { programVersion, runProgram } from "../peers.ts";
import type { Comparison, Row } from "../row.ts";

const OURS = "env";
const OPENSSL = "openssl speed";
const BARE = "bare createCipheriv, 16 KiB";
const RUN = MIB;
const RUN_CHUNKS = RUN / CHUNK_BYTES;
const SEALED_RUN = RUN_CHUNKS * SEALED_CHUNK_BYTES;
const SAMPLE = 64 * MIB;

export const memory: Figure = {
  name: "memory",
  async run(bench) {
    const bytes = (bench.quick ? 256 : 1024) * MIB;
    const { envelope } = openEnvelope();
    const start = async (plaintextBytes: number): Promise<PayloadCodec> =>
      (await startMessage(envelope, { ...CONTEXT, plaintextBytes })).codec;
    const data = new Data(bytes);
    // What is opened. Opening does no harm to an index: the same 64 MiB pass again and again.
    const sample = new Data(SAMPLE);
    const sealed = new Uint8Array(sealedLength(SAMPLE, false));
    const bareSealed = new Uint8Array(sealed.length);
    let codec = await start(SAMPLE);
    let bare = new Bare();
    const prepare = async (): Promise<void> => {
      data.renew();
      sample.renew();
      codec = await start(SAMPLE);
      bare = new Bare();
      let run = 0;
      for (const piece of sample.pieces(RUN)) {
        const [from, to] = [run * SEALED_RUN, (run + 1) * SEALED_RUN];
        await codec.sealChunks(run * RUN_CHUNKS, piece, false, sealed.subarray(from, to));
        bare.seal(run * RUN_CHUNKS, piece, bareSealed.subarray(from, to));
        run++;
      }
    };

    const hasOpenssl = programVersion("openssl", "version") !== undefined;
    const rows: Row[] = [];
    for (const direction of ["seal", "open"] as const) {
      const contenders: Contender[] =
        direction === "seal"
          ? [
              { name: OURS, measure: async () => sealAll(await start(bytes), data) },
              { name: BARE, measure: () => new Bare().sealAll(data) },
            ]
          : [
              { name: OURS, measure: () => openAll(codec, sealed, bytes, sample) },
              { name: BARE, measure: () => bare.openAll(bareSealed, bytes) },
            ];
      if (hasOpenssl) {
        contenders.push({ name: OPENSSL, measure: () => opensslSpeed(direction, bench.quick) });
      }
      const values = await bench.takeTurns(contenders, prepare);
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
  },
};

async function sealAll(codec: PayloadCodec, data: Data): Promise<number> {
  const out = new Uint8Array(SEALED_RUN);
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
function opensslSpeed(direction: "seal" | "open", quick: boolean): number {
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
