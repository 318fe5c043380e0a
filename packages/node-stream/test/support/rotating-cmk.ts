/**
 * A CMK whose keys follow from its name, so that several processes agree on them without a keystore.
 * It counts its calls.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { Cmk } from "@env/core";
import type { CmkDriver } from "@env/core/driver";

export interface RotatingCmk {
  readonly cmk: Cmk;
  readonly driver: CmkDriver;
  /** How often a KMS would have been called. */
  readonly calls: () => number;
}

/** @param version - The current one, from 1; it and all before it unwrap. */
export function rotatingCmk(keyId: string, version: number): RotatingCmk {
  let calls = 0;
  const keyOf = (of: number): Buffer => createHash("sha256").update(`${keyId} ${of}`).digest();
  const driver: CmkDriver = {
    provider: "rotating",
    keyId,
    async wrap({ plaintext, context }) {
      calls++;
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", keyOf(version), nonce).setAAD(context.bytes);
      const body = [cipher.update(plaintext), cipher.final(), cipher.getAuthTag()];
      const wrapped = new Uint8Array(Buffer.concat([Buffer.of(version), nonce, ...body]));
      return { wrapped, keyId, keyVersion: String(version) };
    },
    async unwrap({ wrapped, context }) {
      calls++;
      const of = wrapped[0] ?? 0;
      if (of > version) throw new Error("a version of the future");
      const nonce = wrapped.subarray(1, 13);
      const decipher = createDecipheriv("aes-256-gcm", keyOf(of), nonce, { authTagLength: 16 });
      decipher.setAAD(context.bytes).setAuthTag(wrapped.subarray(-16));
      const plaintext = Buffer.concat([
        decipher.update(wrapped.subarray(13, -16)),
        decipher.final(),
      ]);
      return { plaintext: new Uint8Array(plaintext), keyVersion: String(of) };
    },
    classify: () => "ERR_ENVELOPE_KMS_REJECTED",
  };
  return { cmk: new Cmk(driver), driver, calls: () => calls };
}
