/**
 * AWS's list prices for us-east-1, in US dollars.
 *
 * Source: "AWS Key Management Service pricing"
 *
 * @module
 */
import { operationRows } from "@env/kms/catalogue";

/** A customer managed key, a month. */
export const keyPrice = 1;

/** Calls of an account that are free in a month. They are shared by all keys, so no row can have them. */
export const freeCalls = 20_000;

const per10k = (dollars: number): number => dollars / 10_000;

/**
 * The price of one call. `undefined`: it is not one of KMS, and costs nothing.
 *
 * @param spec - Of the key, where that is known.
 */
export function priceOf(operation: string, spec = "SYMMETRIC_DEFAULT"): number | undefined {
  if (!isOfKms(operation)) return undefined;
  if (operation.startsWith("GenerateDataKeyPair")) return per10k(0.1);
  const isAsymmetric = spec !== "SYMMETRIC_DEFAULT" && !spec.startsWith("HMAC");
  if (
    isAsymmetric &&
    /^(?:Sign|Verify|Encrypt|Decrypt|ReEncrypt|GetPublicKey|DeriveSharedSecret|Encapsulate|Decapsulate)$/.test(
      operation,
    )
  ) {
    return per10k(spec === "RSA_2048" ? 0.03 : 0.15);
  }
  return per10k(0.03);
}

/** Records of IAM, STS and of the keystore itself are in the same log. */
function isOfKms(operation: string): boolean {
  return Object.hasOwn(operationRows, operation);
}

export function toDollars(amount: number): string {
  const digits = amount !== 0 && amount < 0.01 ? 6 : 2;
  return `$${amount.toFixed(digits)}`;
}
