/**
 * What the author of a crypto backend provides, the types of the cases, and what the cases have in common.
 *
 * @module
 */
import type { Bytes } from "@env/core";
import type { CryptoBackend, HmacKey } from "@env/core/crypto";
import { COMMITMENT_BYTES, sealedLength } from "./reference.ts";

/** The clauses of the contract. `CryptoBackend` explains them; tests and documents refer to this table. */
export const cryptoClauses = {
  B0: "Bytes: every result is the one that the specification prescribes, for every length and index.",
  B1: "Integrity: one changed bit anywhere is refused, and nothing that did not verify is shown.",
  B2: "Binding: another data key, info, index or order of chunks is refused.",
  B3: "Runs: how a message is cut into runs makes no difference.",
  B4: "Lengths: one that does not fit is refused before a byte is written.",
  B5: "Buffers: shared, detached and overlapping ones are refused, and inputs never change.",
  B6: "Keys: they are copies of the bytes that they were made from.",
  B7: "Random: bytes never repeat, and belong to the caller.",
  B8: "Threads: keys work in another thread as well.",
  B9: "Batches: many payloads are what each of them is alone.",
} as const;

export type CryptoClause = keyof typeof cryptoClauses;

/** A test of Wycheproof's `c2sp_chunked_encryption_aes_256_gcm_test.json`, with its ciphertext inflated. */
export interface CobblestoneTest {
  readonly name: string;
  /** 32 bytes. */
  readonly key: Bytes;
  readonly context: Bytes;
  /** Salt, commitment and chunks. */
  readonly payload: Bytes;
  readonly valid: boolean;
}

export interface CryptoHarness {
  readonly backend: CryptoBackend;
  /** Wycheproof's tests, if they are at hand. */
  readonly cobblestone?: readonly CobblestoneTest[];
  /**
   * Opens a run that starts with chunk 0 in another thread, with what `share` returned. Without it, the cases of
   * B8 adopt a structured clone in the same thread.
   */
  readonly openInThread?: (shared: unknown, sealed: Bytes) => Promise<Bytes>;
}

/** One case, to be registered with any test runner. */
export interface CryptoCase {
  readonly clause: CryptoClause;
  /** The name, which starts with the clause. */
  readonly name: string;
  /** Why the case does not apply: the backend lacks an optional method. `run` then does nothing. */
  readonly skip?: string;
  readonly run: () => Promise<void>;
}

/** A case without a harness. */
export interface CryptoCaseDefinition {
  readonly clause: CryptoClause;
  readonly name: string;
  /** The optional method that the case is about. */
  readonly needs?: "share" | "openPayloads" | "sealPayloads";
  readonly run: (harness: CryptoHarness) => Promise<void>;
}

/** Lengths around the boundaries of chunks. */
export const lengths: readonly number[] = [
  0,
  1,
  255,
  16_383,
  16_384,
  16_385,
  32_768,
  3 * 16_384 + 5,
];

/** Bytes that differ from their neighbours, and between `seed`s. */
export function pattern(length: number, seed = 0): Bytes {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 7 + (i >> 8) + seed) % 251;
  return bytes;
}

export const rawKey: Bytes = pattern(32, 1);
export const info: Bytes = pattern(180, 2);

/** Seals a payload with the backend, without a salt. */
export async function sealPayload(
  { backend }: CryptoHarness,
  plaintext: Bytes,
  dataKey?: HmacKey,
): Promise<Bytes> {
  const out = new Uint8Array(COMMITMENT_BYTES + sealedLength(plaintext.length, true));
  await backend.sealPayload(dataKey ?? (await backend.hmacKey(rawKey)), info, plaintext, out);
  return out;
}

/** Seals a run with the backend. */
export async function sealRun(
  { backend }: CryptoHarness,
  index: number,
  plaintext: Bytes,
  last: boolean,
): Promise<Bytes> {
  const { keys } = await backend.messageKeys(await backend.hmacKey(rawKey), info);
  const out = new Uint8Array(sealedLength(plaintext.length, last));
  await backend.sealChunks(keys, index, plaintext, last, out);
  return out;
}

/** Asserts that a call throws or rejects with a RangeError or TypeError. */
export async function misused(
  what: string,
  call: () => unknown,
  kinds: readonly ErrorConstructor[],
): Promise<void> {
  try {
    await call();
  } catch (error) {
    if (kinds.some((kind) => error instanceof kind)) return;
    throw new Error(`${what}: want ${kinds.map(({ name }) => name).join(" or ")}`, {
      cause: error,
    });
  }
  throw new Error(`${what}: want an error, got success`);
}
