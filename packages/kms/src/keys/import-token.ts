/**
 * Import tokens: the private half of a wrapping key, sealed so that its holder can only give it back.
 *
 *     token   = sealed under the keystore's root key, bound to the key's ARN
 *     content = wrapping algorithm u8 || wrapping key spec u8 || valid to u64 (ms since 1970)
 *               || PKCS #8 of the wrapping key
 *
 * So there is nothing to keep between GetParametersForImport and ImportKeyMaterial, and nothing to
 * clean up. A token may be used more than once, within its time and for its key.
 *
 * @module
 */
import type { KeyObject } from "node:crypto";
import type { Bytes } from "@env/core";
import type { Store } from "../store/store.ts";
import {
  wrappingAlgorithms,
  wrappingKeySpecs,
  type WrappingAlgorithm,
  type WrappingKeySpec,
} from "../material/unwrap.ts";
import { decodeMaterial, encodeMaterial } from "../material/material.ts";

/** The part of the store that seals what comes back. */
export type TokenSealer = Pick<Store, "sealToken" | "openToken">;

export interface ImportParameters {
  readonly algorithm: WrappingAlgorithm;
  readonly wrappingKeySpec: WrappingKeySpec;
  /** Private, RSA. */
  readonly wrappingKey: KeyObject;
  /** Milliseconds since 1970; not checked here. */
  readonly validTo: number;
}

const HEAD_BYTES = 1 + 1 + 8;

/** At most 6144 bytes. */
export function sealImportToken(
  sealer: TokenSealer,
  arn: string,
  { algorithm, wrappingKeySpec, wrappingKey, validTo }: ImportParameters,
): Bytes {
  const raw = encodeMaterial(wrappingKey);
  const content = new Uint8Array(HEAD_BYTES + raw.length);
  try {
    content[0] = wrappingAlgorithms.indexOf(algorithm);
    content[1] = wrappingKeySpecs.indexOf(wrappingKeySpec);
    new DataView(content.buffer).setBigUint64(2, BigInt(validTo));
    content.set(raw, HEAD_BYTES);
    return sealer.sealToken(tokenName(arn), content);
  } finally {
    raw.fill(0);
    content.fill(0);
  }
}

/** `undefined` for what is not a token of this key. */
export function openImportToken(
  sealer: TokenSealer,
  arn: string,
  token: Uint8Array,
): ImportParameters | undefined {
  const content = sealer.openToken(tokenName(arn), token);
  if (content === undefined) return undefined;
  try {
    const algorithm = wrappingAlgorithms[content[0] ?? -1];
    const validTo = Number(new DataView(content.buffer, content.byteOffset).getBigUint64(2));
    const wrappingKeySpec = wrappingKeySpecs[content[1] ?? -1];
    if (algorithm === undefined || wrappingKeySpec === undefined) return undefined;
    const wrappingKey = decodeMaterial(wrappingKeySpec, content.subarray(HEAD_BYTES));
    return wrappingKey && { algorithm, wrappingKeySpec, wrappingKey, validTo };
  } finally {
    content.fill(0);
  }
}

function tokenName(arn: string): string {
  return `import ${arn}`;
}
