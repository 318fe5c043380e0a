/**
 * A CMK whose key follows from its name, so that every process of a test has the same one. It counts the calls
 * to it.
 */
import { createCipheriv, createDecipheriv, hash, randomBytes } from "node:crypto";
import { Cmk, Envelope } from "@env/core";
import type { CmkDriver, KmsContext } from "@env/core/driver";
import { MemoryKmsError } from "@env/core/testing";

export class FixedCmk {
  /** The operations that it was asked for. */
  readonly calls: string[] = [];
  readonly cmk: Cmk;
  /** Makes every call fail. */
  denied = false;

  /** @param dataKey - The data key that it generates. Default: a random one. */
  constructor(keyId = "one", dataKey?: Uint8Array<ArrayBuffer>) {
    const secret = hash("sha256", keyId, "buffer");
    const enter = (operation: string): void => {
      this.calls.push(operation);
      if (this.denied) throw new MemoryKmsError("ERR_ENVELOPE_KMS_ACCESS_DENIED");
    };
    const driver: CmkDriver = {
      provider: "fixed",
      keyId,
      async wrap({ plaintext, context }) {
        enter("wrap");
        const nonce = randomBytes(12);
        const cipher = createCipheriv("aes-256-gcm", secret, nonce).setAAD(aad(context));
        const sealed = Buffer.concat([cipher.update(plaintext), cipher.final()]);
        return {
          wrapped: new Uint8Array(Buffer.concat([nonce, sealed, cipher.getAuthTag()])),
          keyId,
          keyVersion: "1",
        };
      },
      async unwrap({ wrapped, context }) {
        enter("unwrap");
        const decipher = createDecipheriv("aes-256-gcm", secret, wrapped.subarray(0, 12));
        decipher.setAAD(aad(context)).setAuthTag(wrapped.subarray(-16));
        try {
          const sealed = wrapped.subarray(12, -16);
          return {
            plaintext: new Uint8Array(Buffer.concat([decipher.update(sealed), decipher.final()])),
            keyVersion: "1",
          };
        } catch {
          throw new MemoryKmsError("ERR_ENVELOPE_KMS_REJECTED");
        }
      },
      classify: (error) =>
        error instanceof MemoryKmsError ? error.code : "ERR_ENVELOPE_KMS_ERROR",
    };
    const generate: CmkDriver["generate"] = async ({ context, signal }) => {
      const plaintext = new Uint8Array(dataKey ?? randomBytes(32));
      return {
        plaintext: plaintext.slice(),
        ...(await driver.wrap({ plaintext, context, signal })),
      };
    };
    this.cmk = new Cmk({ ...driver, generate });
  }

  envelope(): Envelope {
    return new Envelope({ cmks: [this.cmk] });
  }
}

function aad({ bytes }: KmsContext): Uint8Array {
  return bytes;
}
