/**
 * Which kinds of key there are, and what each is good for: AWS's key specs, one row each.
 *
 * Source: "Key spec reference" in the AWS KMS developer guide.
 *
 * @module
 */

export type KeySpec =
  | "SYMMETRIC_DEFAULT"
  | "HMAC_224"
  | "HMAC_256"
  | "HMAC_384"
  | "HMAC_512"
  | "RSA_2048"
  | "RSA_3072"
  | "RSA_4096"
  | "ECC_NIST_P256"
  | "ECC_NIST_P384"
  | "ECC_NIST_P521"
  | "ECC_SECG_P256K1"
  | "ECC_NIST_EDWARDS25519"
  | "ML_DSA_44"
  | "ML_DSA_65"
  | "ML_DSA_87"
  | "ML_KEM_512"
  | "ML_KEM_768"
  | "ML_KEM_1024";

export const keyUsages = [
  "ENCRYPT_DECRYPT",
  "SIGN_VERIFY",
  "GENERATE_VERIFY_MAC",
  "KEY_AGREEMENT",
  "ENCAPSULATE_DECAPSULATE",
] as const;

export type KeyUsage = (typeof keyUsages)[number];

export type EncryptionAlgorithm = "SYMMETRIC_DEFAULT" | "RSAES_OAEP_SHA_1" | "RSAES_OAEP_SHA_256";
export type MacAlgorithm = "HMAC_SHA_224" | "HMAC_SHA_256" | "HMAC_SHA_384" | "HMAC_SHA_512";
export type SigningAlgorithm =
  | "RSASSA_PSS_SHA_256"
  | "RSASSA_PSS_SHA_384"
  | "RSASSA_PSS_SHA_512"
  | "RSASSA_PKCS1_V1_5_SHA_256"
  | "RSASSA_PKCS1_V1_5_SHA_384"
  | "RSASSA_PKCS1_V1_5_SHA_512"
  | "ECDSA_SHA_256"
  | "ECDSA_SHA_384"
  | "ECDSA_SHA_512"
  | "ED25519_SHA_512"
  | "ML_DSA_SHAKE_256";
export type KeyAgreementAlgorithm = "ECDH";
export type EncapsulationAlgorithm = "ML_KEM";

/** What the bytes of a key are. */
export type Material =
  /** Random bytes. */
  | { readonly type: "secret"; readonly bytes: number }
  | { readonly type: "rsa"; readonly modulusBits: number }
  /** `namedCurve` as OpenSSL calls it. */
  | { readonly type: "ec"; readonly namedCurve: string }
  | { readonly type: "ed25519" }
  /** `type` as OpenSSL calls it. */
  | { readonly type: "ml-dsa-44" | "ml-dsa-65" | "ml-dsa-87" }
  /** `ciphertextBytes`: how long the encapsulated form of a shared secret is. */
  | {
      readonly type: "ml-kem-512" | "ml-kem-768" | "ml-kem-1024";
      readonly ciphertextBytes: number;
    };

export type PostQuantumType = Extract<Material["type"], `ml-${string}`>;

export interface KeySpecFacts {
  readonly material: Material;
  readonly usages: readonly [KeyUsage, ...KeyUsage[]];
  /** Algorithms of keys with `ENCRYPT_DECRYPT`. */
  readonly encryption: readonly EncryptionAlgorithm[];
  /** Algorithms of keys with `SIGN_VERIFY`. */
  readonly signing: readonly SigningAlgorithm[];
  /** Algorithms of keys with `GENERATE_VERIFY_MAC`. */
  readonly mac: readonly MacAlgorithm[];
  /** Algorithms of keys with `KEY_AGREEMENT`. */
  readonly agreement: readonly KeyAgreementAlgorithm[];
  /** Algorithms of keys with `ENCAPSULATE_DECAPSULATE`. */
  readonly encapsulation: readonly EncapsulationAlgorithm[];
}

const none = { encryption: [], signing: [], mac: [], agreement: [], encapsulation: [] } as const;

function rsa(modulusBits: number): KeySpecFacts {
  return {
    ...none,
    material: { type: "rsa", modulusBits },
    usages: ["ENCRYPT_DECRYPT", "SIGN_VERIFY"],
    encryption: ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"],
    signing: [
      "RSASSA_PKCS1_V1_5_SHA_256",
      "RSASSA_PKCS1_V1_5_SHA_384",
      "RSASSA_PKCS1_V1_5_SHA_512",
      "RSASSA_PSS_SHA_256",
      "RSASSA_PSS_SHA_384",
      "RSASSA_PSS_SHA_512",
    ],
  };
}

