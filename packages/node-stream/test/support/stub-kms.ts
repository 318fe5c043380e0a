/** A key of a `MemoryKms` that counts its calls and fails on demand. */
import { Cmk, Envelope, type EnvelopeOptions } from "@env/core";
import type { KmsFailureCode } from "@env/core/driver";
import { MemoryKms, MemoryKmsError } from "@env/core/testing";

export class StubKms {
  readonly calls: string[] = [];
  /** Every call fails with this code while it is set. */
  fails: KmsFailureCode | undefined;
  /** Every call waits for this first. */
  gate: Promise<void> | undefined;
  readonly cmk: Cmk;

  constructor() {
    const kms = new MemoryKms({
      onCall: async (operation) => {
        this.calls.push(operation);
        await this.gate;
        if (this.fails !== undefined) throw new MemoryKmsError(this.fails);
      },
    });
    const driver = kms.driver(kms.createKey("one"));
    // Without what is optional, so that a message is one wrap and one unwrap.
    this.cmk = new Cmk({
      provider: driver.provider,
      keyId: driver.keyId,
      wrap: (request) => driver.wrap(request),
      unwrap: (request) => driver.unwrap(request),
      classify: (error) => driver.classify(error),
    });
  }

  envelope(options: Omit<EnvelopeOptions, "cmks"> = {}): Envelope {
    return new Envelope({ cmks: [this.cmk], ...options });
  }
}
