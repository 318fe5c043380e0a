/**
 * Seals under the keystore's root key, bound to this keystore and to the name of a row.
 *
 * Source: spec/kms-store-v1.md#sealing
 *
 * @module
 */
import type { KeyObject } from "node:crypto";
import type { Bytes } from "@env/core";
import { keyIdToBytes } from "../arn.ts";
import { label, openRow, sealRow } from "../material/seal.ts";

/** How much of its salt distinguishes a sealing from all others of the same record. */
export const MARK_BYTES = 12;

const LABEL = label("env/1/keystore");

export class RowSealer {
  readonly #root: KeyObject;
  /** The keystore's id as it precedes a name in the AAD. */
  readonly #keystoreId: string;

  /** @param root - 32 bytes. */
  constructor(root: KeyObject, keystoreId: string) {
    this.#root = root;
    this.#keystoreId = Buffer.from(keyIdToBytes(keystoreId)).toString("latin1");
  }

  /** Seals a row. Wiping `plaintext` is up to the caller. */
  seal(name: string, plaintext: Uint8Array): Bytes {
    return sealRow(this.#root, LABEL, this.#aad(name), plaintext);
  }

  /** The plaintext, which the caller wipes; `undefined` if it was not sealed under this name. */
  open(name: string, sealed: Uint8Array): Bytes | undefined {
    return openRow(this.#root, LABEL, this.#aad(name), sealed);
  }

  /** Keystore id || name, in Latin-1. */
  #aad(name: string): Uint8Array {
    return Buffer.from(this.#keystoreId + name, "latin1");
  }
}

/** Identifies a sealing among all those of the same row. Latin-1. */
export function markOf(sealed: Uint8Array): string {
  return Buffer.from(sealed.buffer, sealed.byteOffset + 1, MARK_BYTES).toString("latin1");
}
