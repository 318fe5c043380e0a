/**
 * The vectors of the specification, each read whole, as a stream, byte by byte and by ranges; and
 * Wycheproof's for the payload, where they lie beside the checkout.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { inflateSync } from "node:zlib";
import {
  decodeText,
  encodeContext,
  encodeText,
  Envelope,
  fromHeader,
  inspect,
  isEnvelopeError,
  type Context,
  type DecryptOptions,
} from "@env/core";
import {
  CHUNK_BYTES,
  chunkOffset,
  messageReader,
  plaintextLength,
  SEALED_CHUNK_BYTES,
} from "@env/core/message";
import { pieces } from "@env/testkit/bytes";
import { describe, expect, it } from "vitest";
import { concat, utf8 } from "../src/bytes.ts";
import { bindContext, kmsContext } from "../src/context.ts";
import { openCodec } from "../src/payload.ts";
import { cryptoBackend } from "../src/backend.ts";
import { pump } from "./support/pump.ts";
import { vectorCmk, type Calls, type VectorCmk } from "./support/vector-cmks.ts";

interface Digest {
  readonly bytes: number;
  readonly sha256: string;
}

interface EnvelopeVector {
  readonly comment: string;
  readonly cmks: readonly VectorCmk[];
  readonly context: Context | null;
  readonly fromHeader?: { readonly require: Context };
  readonly aad: string;
  readonly keyBlock?: string;
  readonly message: string;
  readonly expect: string;
  readonly expectStream?: string;
  readonly kmsCalls: number;
  readonly plaintext?: Digest;
  readonly released?: Digest;
}

const root = new URL("../../../spec/vectors/", import.meta.url);

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows the schema
function load<T>(kind: string): { name: string; vector: T }[] {
  const folder = new URL(`${kind}/`, root);
  return readdirSync(folder).map((file) => ({
    name: file.replace(".json", ""),
    vector: JSON.parse(readFileSync(new URL(file, folder), "utf8")) as T,
  }));
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
const codeOf = (error: unknown): string => {
  if (isEnvelopeError(error)) return error.code;
  throw error;
};

function reader(vector: EnvelopeVector): {
  envelope: Envelope;
  options: () => DecryptOptions;
  message: Uint8Array;
  calls: Calls;
} {
  const calls = { count: 0 };
  const envelope = new Envelope({ cmks: vector.cmks.map((cmk) => vectorCmk(cmk, calls)) });
  const options = (): DecryptOptions => ({
    // JSON's `null` stands for "not passed", which JavaScript callers can do.
    context: vector.fromHeader
      ? fromHeader(vector.fromHeader)
      : ((vector.context ?? undefined) as Context),
    aad: Buffer.from(vector.aad, "hex"),
    ...(vector.keyBlock === undefined ? {} : { keyBlock: Buffer.from(vector.keyBlock, "base64") }),
  });
  return {
    envelope,
    options,
    message: new Uint8Array(Buffer.from(vector.message, "base64")),
    calls,
  };
}

async function whole(
  vector: EnvelopeVector,
): Promise<{ outcome: string; output: Uint8Array; calls: number }> {
  const { envelope, options, message, calls } = reader(vector);
  try {
    const output = await envelope.decrypt(message, options());
    return { outcome: "ok", output, calls: calls.count };
  } catch (error) {
    return { outcome: codeOf(error), output: new Uint8Array(0), calls: calls.count };
  }
}

async function streamed(
  vector: EnvelopeVector,
  size: number,
): Promise<{ outcome: string; output: Uint8Array }> {
  const { envelope, options, message } = reader(vector);
  try {
    const { output, error } = await pump(envelope.decryptStream(options()), pieces(message, size));
    return { outcome: error === undefined ? "ok" : codeOf(error), output };
  } catch (error) {
    return { outcome: codeOf(error), output: new Uint8Array(0) };
  }
}

/** As a reader of ranges does it: the final chunk first, for the size, then the others backwards. */
async function ranged(vector: EnvelopeVector): Promise<{ outcome: string; output: Uint8Array }> {
  const { envelope, options, message } = reader(vector);
  try {
    const reading = messageReader(envelope, options());
    const header = await reading.open(message, message.length);
    const payload = message.subarray(header.length);
    const output = new Uint8Array(plaintextLength(payload.length));
    for (let index = Math.floor(output.length / CHUNK_BYTES); index >= 0; index--) {
      const at = chunkOffset(index);
      const plaintext = output.subarray(index * CHUNK_BYTES, (index + 1) * CHUNK_BYTES);
      await reading.codec.openChunks(
        index,
        payload.subarray(at, at + SEALED_CHUNK_BYTES),
        plaintext,
      );
    }
    return { outcome: "ok", output };
  } catch (error) {
    return { outcome: codeOf(error), output: new Uint8Array(0) };
  }
}

