/**
 * Request quotas: how many calls per second, for rehearsing what AWS throttles. Off unless asked for.
 *
 * A token bucket per quota and account of the caller holds one second's worth, at least one call, and
 * fills all the time. The buckets are this process's own. Calls that name no key that exists are not counted.
 *
 * Source: "Request quotas" in the AWS KMS developer guide; the shared quota of symmetric operations
 * differs by region there.
 *
 * @module
 */
import { KmsError } from "../errors.ts";
import { isKeySpec, keySpecs } from "../material/key-specs.ts";

export type QuotaName =
  | "CryptographicSymmetric"
  | "CryptographicRsa"
  | "CryptographicEcc"
  | "GenerateDataKeyPair:ECC_NIST_P256"
  | "GenerateDataKeyPair:ECC_NIST_P384"
  | "GenerateDataKeyPair:ECC_NIST_P521"
  | "GenerateDataKeyPair:ECC_SECG_P256K1"
  | "GenerateDataKeyPair:RSA_2048"
  | "GenerateDataKeyPair:RSA_3072"
  | "GenerateDataKeyPair:RSA_4096"
  | "CancelKeyDeletion"
  | "CreateAlias"
  | "CreateGrant"
  | "CreateKey"
  | "DeleteAlias"
  | "DeleteImportedKeyMaterial"
  | "DescribeKey"
  | "DisableKey"
  | "DisableKeyRotation"
  | "EnableKey"
  | "EnableKeyRotation"
  | "GetKeyPolicy"
  | "GetKeyRotationStatus"
  | "GetParametersForImport"
  | "GetPublicKey"
  | "ImportKeyMaterial"
  | "ListAliases"
  | "ListGrants"
  | "ListKeyPolicies"
  | "ListKeys"
  | "ListResourceTags"
  | "ListRetirableGrants"
  | "PutKeyPolicy"
  | "RetireGrant"
  | "RevokeGrant"
  | "ScheduleKeyDeletion"
  | "TagResource"
  | "UntagResource"
  | "UpdateAlias"
  | "UpdateKeyDescription";

/** AWS's defaults, calls per second. Operations with the same quota share one bucket. */
export const awsQuotas: Readonly<Record<QuotaName, number>> = {
  CryptographicSymmetric: 10_000,
  CryptographicRsa: 1000,
  CryptographicEcc: 1000,
  "GenerateDataKeyPair:ECC_NIST_P256": 25,
  "GenerateDataKeyPair:ECC_NIST_P384": 10,
  "GenerateDataKeyPair:ECC_NIST_P521": 5,
  "GenerateDataKeyPair:ECC_SECG_P256K1": 25,
  "GenerateDataKeyPair:RSA_2048": 1,
  "GenerateDataKeyPair:RSA_3072": 0.5,
  "GenerateDataKeyPair:RSA_4096": 0.1,
  CancelKeyDeletion: 5,
  CreateAlias: 5,
  CreateGrant: 50,
  CreateKey: 5,
  DeleteAlias: 15,
  DeleteImportedKeyMaterial: 15,
  DescribeKey: 2000,
  DisableKey: 5,
  DisableKeyRotation: 5,
  EnableKey: 5,
  EnableKeyRotation: 15,
  GetKeyPolicy: 1000,
  GetKeyRotationStatus: 1000,
  GetParametersForImport: 0.25,
  GetPublicKey: 2000,
  ImportKeyMaterial: 15,
  ListAliases: 500,
  ListGrants: 100,
  ListKeyPolicies: 100,
  ListKeys: 500,
  ListResourceTags: 2000,
  ListRetirableGrants: 100,
  PutKeyPolicy: 15,
  RetireGrant: 30,
  RevokeGrant: 30,
  ScheduleKeyDeletion: 15,
  TagResource: 10,
  UntagResource: 5,
  UpdateAlias: 5,
  UpdateKeyDescription: 5,
};

/** `aws`: {@link awsQuotas}. Or calls per second by name; what is not named is not throttled. */
export type QuotaOptions = "off" | "aws" | Readonly<Partial<Record<QuotaName, number>>>;

/** Operations that share the quotas by kind of key. */
const cryptographic: ReadonlySet<string> = new Set([
  "Decrypt",
  "DeriveSharedSecret",
  "Encrypt",
  "GenerateDataKey",
  "GenerateDataKeyWithoutPlaintext",
  "GenerateMac",
  "GenerateRandom",
  "ReEncrypt",
  "Sign",
  "Verify",
  "VerifyMac",
]);

interface Bucket {
  tokens: number;
  /** Milliseconds since 1970. */
  filled: number;
}

export class Quotas {
  readonly #rates: ReadonlyMap<string, number>;
  readonly #buckets = new Map<string, Bucket>();

  /** @throws RangeError for rates that are not positive numbers, and for unknown names of quotas. */
  constructor(rates: Readonly<Partial<Record<QuotaName, number>>>) {
    for (const [name, rate] of Object.entries(rates)) {
      if (!Object.hasOwn(awsQuotas, name)) throw new RangeError(`there is no quota ${name}`);
      if (!(rate > 0)) throw new RangeError(`the quota ${name} must be a number above 0`);
    }
    this.#rates = new Map(Object.entries(rates));
  }

  static from(options: QuotaOptions | undefined): Quotas | undefined {
    if (options === undefined || options === "off") return undefined;
    return new Quotas(options === "aws" ? awsQuotas : options);
  }

  /**
   * Counts a call.
   *
   * @param keySpec - Of the key that is used; for GenerateDataKeyPair of the pair.
   * @param now - Milliseconds since 1970.
   * @throws {@link KmsError} `ThrottlingException`
   */
  take(operation: string, accountId: string, keySpec: string | undefined, now: number): void {
    const name = quotaOf(operation, keySpec);
    const rate = this.#rates.get(name);
    if (rate === undefined) return;
    const most = Math.max(1, rate);
    const id = `${accountId} ${name}`;
    const bucket = this.#buckets.get(id) ?? { tokens: most, filled: now };
    this.#buckets.set(id, bucket);
    bucket.tokens = Math.min(most, bucket.tokens + ((now - bucket.filled) / 1000) * rate);
    bucket.filled = now;
    if (bucket.tokens < 1) {
      throw new KmsError(
        "ThrottlingException",
        "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
      );
    }
    bucket.tokens -= 1;
  }
}

function quotaOf(operation: string, keySpec: string | undefined): string {
  if (operation.startsWith("GenerateDataKeyPair")) return `GenerateDataKeyPair:${keySpec}`;
  if (!cryptographic.has(operation)) return operation;
  const spec = keySpec !== undefined && isKeySpec(keySpec) ? keySpec : "SYMMETRIC_DEFAULT";
  const { type } = keySpecs[spec].material;
  if (type === "secret") return "CryptographicSymmetric";
  return type === "rsa" ? "CryptographicRsa" : "CryptographicEcc";
}
