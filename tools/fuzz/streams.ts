/**
 * Whole messages: `decrypt` and `decryptStream` must come to one verdict, whatever pieces the message
 * arrives in, and neither may give a byte that nobody encrypted.
 *
 * The one difference the specification allows: a reader that does not know the length notices an
 * impossible one after the KMS was called, and may end in what came up before.
 *
 * Source: spec/envelope-v1.md#decrypting
 *
 * @module
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { Cmk, Envelope, fromHeader, isEnvelopeError } from "@env/core";
import type { Context } from "@env/core";
import type { CmkDriver } from "@env/core/driver";
import type { Bytes } from "./mutate.ts";
import type { Random } from "./random.ts";
import { expect, Finding, type Verdict } from "./targets.ts";

const CONTEXT: Context = { tenant: "acme", purpose: "fuzz" };
/** Wraps in every run alike, so that a message in hex can be tried again. */
const WRAPPING_KEY = createHash("sha256").update("fuzz").digest();
const CHUNK = 16_384;

/** Codes that either reader may end with, `INVALID_CONTEXT` where it reads the stored one. */
const CODES = new Set<string>([
  "ERR_ENVELOPE_FORMAT",
  "ERR_ENVELOPE_UNSUPPORTED",
  "ERR_ENVELOPE_TRUNCATED",
  "ERR_ENVELOPE_NO_KEY",
  "ERR_ENVELOPE_DECRYPT",
  "ERR_ENVELOPE_INVALID_CONTEXT",
]);
/** Decided before a KMS is called. */
const WITHOUT_KMS = new Set<string>([
  "ERR_ENVELOPE_FORMAT",
  "ERR_ENVELOPE_UNSUPPORTED",
  "ERR_ENVELOPE_TRUNCATED",
  "ERR_ENVELOPE_NO_KEY",
  "ERR_ENVELOPE_INVALID_CONTEXT",
]);

class Refused extends Error {}

export class Messages {
  readonly #plaintexts: readonly Uint8Array[];
  readonly #envelope: Envelope;
  readonly #calls: { count: number };
  /** Messages to mutate. */
  readonly seeds: readonly Bytes[];

  private constructor(
    envelope: Envelope,
    calls: { count: number },
    seeds: readonly (readonly [plaintext: Uint8Array, message: Bytes])[],
  ) {
    this.#envelope = envelope;
    this.#calls = calls;
    this.#plaintexts = seeds.map(([plaintext]) => plaintext);
    this.seeds = seeds.map(([, message]) => message);
  }

  /** Encrypts messages of all lengths that a chunk boundary makes special. */
  static async create(): Promise<Messages> {
    const calls = { count: 0 };
    const cmks = ["first", "second"].map((keyId) => new Cmk(stubDriver(keyId, calls)));
    const envelope = new Envelope({ cmks });
    const lengths = [0, 1, 100, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 1];
    const seeds: (readonly [Uint8Array, Bytes])[] = [];
    for (const length of lengths) {
      const plaintext = pattern(length);
      for (const storeContext of [false, true]) {
        const options = { context: CONTEXT, storeContext, headerAlignment: 256 };
        seeds.push([plaintext, await envelope.encrypt(plaintext, options)]);
      }
    }
    return new Messages(envelope, calls, seeds);
  }

  /** Throws a {@link Finding} where the two readers disagree on `message`. */
  async check(message: Bytes, random: Random): Promise<void> {
    const context = random.chance(30) ? fromHeader({ require: { tenant: "acme" } }) : CONTEXT;
    this.#calls.count = 0;
    const whole = await verdict("decrypt", this.#envelope.decrypt(message, { context }));
    this.#checkCalls("decrypt", whole);

    this.#calls.count = 0;
    const released: Uint8Array[] = [];
    const stream = this.#envelope.decryptStream({ context });
    const streamed = await verdict(
      "decryptStream",
      ReadableStream.from(pieces(message, random))
        .pipeThrough(stream)
        .pipeTo(new WritableStream({ write: (part) => void released.push(part) }))
        .then(() => Buffer.concat(released)),
    );
    expect(
      this.#calls.count <= 2,
      `decryptStream made ${this.#calls.count} KMS calls for two CMKs`,
    );

    const plaintext = Buffer.concat(released);
    const known = this.#plaintexts.some((each) => startsWith(each, plaintext));
    expect(known, "decryptStream released bytes that nobody encrypted");
    if ("value" in whole && "value" in streamed) {
      expect(Buffer.compare(whole.value, streamed.value) === 0, "two plaintexts of one message");
    } else if ("value" in whole || "value" in streamed) {
      throw new Finding("one of decrypt and decryptStream opens the message, the other does not");
    } else if (whole.code !== streamed.code && whole.code !== "ERR_ENVELOPE_TRUNCATED") {
      throw new Finding(`decrypt says ${whole.code}, decryptStream says ${streamed.code}`);
    }
  }

  #checkCalls(reader: string, outcome: Verdict<unknown>): void {
    const { count } = this.#calls;
    expect(count <= 2, `${reader} made ${count} KMS calls for two CMKs`);
    const early = "code" in outcome && WITHOUT_KMS.has(outcome.code);
    expect(!early || count === 0, `${reader} called a KMS and then refused the format`);
  }
}

async function verdict<T>(what: string, reading: Promise<T>): Promise<Verdict<T>> {
  try {
    return { value: await reading };
  } catch (error) {
    if (isEnvelopeError(error) && CODES.has(error.code)) return { code: error.code };
    throw new Finding(`${what} threw ${String(error)}`, { cause: error });
  }
}

/** Wraps with AES-256-GCM: `nonce(12) || tag(16) || ciphertext`, the context as AAD. */
export function stubDriver(keyId: string, calls: { count: number }): CmkDriver {
  return {
    provider: "fuzz",
    keyId,
    async wrap({ plaintext, context }) {
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", WRAPPING_KEY, nonce);
      cipher.setAAD(Buffer.concat([Buffer.from(keyId), context.bytes]));
      const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()]);
      return { keyId, wrapped: new Uint8Array([...nonce, ...cipher.getAuthTag(), ...sealed]) };
    },
    async unwrap({ wrapped, context }) {
      calls.count++;
      if (wrapped.length < 28) throw new Refused("too short");
      const decipher = createDecipheriv("aes-256-gcm", WRAPPING_KEY, wrapped.subarray(0, 12));
      decipher.setAAD(Buffer.concat([Buffer.from(keyId), context.bytes]));
      decipher.setAuthTag(wrapped.subarray(12, 28));
      const plaintext = new Uint8Array(decipher.update(wrapped.subarray(28)));
      try {
        decipher.final();
      } catch {
        throw new Refused("the tag does not fit");
      }
      return { plaintext };
    },
    classify: (error) =>
      error instanceof Refused ? "ERR_ENVELOPE_KMS_REJECTED" : "ERR_ENVELOPE_KMS_ERROR",
  };
}

/** Cuts of all sizes, empty pieces among them. */
function pieces(message: Bytes, random: Random): Bytes[] {
  const step = random.pick([7, 100, CHUNK, CHUNK + 16, CHUNK + 17, 2 ** 20]);
  const cut: Bytes[] = [];
  for (let at = 0; at < message.length;) {
    const end = at + random.below(step + 1);
    cut.push(message.slice(at, end));
    at = end;
  }
  return cut;
}

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >>> 8)) & 0xff);
}

function startsWith(bytes: Uint8Array, front: Uint8Array): boolean {
  return Buffer.compare(bytes.subarray(0, front.length), front) === 0;
}
