/**
 * The part of a Cloud KMS client this package calls, as a type of its own: `KeyManagementServiceClient`
 * of `@google-cloud/kms` fits, over gRPC or REST, and so does a ten-line fake. No type of the SDK shows
 * in this package's declarations.
 *
 * Source: google/cloud/kms/v1/service.proto; CallOptions of google-gax
 *
 * @module
 */

/** An optional number on the wire. Comes back as text, or as the `Long` of another client. */
interface Crc32cOutput {
  readonly value?: unknown;
}

interface Crc32cInput {
  readonly value: number;
}

interface EncryptInput {
  readonly name: string;
  /** Bytes: the SDK takes a string for base64. */
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

/** Everything optional, as an SDK has it: what is missing is noticed by the driver. */
export interface EncryptOutput {
  /** Name of the version that encrypted. */
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

/** How a call is bounded. Without these, the SDK repeats for ten minutes. */
export interface SendOptions {
  /** Milliseconds of one attempt. */
  readonly timeout: number;
  readonly retry: {
    /** Statuses of gRPC. */
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
  /** Ends the call where the SDK knows signals. */
  readonly signal: AbortSignal;
}

/** The answer is the first item. */
type Answered<T> = Promise<readonly [T, ...unknown[]]>;

export interface GcpKmsClient {
  /** Gets credentials ready, where a client has to. Called before every call. */
  initialize?(): Promise<unknown>;
  encrypt(request: EncryptInput, options: SendOptions): Answered<EncryptOutput>;
  decrypt(request: DecryptInput, options: SendOptions): Answered<DecryptOutput>;
  getCryptoKey(request: { readonly name: string }, options: SendOptions): Answered<CryptoKeyOutput>;
}

/** The methods, for a check that what was passed is such a client. */
export const clientMethods: readonly (keyof GcpKmsClient)[] = [
  "encrypt",
  "decrypt",
  "getCryptoKey",
];
