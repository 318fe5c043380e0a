/**
 * Finds and loads the addon: a package of its own for each platform, of which an installation gets the one that
 * fits, or what `nx addon @env/native` built here.
 *
 * @module
 */
import { createRequire } from "node:module";
import { EnvelopeError } from "@env/core";
import type { ChunkKeys, HmacKey } from "@env/core/crypto";

/** Bytes over an `ArrayBuffer`, which is never shared with another thread. */
export type Bytes = Uint8Array<ArrayBuffer>;

/**
 * The functions of `addon/src/lib.rs`. Each checks its arguments before it writes a byte: TypeError for anything but
 * a Uint8Array over memory that is neither shared nor detached, and for a key of another backend; RangeError
 * for lengths that do not fit, for an `out` that overlaps an input, and for chunk numbers past 2^38.
 */
export interface Addon {
  readonly version: () => string;
  readonly random: (out: Bytes) => void;
  readonly sha256: (data: Bytes, out: Bytes) => void;
  readonly equal: (a: Uint8Array, b: Uint8Array) => boolean;
  readonly hmacKey: (raw: Bytes) => HmacKey;
  readonly hmacSha512: (key: HmacKey, data: Bytes, out: Bytes) => void;
  /** Writes the commitment into `out`. */
  readonly messageKeys: (dataKey: HmacKey, info: Bytes, out: Bytes) => ChunkKeys;
  readonly sealChunks: (
    keys: ChunkKeys,
    index: number,
    plaintext: Bytes,
    last: boolean,
    out: Bytes,
  ) => void;
  readonly openChunks: (keys: ChunkKeys, index: number, sealed: Bytes, out: Bytes) => number;
  readonly sealPayload: (dataKey: HmacKey, info: Bytes, plaintext: Bytes, out: Bytes) => void;
  readonly openPayload: (dataKey: HmacKey, info: Bytes, sealed: Bytes, out: Bytes) => number;
  /** Lengths are the bytes of a Uint32Array. */
  readonly sealPayloads: (
    dataKey: HmacKey,
    infos: Bytes,
    infoLengths: Bytes,
    plaintexts: Bytes,
    plaintextLengths: Bytes,
    out: Bytes,
  ) => void;
  /** Lengths are the bytes of a Uint32Array. */
  readonly openPayloads: (
    dataKey: HmacKey,
    infos: Bytes,
    infoLengths: Bytes,
    sealed: Bytes,
    sealedLengths: Bytes,
    out: Bytes,
  ) => Int32Array;
  /** Writes the 16 bytes with which another thread adopts the keys. */
  readonly share: (keys: ChunkKeys, ticket: Bytes) => void;
  /** Returns `null` once no thread holds the keys. */
  readonly adopt: (ticket: Bytes) => ChunkKeys | null;
}

export const addon: Addon = load();

function load(): Addon {
  const require = createRequire(import.meta.url);
  const platform = platformName();
  const failures: unknown[] = [];
  // The second is there in a clone of the repository only.
  for (const specifier of [`@env/native-${platform}`, `../target/npm/${platform}`]) {
    try {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the addon of this very version
      return require(specifier) as Addon;
    } catch (error) {
      failures.push(error);
    }
  }
  throw new EnvelopeError(
    "ERR_ENVELOPE_UNSUPPORTED",
    `@env/native has no addon for ${platform}, or it cannot be loaded: install @env/native-${platform} ` +
      "without leaving out optional dependencies, or leave @env/native out",
    { cause: failures.find((failure) => !isMissing(failure)) ?? failures[0] },
  );
}

/** The end of the package's name: `linux-x64-gnu`, `darwin-arm64`. */
function platformName(): string {
  const { platform, arch } = process;
  if (platform === "linux") return `${platform}-${arch}-${isGlibc() ? "gnu" : "musl"}`;
  return platform === "win32" ? `${platform}-${arch}-msvc` : `${platform}-${arch}`;
}

function isGlibc(): boolean {
  const { report } = process;
  const isExcluded: unknown = Reflect.get(report, "excludeNetwork");
  // Otherwise the report looks up the names of all hosts that the process is connected to.
  Reflect.set(report, "excludeNetwork", true);
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a report has a header
    const { header } = report.getReport() as { readonly header: object };
    return "glibcVersionRuntime" in header;
  } finally {
    Reflect.set(report, "excludeNetwork", isExcluded);
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "MODULE_NOT_FOUND";
}
