/**
 * Objects of S3 whose metadata, sidecar or instruction file somebody else wrote: a reader gives the plaintext that was
 * encrypted, or refuses with a code. What it reads of metadata is what a copy stores again.
 *
 * An input is text and then bytes: the number of a body, the lines of the metadata, an empty line, and the
 * object beside it, which is a sidecar or an instruction file.
 *
 * Source: spec/s3-v1.md#metadata; Amazon S3 Encryption Client specification
 *
 * @module
 */
import { createHash, createSecretKey } from "node:crypto";
import { Readable } from "node:stream";
import {
  CopyObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  type S3Client,
} from "@aws-sdk/client-s3";
import { Cmk, Envelope, isEnvelopeError } from "@env/core";
import { encryptedS3 } from "@env/s3";
import { aesKeyring, s3EncryptionClient } from "@env/s3/s3ec";
import { mutate, type Bytes } from "./mutate.ts";
import type { Random } from "./random.ts";
import { stubDriver } from "./streams.ts";
import { expect, Finding } from "./targets.ts";

const CONTEXT = { tenant: "acme" };
const PLAINTEXT = Buffer.from("what was encrypted");
const KEY = createSecretKey(createHash("sha256").update("fuzz").digest());
const name = { Bucket: "bucket", Key: "object" };

const CODES = new Set<string>([
  "ERR_ENVELOPE_FORMAT",
  "ERR_ENVELOPE_UNSUPPORTED",
  "ERR_ENVELOPE_TRUNCATED",
  "ERR_ENVELOPE_NO_KEY",
  "ERR_ENVELOPE_DECRYPT",
  "ERR_ENVELOPE_INVALID_CONTEXT",
  "ERR_ENVELOPE_LIMIT",
]);

type Metadata = Readonly<Record<string, string>>;

/** What the fuzzer calls. The tests put broken ones in their place. */
export interface Stores {
  readonly encryptedS3: typeof encryptedS3;
  readonly s3EncryptionClient: typeof s3EncryptionClient;
}

export class Objects {
  /** Inputs as the writers make them. */
  readonly seeds: readonly [Bytes, ...Bytes[]];
  readonly #bodies: readonly Uint8Array[];
  readonly #envelope: Envelope;
  readonly #stores: Stores;

  private constructor(stores: Stores, envelope: Envelope, written: readonly Written[]) {
    this.#stores = stores;
    this.#envelope = envelope;
    this.#bodies = written.map(({ body }) => body);
    const [first, ...rest] = written.map(({ metadata, beside }, i) => inputOf(i, metadata, beside));
    this.seeds = [first ?? new Uint8Array(0), ...rest];
  }

  /** Writes objects in all formats and placements. */
  static async create(stores: Stores = { encryptedS3, s3EncryptionClient }): Promise<Objects> {
    const cmks = ["first", "second"].map((keyId) => new Cmk(stubDriver(keyId, { count: 0 })));
    const envelope = new Envelope({ cmks });
    const written: Written[] = [];
    for (const placement of ["metadata", "sidecar", "inline"] as const) {
      const s3 = encryptedS3({ client: storing([]), envelope, context: CONTEXT, placement });
      const sealed = await s3.seal({ ...name, Metadata: { mine: "1" }, Body: PLAINTEXT });
      if (!(sealed.body instanceof Uint8Array)) throw new TypeError("bytes are sealed as bytes");
      const { input, body, sidecar } = sealed;
      written.push({ body, metadata: input.Metadata ?? {}, beside: sidecar?.Body });
    }
    for (const commitmentPolicy of [
      "REQUIRE_ENCRYPT_ALLOW_DECRYPT",
      "FORBID_ENCRYPT_ALLOW_DECRYPT",
    ] as const) {
      for (const instructionFile of [false, true]) {
        const puts: PutObjectCommand[] = [];
        const client = storing(puts);
        const objects = s3EncryptionClient({ client, keyring: aesKeyring(KEY), commitmentPolicy });
        await objects.put({ ...name, Body: PLAINTEXT }, { instructionFile });
        const [object, file] = puts.map(({ input }) => input);
        const [body, beside] = [object, file].map((put) => put && bytesOf(put.Body));
        if (body === undefined) throw new TypeError("nothing was stored");
        written.push({ body, metadata: object?.Metadata ?? {}, beside });
      }
    }
    return new Objects(stores, envelope, written);
  }

