/** A key of a `MemoryKms` that counts its calls and fails on demand. */
import { Cmk, Envelope, type EnvelopeOptions } from "@env/core";
import type { KmsFailureCode } from "@env/core/driver";
import { MemoryKms, MemoryKmsError } from "@env/core/testing";
import { CallLog } from "@env/testkit/call-log";

export class StubKms extends CallLog<KmsFailureCode> {
  readonly cmk: Cmk;

  constructor() {
    super((code) => new MemoryKmsError(code));
    const kms = new MemoryKms({ onCall: (operation) => this.enter(operation) });
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
