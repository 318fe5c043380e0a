/** A key of a `MemoryKms` that counts its calls, fails on demand, and leaves out what a test says. */
import { Cmk, type CmkOptions } from "@env/core";
import type { CmkDriver, KmsFailureCode } from "@env/core/driver";
import { MemoryKms, MemoryKmsError } from "@env/core/testing";
import { CallLog } from "@env/testkit/call-log";

export interface StubKeyOptions extends CmkOptions {
  /** Leaves `generate` out: `Cmk` must make data keys itself. */
  readonly withoutGenerate?: boolean;
  /** Keeps `rewrap`: inside the KMS. */
  readonly withRewrap?: boolean;
  /** Does not tell key versions. */
  readonly withoutVersions?: boolean;
  readonly provider?: string;
}

export class StubKey extends CallLog<KmsFailureCode> {
  readonly #kms: MemoryKms;
  readonly #keyId: string;
  readonly cmk: Cmk;
  readonly driver: CmkDriver;

  constructor(keyId: string, options: StubKeyOptions = {}) {
    super((code) => new MemoryKmsError(code));
    this.#kms = new MemoryKms({
      provider: options.provider ?? "stub",
      onCall: (operation) => this.enter(operation),
    });
    this.#keyId = this.#kms.createKey(keyId);
    const driver = this.#kms.driver(keyId);
    const full: CmkDriver = {
      provider: driver.provider,
      keyId,
      wrap: (request) => driver.wrap(request),
      // One key, by whatever name it is called.
      unwrap: (request) => driver.unwrap({ ...request, keyId }),
      ...(options.withoutGenerate ? {} : { generate: (request) => driver.generate(request) }),
      ...(options.withRewrap ? { rewrap: (request) => driver.rewrap({ ...request, keyId }) } : {}),
      classify: (error) => driver.classify(error),
    };
    this.driver = options.withoutVersions ? withoutVersions(full) : full;
    this.cmk = new Cmk(this.driver, { alsoUnwrap: options.alsoUnwrap ?? [] });
  }

  rotate(): void {
    this.#kms.rotate(this.#keyId);
  }
}

function withoutVersions(driver: CmkDriver): CmkDriver {
  const without = <T extends object>(answer: T): T => {
    for (const name of ["keyVersion", "fromVersion"]) Reflect.deleteProperty(answer, name);
    return answer;
  };
  const generate = driver.generate?.bind(driver);
  const rewrap = driver.rewrap?.bind(driver);
  return {
    ...driver,
    wrap: async (request) => without(await driver.wrap(request)),
    unwrap: async (request) => without(await driver.unwrap(request)),
    ...(generate && { generate: async (request) => without(await generate(request)) }),
    ...(rewrap && {
      rewrap: async (request) => {
        const answer = await rewrap(request);
        return answer && without(answer);
      },
    }),
  };
}
