/**
 * Acme KMS in this process: real cryptography, and every failure that the contract is about.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import type { AcmeKmsClient } from "../../src/index.ts";

class AcmeFault extends Error {
  constructor(name: string) {
    super(name);
    this.name = name;
  }
}

export class FakeAcmeKms implements AcmeKmsClient {
  readonly #keys = new Map<string, Buffer[]>();
  /** The name of the error of every call, from now on. */
  fault: string | undefined;

  createKey(): string {
    const id = `key/${randomBytes(8).toString("hex")}`;
    this.#keys.set(id, [randomBytes(32)]);
    return id;
  }

  rotate(id: string): void {
    this.#versions(id).push(randomBytes(32));
  }

  async encrypt({ key, plaintext, context }: Parameters<AcmeKmsClient["encrypt"]>[0]) {
    const versions = this.#versions(key);
    const nonce = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", versions.at(-1) ?? "", nonce).setAAD(context);
    const sealed = [cipher.update(plaintext), cipher.final(), cipher.getAuthTag()];
    return {
      key,
      ciphertext: new Uint8Array(Buffer.concat([Buffer.of(versions.length), nonce, ...sealed])),
    };
  }

  async decrypt({ key, ciphertext, context }: Parameters<AcmeKmsClient["decrypt"]>[0]) {
    const version = this.#versions(key)[(ciphertext[0] ?? 0) - 1];
    if (version === undefined || ciphertext.length < 29) throw new AcmeFault("WrongCiphertext");
    const options = { authTagLength: 16 };
    const decipher = createDecipheriv("aes-256-gcm", version, ciphertext.subarray(1, 13), options);
    decipher.setAAD(context).setAuthTag(ciphertext.subarray(-16));
    try {
      const opened = [decipher.update(ciphertext.subarray(13, -16)), decipher.final()];
      return { plaintext: new Uint8Array(Buffer.concat(opened)) };
    } catch {
      throw new AcmeFault("WrongCiphertext");
    }
  }

  #versions(id: string): Buffer[] {
    if (this.fault !== undefined) throw new AcmeFault(this.fault);
    const versions = this.#keys.get(id);
    if (versions === undefined) throw new AcmeFault("NoSuchKey");
    return versions;
  }
}
