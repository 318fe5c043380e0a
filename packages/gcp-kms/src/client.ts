/**
 * The part of a Cloud KMS client that this package calls, as a type of its own. `KeyManagementServiceClient`
 * of `@google-cloud/kms` fits it, over gRPC or REST, and so does a fake of ten lines. This package's
 * declarations contain no type of the SDK.
 *
 * Source: google/cloud/kms/v1/service.proto; CallOptions of google-gax
 *
 * @module
 */

/** A number that is optional on the wire. It arrives as text, or as the `Long` of another client. */
interface Crc32cOutput {
  readonly value?: unknown;
}

interface Crc32cInput {
  readonly value: number;
}

interface EncryptInput {
  readonly name: string;
  /** Must be bytes: the SDK reads a string as base64. */
  readonly plaintext: Uint8Array;
  readonly additionalAuthenticatedData: Uint8Array;
  readonly plaintextCrc32c: Crc32cInput;
  readonly additionalAuthenticatedDataCrc32c: Crc32cInput;
}

interface DecryptInput {
  readonly name: string;
  readonly ciphertext: Uint8Array;
  readonly additionalAuthenticatedData: Uint8Array;
  readonly ciphertextCrc32c: Crc32cInput;
  readonly additionalAuthenticatedDataCrc32c: Crc32cInput;
}

/** All members are optional, as in the SDK. The driver notices what is missing. */
export interface EncryptOutput {
  /** The name of the version that encrypted. */
  readonly name?: string | null;
  readonly ciphertext?: Uint8Array | string | null;
  readonly ciphertextCrc32c?: Crc32cOutput | null;
  readonly verifiedPlaintextCrc32c?: boolean | null;
  readonly verifiedAdditionalAuthenticatedDataCrc32c?: boolean | null;
}

export interface DecryptOutput {
  readonly plaintext?: Uint8Array | string | null;
  readonly plaintextCrc32c?: Crc32cOutput | null;
  readonly usedPrimary?: boolean | null;
}

export interface CryptoKeyOutput {
  readonly name?: string | null;
  readonly purpose?: string | number | null;
  readonly primary?: {
    readonly name?: string | null;
    readonly state?: string | number | null;
  } | null;
}

/** The bounds of a call. Without them, the SDK retries for ten minutes. */
export interface SendOptions {
  /** Milliseconds for one attempt. */
  readonly timeout: number;
  readonly retry: {
    /** gRPC status codes. */
    retryCodes: number[];
    backoffSettings: {
      maxRetries: number;
      initialRetryDelayMillis: number;
      retryDelayMultiplier: number;
      maxRetryDelayMillis: number;
      initialRpcTimeoutMillis: number;
      maxRpcTimeoutMillis: number;
      rpcTimeoutMultiplier: number;
    };
  };
  /** Ends the call early, if the SDK supports signals. */
  readonly signal: AbortSignal;
}

/** The answer is the first item. */
type Answered<T> = Promise<readonly [T, ...unknown[]]>;

export interface GcpKmsClient {
  /** Prepares the credentials, if the client needs that. Runs before every call. */
  initialize?(): Promise<unknown>;
  encrypt(request: EncryptInput, options: SendOptions): Answered<EncryptOutput>;
  decrypt(request: DecryptInput, options: SendOptions): Answered<DecryptOutput>;
  getCryptoKey(request: { readonly name: string }, options: SendOptions): Answered<CryptoKeyOutput>;
}

/** The methods by which a client is recognized. */
export const clientMethods: readonly (keyof GcpKmsClient)[] = [
  "encrypt",
  "decrypt",
  "getCryptoKey",
];