  /** An input with mistakes: in its bytes, or with lines of others. */
  mutated(random: Random): Bytes {
    const seed = random.pick(this.seeds);
    if (random.chance(50)) return mutate(seed, this.seeds, random);
    const [one, other] = [seed, random.pick(this.seeds)].map((each) => partsOf(each));
    if (one === undefined || other === undefined) return seed;
    const lines = [...one.lines, ...other.lines].filter(() => random.chance(70));
    const mixed = textOf(
      random.below(this.#bodies.length),
      lines,
      random.chance(50) ? one.beside : other.beside,
    );
    return random.chance(50) ? mixed : mutate(mixed, this.seeds, random);
  }

  /** Throws a {@link Finding} where a reader gives another plaintext, or ends in any other way than by a code. */
  async check(input: Bytes): Promise<void> {
    const { number, lines, beside } = partsOf(input);
    const body = this.#bodies[number % this.#bodies.length] ?? new Uint8Array(0);
    const metadata: Metadata = Object.fromEntries(
      lines.map((line) => {
        const [key = "", ...value] = line.split(": ");
        return [key.toLowerCase(), value.join(": ")];
      }),
    );
    const copies: CopyObjectCommand[] = [];
    const client = reading(metadata, body, beside, copies);
    const s3 = this.#stores.encryptedS3({ client, envelope: this.#envelope, context: CONTEXT });
    await gives("get", async () => (await s3.get(name)).bytes());
    await gives("getRange", () => s3.getRange(name, 0, 1000));
    await succeeds("head", () => s3.head(name));
    const copied = await succeeds("copy", () => s3.copy({ from: name, ...name, Key: "copy" }));
    const again = JSON.stringify(copies[0]?.input.Metadata);
    expect(
      !copied || again === JSON.stringify(sortedAs(copies[0], metadata)),
      "a copy has other metadata",
    );

    const objects = this.#stores.s3EncryptionClient({ client, keyring: aesKeyring(KEY) });
    await gives("get of s3ec", async () => (await objects.get(name)).body);
    await succeeds("head of s3ec", () => objects.head(name));
  }
}

interface Written {
  readonly body: Uint8Array;
  readonly metadata: Metadata;
  readonly beside: Uint8Array | undefined;
}

/** The metadata with its names in the order of a copy's. */
function sortedAs(copy: CopyObjectCommand | undefined, metadata: Metadata): Metadata {
  const names = Object.keys(copy?.input.Metadata ?? {});
  const missing = Object.keys(metadata).filter((key) => !names.includes(key));
  return Object.fromEntries([...names, ...missing].map((key) => [key, metadata[key] ?? ""]));
}

async function gives(what: string, read: () => Promise<Uint8Array>): Promise<void> {
  const bytes = await verdict(what, read);
  expect(bytes === undefined || PLAINTEXT.equals(bytes), `${what} gave what nobody encrypted`);
}

async function succeeds(what: string, call: () => Promise<unknown>): Promise<boolean> {
  return (await verdict(what, async () => ({ done: await call() }))) !== undefined;
}

/** The result; `undefined` for a refusal. */
async function verdict<T>(what: string, call: () => Promise<T>): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (isEnvelopeError(error) && CODES.has(error.code)) return undefined;
    throw new Finding(`${what} threw ${String(error)}`, { cause: error });
  }
}

/** A client that keeps what is put. */
function storing(puts: PutObjectCommand[]): S3Client {
  return clientOf((command) => {
    if (command instanceof PutObjectCommand) puts.push(command);
    return { ETag: '"1"' };
  });
}

/** A client that reads one object, and another one beside it under any other name. */
function reading(
  metadata: Metadata,
  body: Uint8Array,
  beside: Uint8Array,
  copies: CopyObjectCommand[],
): S3Client {
  return clientOf((command) => {
    if (command instanceof CopyObjectCommand) copies.push(command);
    const { input = {} } = command as { readonly input?: { Key?: string; Range?: string } };
    const isObject = input.Key === name.Key;
    const bytes = isObject ? body : beside;
    const facts = { ETag: '"1"', Metadata: isObject ? metadata : {} };
    if (!(command instanceof GetObjectCommand)) return { ...facts, ContentLength: bytes.length };
    const end = Number(/-(\d+)$/.exec(input.Range ?? "")?.[1] ?? Infinity) + 1;
    const start = Number(/=(\d+)-/.exec(input.Range ?? "")?.[1] ?? 0);
    const piece = Buffer.from(bytes.subarray(start, end));
    return {
      ...facts,
      Body: Readable.from(piece.length === 0 ? [] : [piece]),
      ContentLength: piece.length,
      ContentRange: input.Range && `bytes ${start}-${start + piece.length - 1}/${bytes.length}`,
    };
  });
}

function clientOf(answer: (command: unknown) => object): S3Client {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else of it is used
  return { send: async (command: unknown) => answer(command) } as unknown as S3Client;
}

function bytesOf(body: unknown): Uint8Array {
  if (typeof body === "string") return Buffer.from(body);
  if (body instanceof Uint8Array) return body;
  throw new TypeError("a short object is stored as bytes");
}

function inputOf(number: number, metadata: Metadata, beside: Uint8Array | undefined): Bytes {
  const lines = Object.entries(metadata).map(([key, value]) => `${key}: ${value}`);
  return textOf(number, lines, beside ?? new Uint8Array(0));
}

function textOf(number: number, lines: readonly string[], beside: Uint8Array): Bytes {
  const text = `${[number, ...lines].join("\n")}\n\n`;
  return new Uint8Array(Buffer.concat([Buffer.from(text, "latin1"), beside]));
}

function partsOf(input: Bytes): { number: number; lines: readonly string[]; beside: Uint8Array } {
  const bytes = Buffer.from(input);
  const end = bytes.indexOf("\n\n");
  const text = bytes.toString("latin1", 0, end < 0 ? bytes.length : end);
  const [first = "", ...lines] = text.split("\n");
  const beside = end < 0 ? new Uint8Array(0) : input.subarray(end + 2);
  return { number: Math.abs(Math.trunc(Number(first))) || 0, lines, beside };
}
