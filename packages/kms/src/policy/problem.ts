/**
 * What is wrong with a policy document.
 *
 * @module
 */
import type { KmsErrorName } from "../catalogue/errors.ts";

/** What is wrong with a document, and where. */
export interface Problem {
  readonly rule: DocumentRule;
  /** The error that parsing throws, with {@link message}. */
  readonly error: KmsErrorName;
  readonly message: string;
  /** More than AWS's message says. */
  readonly detail?: string;
  readonly offset: number;
  readonly pointer: string;
}

export type DocumentRule =
  | "policy-size"
  | "policy-characters"
  | "json"
  | "structure"
  | "unknown-element"
  | "missing-element"
  | "invalid-principal"
  | "invalid-action"
  | "invalid-resource"
  | "unknown-operator"
  | "invalid-value"
  | "invalid-variable"
  | "duplicate-sid"
  | "for-all-values-on-single-value";

/** Takes a problem. Throws if the reader stops at the first one. */
export type Report = (
  rule: DocumentRule,
  at: { readonly offset: number; readonly pointer: string },
  message: string,
  extra?: { readonly error?: KmsErrorName; readonly detail?: string },
) => void;
