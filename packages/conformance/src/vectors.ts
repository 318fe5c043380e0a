/**
 * The format's test vectors, and drivers that act as their CMKs. Unlike the rest of the package, this
 * module needs Node, since it reads files.
 *
 * `spec/vectors/README.md` says what every field means. The published package carries a copy of the
 * vectors, one file per kind.
 *
 * @example
 * ```ts
 * for (const vector of loadVectors("envelope")) {
 *   const drivers = vectorDrivers(vector);
 *   const envelope = new Envelope({ cmks: drivers.map((driver) => new Cmk(driver)) });
 *   // … decrypt, then compare with vector.expect, vector.plaintext and callsOf(drivers)
 * }
 * ```
 *
 * @module
 */
import { readFileSync } from "node:fs";
import type { EnvelopeErrorCode } from "@env/core";
import type { CmkDriver, KmsFailureCode } from "@env/core/driver";
import { fromHex, hex } from "./bytes.ts";
import { openLocalBlob, type LocalKey } from "./local-wrap.ts";
import { readVectorFolder } from "./vector-files.ts";

export { openLocalBlob } from "./local-wrap.ts";
export type { LocalKey } from "./local-wrap.ts";

/** The members of all vectors. */
export interface Vector {
  /** The file's name without `.json`. Added by {@link loadVectors}. */
  readonly name: string;
  /** The section of the specification that defines the result. */
  readonly spec: string;
  readonly comment: string;
}

/** A number of bytes and their SHA-256 in hex. */
export interface Digest {
  readonly bytes: number;
  readonly sha256: string;
}

/** A CMK of an envelope vector: a CMK of the local KMS, a table, or a CMK that fails with a code. */
export type VectorCmk =
  | (LocalKey & { readonly provider: string })
  | {
      readonly provider: string;
      readonly keyId: string;
      /** Pairs in hex. A data key may have a wrong length. */
      readonly unwraps: readonly { readonly wrapped: string; readonly dataKey: string }[];
    }
  | { readonly provider: string; readonly keyId: string; readonly fails: KmsFailureCode };

/** A context. Its values are strings unless the vector tests an illegal map. */
export type VectorContext = Readonly<Record<string, unknown>>;

/** A message, a reader's arguments, and the result that it must produce. */
export interface EnvelopeVector extends Vector {
  /** The reader's CMKs, in order. */
  readonly cmks: readonly VectorCmk[];
  /** `null` if the reader passes none. */
  readonly context: VectorContext | null;
  /** Present if the reader opts in to the stored context. */
  readonly fromHeader?: { readonly require: Readonly<Record<string, string>> };
  /** Hex. */
  readonly aad: string;
  /** Base64. Present if the reader passes a detached key block. */
  readonly keyBlock?: string;
  /** Base64. */
  readonly message: string;
  readonly expect: "ok" | EnvelopeErrorCode;
  /** Present if a reader that does not know the payload's length must fail with another code. */
  readonly expectStream?: EnvelopeErrorCode;
  /** How many KMS calls a reader of the whole message makes. */
  readonly kmsCalls: number;
  /** The plaintext, for `ok`. */
  readonly plaintext?: Digest;
  /** All that a streaming reader may have released before a failure. */
  readonly released?: Digest;
}

export interface ContextVector extends Vector {
  readonly context: VectorContext;
  /** Hex, for `ok`. */
  readonly contextBytes?: string;
  /** Hex, for `ok`. */
  readonly kmsContextBytes?: string;
  readonly expect: "ok" | "ERR_ENVELOPE_INVALID_CONTEXT";
}

export interface TextVector extends Vector {
  readonly text: string;
  /** Hex, for `ok`. */
  readonly message?: string;
  readonly expect: "ok" | "ERR_ENVELOPE_FORMAT" | "ERR_ENVELOPE_TRUNCATED";
}

export interface LocalWrapVector extends Vector, LocalKey {
  /** The context that was sent to the KMS, `env:format` included where there is one. */
  readonly context: Readonly<Record<string, string>>;
  /** Hex. */
  readonly blob: string;
  /** Hex, for `ok`. */
  readonly plaintext?: string;
  readonly expect: "ok" | "rejected";
}

/** The kinds of vectors, by their folders. */
export interface VectorsByKind {
  readonly envelope: EnvelopeVector;
  readonly context: ContextVector;
  readonly text: TextVector;
  readonly "local-wrap": LocalWrapVector;
}

/** Returns all vectors of one kind, sorted by name. */
export function loadVectors<Kind extends keyof VectorsByKind>(kind: Kind): VectorsByKind[Kind][] {
  // In the repository, the source files are read, since a copy could be stale; the built package
  // contains a copy.
  if (import.meta.url.endsWith(".ts")) {
    return readVectorFolder(new URL(`../../../spec/vectors/${kind}/`, import.meta.url));
  }
  return JSON.parse(readFileSync(new URL(`../vectors/${kind}.json`, import.meta.url), "utf8"));
}

/** A driver that counts its calls. */
export interface VectorDriver extends CmkDriver {
  /** The number of calls so far, of any kind and outcome. */
  readonly calls: number;
}

/** Returns drivers that act as the CMKs of a vector, in its order. They only unwrap. */
export function vectorDrivers(vector: Pick<EnvelopeVector, "cmks">): VectorDriver[] {
  return vector.cmks.map(vectorDriver);
}

/** Returns the number of calls to the drivers of one vector, to compare with `kmsCalls`. */
export function callsOf(drivers: readonly VectorDriver[]): number {
  return drivers.reduce((calls, driver) => calls + driver.calls, 0);
}

/** An error that carries the code that `classify` returns for it. */
class VectorFailure extends Error {
  override readonly name = "VectorFailure";
  readonly code: KmsFailureCode;

  constructor(code: KmsFailureCode) {
    super(`the vector's CMK answers ${code}`);
    this.code = code;
  }
}

function vectorDriver(cmk: VectorCmk): VectorDriver {
  let calls = 0;
  return {
    provider: cmk.provider,
    keyId: cmk.keyId,
    get calls() {
      return calls;
    },
    async wrap() {
      calls++;
      throw new VectorFailure("fails" in cmk ? cmk.fails : "ERR_ENVELOPE_KMS_ACCESS_DENIED");
    },
    async unwrap({ wrapped, keyId, context }) {
      calls++;
      if ("fails" in cmk) throw new VectorFailure(cmk.fails);
      if (keyId !== cmk.keyId) throw new VectorFailure("ERR_ENVELOPE_KMS_KEY_NOT_FOUND");
      const plaintext =
        "versions" in cmk
          ? openLocalBlob(cmk, wrapped, context.bytes)
          : cmk.unwraps.filter((row) => row.wrapped === hex(wrapped)).map(dataKeyOf)[0];
      if (plaintext === undefined) throw new VectorFailure("ERR_ENVELOPE_KMS_REJECTED");
      return { plaintext };
    },
    classify: (error) => (error instanceof VectorFailure ? error.code : "ERR_ENVELOPE_KMS_ERROR"),
  };
}

function dataKeyOf({ dataKey }: { readonly dataKey: string }): Uint8Array<ArrayBuffer> {
  return fromHex(dataKey);
}
