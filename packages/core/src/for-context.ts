/**
 * An envelope with its context bound, so that code for one tenant or purpose states the context once.
 *
 * @module
 */
import type { Bytes } from "./bytes.ts";
import type { Context } from "./context.ts";
import type { DecryptOptions } from "./decrypting.ts";
import type { EncryptOptions, EncryptStreamOptions } from "./encrypting.ts";
import type { Envelope } from "./envelope.ts";
import type { Fields, FieldsOptions } from "./fields.ts";
import type { RewrapOptions, RewrapResult } from "./rewrap.ts";

type WithoutContext<T> = Omit<T, "context">;

/**
 * The methods of an {@link Envelope} for one context. Created by `Envelope.for`, and open for as long
 * as the envelope is.
 */
export class EnvelopeForContext {
  readonly #envelope: Envelope;
  readonly #context: Context;

  /** @param context - Already checked, and never changed by anybody. */
  constructor(envelope: Envelope, context: Context) {
    this.#envelope = envelope;
    this.#context = context;
  }

  /** Same as `Envelope.encrypt`. */
  async encrypt(plaintext: Uint8Array, options?: WithoutContext<EncryptOptions>): Promise<Bytes> {
    return this.#envelope.encrypt(plaintext, this.#bound(options));
  }

  /** Same as `Envelope.decrypt`. */
  async decrypt(message: Uint8Array, options?: WithoutContext<DecryptOptions>): Promise<Bytes> {
    return this.#envelope.decrypt(message, this.#bound(options));
  }

  /** Same as `Envelope.encryptText`. */
  async encryptText(plaintext: string, options?: WithoutContext<EncryptOptions>): Promise<string> {
    return this.#envelope.encryptText(plaintext, this.#bound(options));
  }

  /** Same as `Envelope.decryptText`. */
  async decryptText(text: string, options?: WithoutContext<DecryptOptions>): Promise<string> {
    return this.#envelope.decryptText(text, this.#bound(options));
  }

  /** Same as `Envelope.encryptStream`. */
  encryptStream(
    options?: WithoutContext<EncryptStreamOptions>,
  ): TransformStream<Uint8Array, Bytes> {
    return this.#envelope.encryptStream(this.#bound(options));
  }

  /** Same as `Envelope.decryptStream`. */
  decryptStream(options?: WithoutContext<DecryptOptions>): TransformStream<Uint8Array, Bytes> {
    return this.#envelope.decryptStream(this.#bound(options));
  }

  /** Same as `Envelope.fields`. */
  async fields(options?: WithoutContext<FieldsOptions>): Promise<Fields> {
    return this.#envelope.fields(this.#bound(options));
  }

  /** Same as `Envelope.rewrap`. */
  async rewrap<T extends Uint8Array | string>(
    message: T,
    options?: WithoutContext<RewrapOptions>,
  ): Promise<RewrapResult<T extends string ? string : Bytes>> {
    return this.#envelope.rewrap(message, this.#bound(options));
  }

  #bound<T extends object>(options: T | undefined): T & { readonly context: Context } {
    // Silently ignoring a context would be worse than an error.
    if (options !== undefined && "context" in options) {
      throw new TypeError(
        "the context is bound already: leave it out, or call the Envelope itself",
      );
    }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- no options are what T allows
    return { ...options, context: this.#context } as T & { readonly context: Context };
  }
}