/** A NIST curve, with the one hash that AWS pairs it with. */
function nist(namedCurve: string, signing: SigningAlgorithm): KeySpecFacts {
  return {
    ...none,
    material: { type: "ec", namedCurve },
    usages: ["SIGN_VERIFY", "KEY_AGREEMENT"],
    signing: [signing],
    agreement: ["ECDH"],
  };
}

function mlDsa(type: Extract<PostQuantumType, `ml-dsa-${string}`>): KeySpecFacts {
  return { ...none, material: { type }, usages: ["SIGN_VERIFY"], signing: ["ML_DSA_SHAKE_256"] };
}

function mlKem(
  type: Extract<PostQuantumType, `ml-kem-${string}`>,
  ciphertextBytes: number,
): KeySpecFacts {
  return {
    ...none,
    material: { type, ciphertextBytes },
    usages: ["ENCAPSULATE_DECAPSULATE"],
    encapsulation: ["ML_KEM"],
  };
}

function hmac(bytes: number, mac: MacAlgorithm): KeySpecFacts {
  return {
    ...none,
    material: { type: "secret", bytes },
    usages: ["GENERATE_VERIFY_MAC"],
    mac: [mac],
  };
}

export const keySpecs: Readonly<Record<KeySpec, KeySpecFacts>> = {
  SYMMETRIC_DEFAULT: {
    ...none,
    material: { type: "secret", bytes: 32 },
    usages: ["ENCRYPT_DECRYPT"],
    encryption: ["SYMMETRIC_DEFAULT"],
  },
  HMAC_224: hmac(28, "HMAC_SHA_224"),
  HMAC_256: hmac(32, "HMAC_SHA_256"),
  HMAC_384: hmac(48, "HMAC_SHA_384"),
  HMAC_512: hmac(64, "HMAC_SHA_512"),
  RSA_2048: rsa(2048),
  RSA_3072: rsa(3072),
  RSA_4096: rsa(4096),
  ECC_NIST_P256: nist("prime256v1", "ECDSA_SHA_256"),
  ECC_NIST_P384: nist("secp384r1", "ECDSA_SHA_384"),
  ECC_NIST_P521: nist("secp521r1", "ECDSA_SHA_512"),
  ECC_SECG_P256K1: {
    ...none,
    material: { type: "ec", namedCurve: "secp256k1" },
    usages: ["SIGN_VERIFY"],
    signing: ["ECDSA_SHA_256"],
  },
  ECC_NIST_EDWARDS25519: {
    ...none,
    material: { type: "ed25519" },
    usages: ["SIGN_VERIFY"],
    signing: ["ED25519_SHA_512"],
  },
  ML_DSA_44: mlDsa("ml-dsa-44"),
  ML_DSA_65: mlDsa("ml-dsa-65"),
  ML_DSA_87: mlDsa("ml-dsa-87"),
  ML_KEM_512: mlKem("ml-kem-512", 768),
  ML_KEM_768: mlKem("ml-kem-768", 1088),
  ML_KEM_1024: mlKem("ml-kem-1024", 1568),
};

/** What AWS has besides. */
export const keySpecsNotOffered = ["SM2"] as const;

/** Pairs that GenerateDataKeyPair makes: no use is attached to them. */
export const dataKeyPairSpecs = [
  "RSA_2048",
  "RSA_3072",
  "RSA_4096",
  "ECC_NIST_P256",
  "ECC_NIST_P384",
  "ECC_NIST_P521",
  "ECC_SECG_P256K1",
  "ECC_NIST_EDWARDS25519",
  "ML_KEM_512",
  "ML_KEM_768",
  "ML_KEM_1024",
] as const;

export type DataKeyPairSpec = (typeof dataKeyPairSpecs)[number];

export function isKeySpec(text: string): text is KeySpec {
  return Object.hasOwn(keySpecs, text);
}

/** Whether keys of a spec are of a kind. A spec that is not known may be asymmetric. */
export function isOfKind(kind: "symmetric" | "asymmetric", keySpec: string): boolean {
  if (kind === "symmetric") return keySpec === "SYMMETRIC_DEFAULT";
  return !isKeySpec(keySpec) || keySpecs[keySpec].material.type !== "secret";
}
