/**
 * The options of a client and their checks.
 *
 * @module
 */
import type { S3Client } from "@aws-sdk/client-s3";
import { EnvelopeError } from "@env/core";
import { checkOptions } from "@env/core/driver";
import { isLegacy, type ObjectHeaders } from "./headers.ts";
import type { S3Keyring } from "./keyrings.ts";

/**
 * Which versions are written and read, in the words of AWS's clients. Only V3 commits to its data key.
 *
 * - `REQUIRE_ENCRYPT_ALLOW_DECRYPT` writes V3, reads V2 and V3;
 * - `REQUIRE_ENCRYPT_REQUIRE_DECRYPT` writes and reads V3 alone;
 * - `FORBID_ENCRYPT_ALLOW_DECRYPT` writes V2, for readers that do not know V3 yet, and reads both.
 */
export type CommitmentPolicy =
  | "REQUIRE_ENCRYPT_ALLOW_DECRYPT"
  | "REQUIRE_ENCRYPT_REQUIRE_DECRYPT"
  | "FORBID_ENCRYPT_ALLOW_DECRYPT";

export interface S3EncryptionClientOptions {
  /** The application's own client: it brings credentials, region, retries and endpoint. */
  readonly client: S3Client;
  /** What wraps and unwraps data keys. */
  readonly keyring: S3Keyring;
  /** Default: `REQUIRE_ENCRYPT_ALLOW_DECRYPT`, because objects of SES and of older clients are V2. */
  readonly commitmentPolicy?: CommitmentPolicy | undefined;
  /**
   * Also reads V1, AES-CBC, the wraps of old clients, and V2 with an instruction file. AES-CBC is **not
   * authenticated**: whoever can write the object can change its plaintext. Default: `false`.
   */
  readonly allowLegacy?: boolean | undefined;
  /** The largest plaintext that `get` returns, in bytes. Default: 64 MiB. */
  readonly maxBufferedBytes?: number | undefined;
}

/** The options with their defaults. */
export interface Settings {
  readonly client: S3Client;
  readonly keyring: S3Keyring;
  readonly commitmentPolicy: CommitmentPolicy;
  readonly allowLegacy: boolean;
  readonly maxBufferedBytes: number;
}

const OPTIONS = new Set([
  "client",
  "keyring",
  "commitmentPolicy",
  "allowLegacy",
  "maxBufferedBytes",
]);
const POLICIES: ReadonlySet<string> = new Set<CommitmentPolicy>([
  "REQUIRE_ENCRYPT_ALLOW_DECRYPT",
  "REQUIRE_ENCRYPT_REQUIRE_DECRYPT",
  "FORBID_ENCRYPT_ALLOW_DECRYPT",
]);
const DEFAULT_BUFFERED_BYTES = 64 * 2 ** 20;
/** The longest Buffer that every supported version of Node makes. */
const MAX_BUFFERED_BYTES = 2 ** 32 - 1;

/** @throws TypeError or RangeError for options that are misspelt or out of range. */
export function checkSettings(options: S3EncryptionClientOptions): Settings {
  checkOptions(options, OPTIONS, "s3EncryptionClient");
  const {
    client,
    keyring,
    commitmentPolicy = "REQUIRE_ENCRYPT_ALLOW_DECRYPT",
    allowLegacy = false,
    maxBufferedBytes = DEFAULT_BUFFERED_BYTES,
  } = options;
  if (typeof client?.send !== "function") throw new TypeError("client must be an S3Client");
  requireKeyring(keyring);
  if (!POLICIES.has(commitmentPolicy)) {
    throw new TypeError(`commitmentPolicy must be one of ${[...POLICIES].join(", ")}`);
  }
  if (typeof allowLegacy !== "boolean") throw new TypeError("allowLegacy must be a boolean");
  if (typeof maxBufferedBytes !== "number")
    throw new TypeError("maxBufferedBytes must be a number");
  if (
    !Number.isInteger(maxBufferedBytes) ||
    maxBufferedBytes < 0 ||
    maxBufferedBytes > MAX_BUFFERED_BYTES
  ) {
    throw new RangeError(`maxBufferedBytes must be an integer from 0 to ${MAX_BUFFERED_BYTES}`);
  }
  return { client, keyring, commitmentPolicy, allowLegacy, maxBufferedBytes };
}

export function requireKeyring(keyring: S3Keyring): void {
  if (typeof keyring?.wrap !== "function" || typeof keyring.unwrap !== "function") {
    throw new TypeError("keyring must be made by kmsKeyring, aesKeyring or rsaKeyring");
  }
}

/**
 * Refuses objects that the policy does not allow.
 *
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_UNSUPPORTED`, with the option that allows it.
 */
export function requireAllowed(headers: ObjectHeaders, settings: Settings): void {
  const { version, wrapAlgorithm, contentAlgorithm, placement } = headers;
  const { commitmentPolicy, allowLegacy } = settings;
  if (version !== "V3" && commitmentPolicy === "REQUIRE_ENCRYPT_REQUIRE_DECRYPT") {
    throw refused(
      `it has version ${version}, which has no key commitment`,
      'commitmentPolicy: "REQUIRE_ENCRYPT_ALLOW_DECRYPT"',
    );
  }
  if (allowLegacy) return;
  if (isLegacy(headers)) {
    throw refused(
      `it has version ${version} with the wrap ${wrapAlgorithm} and the content ${contentAlgorithm}, which only old clients write`,
      "allowLegacy: true",
    );
  }
  if (version === "V2" && placement === "instruction-file") {
    throw refused(
      "it has version V2 and an instruction file: without a commitment, its wrapped key may be another one than the writer's (CVE-2025-14763)",
      "allowLegacy: true",
    );
  }
}

function refused(what: string, option: string): EnvelopeError {
  return new EnvelopeError(
    "ERR_ENVELOPE_UNSUPPORTED",
    `the object is refused: ${what}. ${option} reads it; write it again to make it V3`,
  );
}
