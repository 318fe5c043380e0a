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
import { isKeySpec, keySpecs, type Material } from "../catalogue/key-specs.ts";
import { operationRows, type OperationName, type operations } from "../catalogue/operations.ts";
import { KmsError } from "../catalogue/errors.ts";

type Rows = typeof operations;

/** The operations that have a quota of their own. */
type OwnQuota = {
  [Name in OperationName]: Rows[Name] extends { readonly quota: number } ? Name : never;
}[OperationName];

export type QuotaName = keyof typeof sharedQuotas | OwnQuota;

/** AWS's defaults for what several operations share, calls per second. */
const sharedQuotas = {
  CryptographicSymmetric: 10_000,
  CryptographicRsa: 1000,
  CryptographicEcc: 1000,
  CryptographicMlDsa: 1000,
  "GenerateDataKeyPair:ECC_NIST_P256": 100,
  "GenerateDataKeyPair:ECC_NIST_P384": 100,
  "GenerateDataKeyPair:ECC_NIST_P521": 100,
  "GenerateDataKeyPair:ECC_SECG_P256K1": 100,
  "GenerateDataKeyPair:ECC_NIST_EDWARDS25519": 100,
  "GenerateDataKeyPair:RSA_2048": 20,
  "GenerateDataKeyPair:RSA_3072": 4,
  "GenerateDataKeyPair:RSA_4096": 1,
} as const;

/** AWS documents no quota for ML-KEM. */
const cryptographic: Readonly<Partial<Record<Material["type"], keyof typeof sharedQuotas>>> = {
  secret: "CryptographicSymmetric",
  rsa: "CryptographicRsa",
  ec: "CryptographicEcc",
  ed25519: "CryptographicEcc",
  "ml-dsa-44": "CryptographicMlDsa",
  "ml-dsa-65": "CryptographicMlDsa",
  "ml-dsa-87": "CryptographicMlDsa",
};

const ownQuotas = Object.entries(operationRows).flatMap(([name, { quota }]) =>
  typeof quota === "number" ? [[name, quota] as const] : [],
);

/** AWS's defaults, calls per second. Operations with the same quota share one bucket. */
// The names are those of the rows that OwnQuota selects.
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
export const awsQuotas = {
  ...sharedQuotas,
  ...Object.fromEntries(ownQuotas),
} as Readonly<Record<QuotaName, number>>;

/** `aws`: {@link awsQuotas}. Or calls per second by name; what is not named is not throttled. */
export type QuotaOptions = "off" | "aws" | Readonly<Partial<Record<QuotaName, number>>>;

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

  /** Counts one call: the first time that it is told to, for the transaction of a call may be tried again. */
  counter(
    operation: OperationName,
    accountId: string,
  ): (keySpec: string | undefined, now: number) => void {
    let counted = false;
    return (keySpec, now) => {
      if (!counted) this.take(operation, accountId, keySpec, now);
      counted = true;
    };
  }

  /**
   * Counts a call.
   *
   * @param keySpec - Of the key that is used; for GenerateDataKeyPair of the pair.
   * @param now - Milliseconds since 1970.
   * @throws {@link KmsError} `ThrottlingException`
   */
  take(
    operation: OperationName,
    accountId: string,
    keySpec: string | undefined,
    now: number,
  ): void {
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

function quotaOf(operation: OperationName, keySpec: string | undefined): string {
  const { quota } = operationRows[operation];
  if (quota === "dataKeyPair") return `GenerateDataKeyPair:${keySpec}`;
  if (quota !== "cryptographic") return operation;
  const spec = keySpec !== undefined && isKeySpec(keySpec) ? keySpec : "SYMMETRIC_DEFAULT";
  return cryptographic[keySpecs[spec].material.type] ?? operation;
}
