/** A CMK in memory for this package's tests: one key, the context as AAD. Counts its calls and fails on demand. */
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from "node:crypto";
import { Cmk, Envelope, type EnvelopeOptions, type KmsFailureCode } from "@env/core";

export class StubKms {
  readonly #key = createSecretKey(randomBytes(32));
  readonly calls: string[] = [];
  /** Every call fails with this code while it is set. */
  fails: KmsFailureCode | undefined;
  /** Every call waits for this first. */
  gate: Promise<void> | undefined;
  readonly cmk: Cmk;

  constructor() {
    const enter = async (operation: string): Promise<void> => {
      this.calls.push(operation);
      await this.gate;
      if (this.fails !== undefined) throw new StubError(this.fails);
    };
    this.cmk = new Cmk({
      provider: "stub",
      keyId: "one",
      wrap: async ({ plaintext, context }) => {
        await enter("wrap");
        const nonce = randomBytes(12);
        const cipher = createCipheriv("aes-256-gcm", this.#key, nonce).setAAD(context.bytes);
        const body = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
        return { wrapped: new Uint8Array([...nonce, ...body]), keyId: "one" };
      },
      unwrap: async ({ wrapped, context }) => {
        await enter("unwrap");
        const decipher = createDecipheriv("aes-256-gcm", this.#key, wrapped.subarray(0, 12), {
          authTagLength: 16,
        });
        decipher.setAAD(context.bytes).setAuthTag(wrapped.subarray(-16));
        const body = [decipher.update(wrapped.subarray(12, -16)), decipher.final()];
        return { plaintext: new Uint8Array(Buffer.concat(body)) };
      },
      classify: (error) => (error instanceof StubError ? error.code : "ERR_ENVELOPE_KMS_REJECTED"),
    });
  }

  envelope(options: Omit<EnvelopeOptions, "cmks"> = {}): Envelope {
    return new Envelope({ cmks: [this.cmk], ...options });
  }
}

class StubError extends Error {
  readonly code: KmsFailureCode;

  constructor(code: KmsFailureCode) {
    super("the stub fails as told");
    this.code = code;
  }
}
