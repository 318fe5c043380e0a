/**
 * What many requests and responses have: a key, a page, a dry run, grant tokens, a context.
 *
 * @module
 */

/** Strings to strings: authenticated, not secret. */
export type EncryptionContext = Readonly<Record<string, string>>;

/** A key id or key ARN. */
export interface KeyRequest {
  readonly KeyId: string | undefined;
}

export interface PageRequest {
  readonly Limit?: number | undefined;
  readonly Marker?: string | undefined;
}

export interface Page {
  readonly Truncated: boolean;
  /** Only where `Truncated`. */
  readonly NextMarker?: string;
}

/** Calls that can be tried: they then end in DryRunOperationException where they would succeed. */
export interface DryRun {
  readonly DryRun?: boolean | undefined;
}

/** Dry runs that can do without a ciphertext. */
export interface DryRunModifiers extends DryRun {
  /** `IGNORE_CIPHERTEXT`, only with `DryRun`: the key is named, and `CiphertextBlob` is left out or not looked at. */
  readonly DryRunModifiers?: readonly string[] | undefined;
}

/** Calls that a grant may allow. */
export interface WithGrantTokens {
  /** At most 10. */
  readonly GrantTokens?: readonly string[] | undefined;
}

export interface Tag {
  /** 1 to 128 characters, not beginning with `aws:`. */
  readonly TagKey: string;
  /** At most 256 characters. */
  readonly TagValue: string;
}

/** The ARN of the key that a call was about. */
export interface KeyIdResponse {
  readonly KeyId: string;
}