function attempt<T>(fn: () => T): { value: T } | { error: unknown } {
  try {
    return { value: fn() };
  } catch (error) {
    return { error };
  }
}

describe.each(load<EnvelopeVector>("envelope"))("vector $name", ({ vector }) => {
  const inStream = vector.expectStream ?? vector.expect;

  it("is read whole", async () => {
    const { outcome, output, calls } = await whole(vector);
    expect(outcome, vector.comment).toBe(vector.expect);
    if (vector.plaintext) {
      const { plaintextBytes } = inspect(Buffer.from(vector.message, "base64"));
      expect(plaintextBytes).toBe(vector.plaintext.bytes);
      expect({ bytes: output.length, sha256: sha256(output) }).toEqual(vector.plaintext);
    } else expect(output).toHaveLength(0);
    expect(calls, "KMS calls").toBe(vector.kmsCalls);
  });

  it.each([1, 2 ** 24, 7777])("is streamed in pieces of %d", async (size) => {
    const { outcome, output } = await streamed(vector, size);
    expect(outcome, vector.comment).toBe(inStream);
    const digest = { bytes: output.length, sha256: sha256(output) };
    if (vector.plaintext) expect(digest).toEqual(vector.plaintext);
    else if (size === 1) expect(digest).toEqual(vector.released);
    else expect(output.length).toBeLessThanOrEqual(vector.released?.bytes ?? 0);
  });

  it("is read by ranges", async () => {
    const { outcome, output } = await ranged(vector);
    expect(outcome, vector.comment).toBe(vector.expect);
    if (vector.plaintext) expect(sha256(output)).toBe(vector.plaintext.sha256);
  });
});

describe("context vectors", () => {
  it.each(
    load<{ context: Context; contextBytes?: string; kmsContextBytes?: string; expect: string }>(
      "context",
    ),
  )("$name", ({ vector }) => {
    const outcome = attempt(() => encodeContext(vector.context));
    if (vector.expect !== "ok") {
      expect("error" in outcome ? codeOf(outcome.error) : "ok").toBe(vector.expect);
      return;
    }
    if ("error" in outcome) throw outcome.error;
    expect(Buffer.from(outcome.value).toString("hex")).toBe(vector.contextBytes);
    expect(Buffer.from(kmsContext(bindContext(vector.context)).bytes).toString("hex")).toBe(
      vector.kmsContextBytes,
    );
  });
});

describe("text vectors", () => {
  it.each(load<{ text: string; message?: string; expect: string }>("text"))(
    "$name",
    ({ vector }) => {
      const outcome = attempt(() => decodeText(vector.text));
      if (vector.expect !== "ok") {
        expect("error" in outcome ? codeOf(outcome.error) : "ok").toBe(vector.expect);
        return;
      }
      if ("error" in outcome) throw outcome.error;
      expect(Buffer.from(outcome.value).toString("hex")).toBe(vector.message);
      expect(encodeText(outcome.value)).toBe(vector.text);
    },
  );
});

describe("Wycheproof's Cobblestone-256", () => {
  const file = new URL(
    "../../../../shared/vectors/wycheproof/c2sp_chunked_encryption_aes_256_gcm_test.json",
    import.meta.url,
  );
  interface Test {
    tcId: number;
    comment: string;
    key: string;
    ctx: string;
    ct: string;
    msgLength?: number;
    msgSha512?: string;
    result: "valid" | "invalid";
  }
  const present = existsSync(file);
  const json = present ? readFileSync(file, "utf8") : '{ "testGroups": [] }';
  const { testGroups } = JSON.parse(json) as { testGroups: { tests: Test[] }[] };
  const tests = testGroups.flatMap((group) => group.tests);

  it("are 35", ({ skip }) => {
    skip(!present, "Wycheproof's vectors do not lie beside this checkout");
    expect(tests).toHaveLength(35);
  });

  it.each(tests)("$tcId: $comment", async (test) => {
    const payload = new Uint8Array(inflateSync(Buffer.from(test.ct, "hex")));
    const key = new Uint8Array(Buffer.from(test.key, "hex"));
    const open = async (): Promise<Uint8Array> => {
      plaintextLength(payload.length);
      if (key.length !== 32) throw new RangeError("a data key has 32 bytes");
      const salt = payload.subarray(0, 24);
      const info = concat(
        utf8("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0"),
        salt,
        Buffer.from(test.ctx, "hex"),
      );
      const codec = await openCodec(
        await cryptoBackend().hmacKey(key),
        info,
        payload.slice(24, 56),
      );
      if (codec === undefined) throw new RangeError("commitment");
      return codec.openChunks(0, payload.subarray(56));
    };
    const outcome = await open().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    expect("value" in outcome ? "valid" : "invalid").toBe(test.result);
    if (!("value" in outcome)) return;
    expect(outcome.value).toHaveLength(test.msgLength ?? -1);
    expect(createHash("sha512").update(outcome.value).digest("hex")).toBe(test.msgSha512);
  });
});
