/**
 * A KMS in memory for this package's tests: keys with versions, AES-256-GCM, the context as AAD. It
 * counts its calls and fails on demand.
 */
import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  randomBytes,
  type KeyObject,
} from "node:crypto";
import { Cmk, type Bytes, type CmkDriver, type CmkOptions, type KmsFailureCode } from "@env/core";

export interface StubKeyOptions extends CmkOptions {
  /** Leaves `generate` out: `Cmk` must make data keys itself. */
  readonly withoutGenerate?: boolean;
  /** Adds `rewrap`: as if inside the KMS. */
  readonly withRewrap?: boolean;
  /** Does not tell key versions. */
  readonly withoutVersions?: boolean;
  readonly provider?: string;
}

/** One key of the stub. */
export class StubKey {
  readonly #versions: KeyObject[] = [createSecretKey(randomBytes(32))];
  readonly calls: string[] = [];
  /** Every call fails with this code while it is set. */
  fails: KmsFailureCode | undefined;
  /** Every call waits for this first. */
  gate: Promise<void> | undefined;
  readonly cmk: Cmk;
  readonly driver: CmkDriver;

  constructor(keyId: string, options: StubKeyOptions = {}) {
    this.driver = this.#makeDriver(keyId, options);
    this.cmk = new Cmk(this.driver, { alsoUnwrap: options.alsoUnwrap ?? [] });
  }

  rotate(): void {
    this.#versions.push(createSecretKey(randomBytes(32)));
  }

  count(operation: string): number {
    return this.calls.filter((call) => call === operation).length;
  }

  #makeDriver(keyId: string, options: StubKeyOptions): CmkDriver {
    const version = (index: number): { keyVersion?: string } =>
      options.withoutVersions ? {} : { keyVersion: String(index + 1) };
    const seal = (plaintext: Uint8Array, aad: Uint8Array): Bytes => {
      const index = this.#versions.length - 1;
      const nonce = randomBytes(12);
      const cipher = createCipheriv("aes-256-gcm", this.#key(index), nonce).setAAD(aad);
      const body = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
      return new Uint8Array([index, ...nonce, ...body]);
    };
    const open = (wrapped: Uint8Array, aad: Uint8Array): { plaintext: Bytes; index: number } => {
      const index = wrapped[0] ?? 0;
      const decipher = createDecipheriv("aes-256-gcm", this.#key(index), wrapped.subarray(1, 13), {
        authTagLength: 16,
      });
      decipher.setAAD(aad).setAuthTag(wrapped.subarray(-16));
      const plaintext = Buffer.concat([
        decipher.update(wrapped.subarray(13, -16)),
        decipher.final(),
      ]);
      return { plaintext: new Uint8Array(plaintext), index };
    };
    const enter = async (operation: string): Promise<void> => {
      this.calls.push(operation);
      await this.gate;
      if (this.fails !== undefined) throw new StubError(this.fails);
    };
    const latest = (): { keyVersion?: string } => version(this.#versions.length - 1);
    return {
      provider: options.provider ?? "stub",
      keyId,
      async wrap({ plaintext, context }) {
        await enter("wrap");
        return { wrapped: seal(plaintext, context.bytes), keyId, ...latest() };
      },
      async unwrap({ wrapped, context }) {
        await enter("unwrap");
        const { plaintext, index } = open(wrapped, context.bytes);
        return { plaintext, ...version(index) };
      },
      ...(options.withoutGenerate
        ? {}
        : {
            async generate({ context }) {
              await enter("generate");
              const plaintext = new Uint8Array(randomBytes(32));
              return { plaintext, wrapped: seal(plaintext, context.bytes), keyId, ...latest() };
            },
          }),
      ...(options.withRewrap
        ? {
            async rewrap({ wrapped, context }) {
              await enter("rewrap");
              const { plaintext, index } = open(wrapped, context.bytes);
              const { keyVersion: fromVersion } = version(index);
              const from = fromVersion === undefined ? {} : { fromVersion };
              return { wrapped: seal(plaintext, context.bytes), keyId, ...latest(), ...from };
            },
          }
        : {}),
      classify: (error) => (error instanceof StubError ? error.code : "ERR_ENVELOPE_KMS_REJECTED"),
    };
  }

  #key(index: number): KeyObject {
    const key = this.#versions[index];
    if (key === undefined) throw new StubError("ERR_ENVELOPE_KMS_REJECTED");
    return key;
  }
}

/** What the stub throws. */
class StubError extends Error {
  readonly code: KmsFailureCode;

  constructor(code: KmsFailureCode) {
    super("the stub fails as told");
    this.code = code;
  }
}
