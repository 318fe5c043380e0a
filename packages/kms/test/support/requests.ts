/** A list of requests that holds every operation about keys, and what each is refused for. */
import { ACCOUNT, REGION, type Step } from "./sides.ts";

const text = new TextEncoder();
const message = text.encode("message");
const arn = (name: string): string => `arn:aws:kms:${REGION}:${ACCOUNT}:key/$${name}`;
const nowhere = "00000000-0000-4000-8000-000000000000";

/** Key specs and a use of theirs, with the algorithms that they then have. */
const kinds = [
  { KeySpec: "HMAC_224", KeyUsage: "GENERATE_VERIFY_MAC", algorithms: ["HMAC_SHA_224"] },
  { KeySpec: "HMAC_256", KeyUsage: "GENERATE_VERIFY_MAC", algorithms: ["HMAC_SHA_256"] },
  { KeySpec: "HMAC_384", KeyUsage: "GENERATE_VERIFY_MAC", algorithms: ["HMAC_SHA_384"] },
  { KeySpec: "HMAC_512", KeyUsage: "GENERATE_VERIFY_MAC", algorithms: ["HMAC_SHA_512"] },
  {
    KeySpec: "RSA_2048",
    KeyUsage: "SIGN_VERIFY",
    algorithms: [
      "RSASSA_PSS_SHA_256",
      "RSASSA_PSS_SHA_384",
      "RSASSA_PSS_SHA_512",
      "RSASSA_PKCS1_V1_5_SHA_256",
      "RSASSA_PKCS1_V1_5_SHA_384",
      "RSASSA_PKCS1_V1_5_SHA_512",
    ],
  },
  { KeySpec: "RSA_2048", KeyUsage: "ENCRYPT_DECRYPT", algorithms: [] },
  { KeySpec: "RSA_3072", KeyUsage: "SIGN_VERIFY", algorithms: ["RSASSA_PSS_SHA_384"] },
  { KeySpec: "RSA_4096", KeyUsage: "SIGN_VERIFY", algorithms: ["RSASSA_PKCS1_V1_5_SHA_512"] },
  { KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY", algorithms: ["ECDSA_SHA_256"] },
  { KeySpec: "ECC_NIST_P384", KeyUsage: "SIGN_VERIFY", algorithms: ["ECDSA_SHA_384"] },
  { KeySpec: "ECC_NIST_P521", KeyUsage: "SIGN_VERIFY", algorithms: ["ECDSA_SHA_512"] },
  { KeySpec: "ECC_SECG_P256K1", KeyUsage: "SIGN_VERIFY", algorithms: ["ECDSA_SHA_256"] },
  { KeySpec: "ECC_NIST_P256", KeyUsage: "KEY_AGREEMENT", algorithms: [] },
] as const;

/** A key of this kind, and all that can be done with it. */
function kindSteps({ KeySpec, KeyUsage, algorithms }: (typeof kinds)[number], i: number): Step[] {
  const as = `kind${i}`;
  const KeyId = `$${as}`;
  const isMac = KeyUsage === "GENERATE_VERIFY_MAC";
  return [
    { call: "CreateKey", input: { KeySpec, KeyUsage }, as },
    { call: "DescribeKey", input: { KeyId } },
    { call: "GetKeyRotationStatus", input: { KeyId } },
    { call: "GetPublicKey", input: { KeyId }, as: `${as}public` },
    ...algorithms.flatMap((algorithm, j): Step[] => {
      if (isMac) {
        const mac = { KeyId, Message: message, MacAlgorithm: algorithm };
        return [
          { call: "GenerateMac", input: mac, as: `${as}m` },
          { call: "VerifyMac", input: { ...mac, Mac: `$${as}m` } },
          { call: "VerifyMac", input: { ...mac, Message: text.encode("other"), Mac: `$${as}m` } },
        ];
      }
      const signing = { KeyId, Message: message, SigningAlgorithm: algorithm };
      const Signature = `$${as}s${j}`;
      return [
        { call: "Sign", input: { ...signing, MessageType: "RAW" }, as: `${as}s${j}` },
        { call: "Verify", input: { ...signing, Signature } },
        { call: "Verify", input: { ...signing, Message: text.encode("other"), Signature } },
      ];
    }),
  ];
}

const context = { tenant: "acme", "": "" };
const other = { tenant: "other" };
const encrypted = { KeyId: "$a", Plaintext: message, EncryptionContext: context };

const encryption: readonly Step[] = [
  { call: "CreateKey", input: { Description: "orders", Tags: [tag("team", "a")] }, as: "a" },
  { call: "CreateKey", input: { KeyUsage: "ENCRYPT_DECRYPT" }, as: "b" },
  { call: "Encrypt", input: encrypted, as: "blob" },
  { call: "Encrypt", input: { ...encrypted, KeyId: arn("a") } },
  { call: "Encrypt", input: { ...encrypted, Plaintext: new Uint8Array(0) } },
  { call: "Encrypt", input: { ...encrypted, Plaintext: new Uint8Array(4096) } },
  { call: "Encrypt", input: { ...encrypted, Plaintext: new Uint8Array(4097) } },
  { call: "Encrypt", input: { ...encrypted, KeyId: nowhere } },
  { call: "Encrypt", input: { ...encrypted, KeyId: "alias/none" } },
  { call: "Encrypt", input: { ...encrypted, KeyId: "$kind8" } },
  { call: "Decrypt", input: { CiphertextBlob: "$blob", EncryptionContext: context } },
  { call: "Decrypt", input: { CiphertextBlob: "$blob", EncryptionContext: context, KeyId: "$a" } },
  { call: "Decrypt", input: { CiphertextBlob: "$blob", EncryptionContext: context, KeyId: "$b" } },
  { call: "Decrypt", input: { CiphertextBlob: "$blob", EncryptionContext: other } },
  { call: "Decrypt", input: { CiphertextBlob: "$blob" } },
  { call: "Decrypt", input: { CiphertextBlob: text.encode("no ciphertext"), KeyId: "$a" } },
  {
    call: "ReEncrypt",
    input: {
      CiphertextBlob: "$blob",
      SourceEncryptionContext: context,
      DestinationKeyId: "$b",
      DestinationEncryptionContext: other,
    },
    as: "moved",
  },
  { call: "Decrypt", input: { CiphertextBlob: "$moved", EncryptionContext: other } },
  { call: "ReEncrypt", input: { CiphertextBlob: "$blob", DestinationKeyId: "$b" } },
  { call: "GenerateDataKey", input: { KeyId: "$a", KeySpec: "AES_256" }, as: "aes" },
  { call: "Decrypt", input: { CiphertextBlob: "$aes" } },
  { call: "GenerateDataKey", input: { KeyId: "$a", KeySpec: "AES_128" } },
  { call: "GenerateDataKey", input: { KeyId: "$a", NumberOfBytes: 1024 } },
  { call: "GenerateDataKey", input: { KeyId: "$a", NumberOfBytes: 1025 } },
  { call: "GenerateDataKey", input: { KeyId: "$a", KeySpec: "AES_512" } },
  { call: "GenerateDataKey", input: { KeyId: "$a" } },
  { call: "GenerateDataKey", input: { KeyId: "$a", KeySpec: "AES_256", NumberOfBytes: 32 } },
  { call: "GenerateDataKeyWithoutPlaintext", input: { KeyId: "$a", KeySpec: "AES_256" } },
  { call: "GenerateDataKeyPair", input: { KeyId: "$a", KeyPairSpec: "ECC_NIST_P256" } },
  {
    call: "GenerateDataKeyPairWithoutPlaintext",
    input: { KeyId: "$a", KeyPairSpec: "ECC_NIST_P256" },
  },
  { call: "GenerateRandom", input: { NumberOfBytes: 32 } },
  { call: "GenerateRandom", input: { NumberOfBytes: 1025 } },
  { call: "GenerateRandom", input: {} },
];

const uses: readonly Step[] = [
  { call: "GenerateMac", input: { KeyId: "$a", Message: message, MacAlgorithm: "HMAC_SHA_256" } },
  { call: "GenerateMac", input: { KeyId: "$kind1", Message: message, MacAlgorithm: "HMAC_SHA_1" } },
  {
    call: "GenerateMac",
    input: { KeyId: "$kind1", Message: message, MacAlgorithm: "HMAC_SHA_512" },
  },
  { call: "Sign", input: { KeyId: "$a", Message: message, SigningAlgorithm: "ECDSA_SHA_256" } },
  {
    call: "Sign",
    input: { KeyId: "$kind8", Message: message, SigningAlgorithm: "ECDSA_SHA_384" },
  },
  {
    call: "Sign",
    input: { KeyId: "$kind8", Message: new Uint8Array(0), SigningAlgorithm: "ECDSA_SHA_256" },
  },
  {
    call: "Verify",
    input: {
      KeyId: "$kind8",
      Message: message,
      SigningAlgorithm: "ECDSA_SHA_256",
      Signature: new Uint8Array(0),
    },
  },
  { call: "GetPublicKey", input: { KeyId: "$a" } },
  {
    call: "DeriveSharedSecret",
    input: { KeyId: "$kind12", KeyAgreementAlgorithm: "ECDH", PublicKey: "$kind12public" },
  },
  { call: "Encrypt", input: { KeyId: "$kind5", Plaintext: message } },
  { call: "GenerateDataKey", input: { KeyId: "$kind8", KeySpec: "AES_256" } },
  { call: "ReEncrypt", input: { CiphertextBlob: "$aes", DestinationKeyId: "$kind8" } },
];

const metadata: readonly Step[] = [
  { call: "CreateKey", input: { KeySpec: "RSA_1024", KeyUsage: "SIGN_VERIFY" } },
  { call: "CreateKey", input: { CustomerMasterKeySpec: "SYMMETRIC_DEFAULT" }, as: "old" },
  { call: "CreateKey", input: { MultiRegion: true }, as: "mrk" },
  { call: "CreateKey", input: { Origin: "EXTERNAL" }, as: "external" },
  { call: "DescribeKey", input: { KeyId: "$external" } },
  { call: "DescribeKey", input: { KeyId: "$a" } },
  { call: "DescribeKey", input: { KeyId: arn("a") } },
  { call: "DescribeKey", input: { KeyId: nowhere } },
  { call: "DescribeKey", input: { KeyId: "no key" } },
  { call: "DescribeKey", input: { KeyId: "alias/none" } },
  { call: "DescribeKey", input: {} },
  { call: "UpdateKeyDescription", input: { KeyId: arn("a"), Description: "invoices" } },
  { call: "UpdateKeyDescription", input: { KeyId: nowhere, Description: "invoices" } },
  { call: "DescribeKey", input: { KeyId: "$a" } },
  { call: "UpdateKeyDescription", input: { KeyId: "$old", Description: "x".repeat(8193) } },
  { call: "ListKeys", input: {} },
  { call: "ListKeys", input: { Limit: 1000 } },
  { call: "ListKeys", input: { Limit: 0 } },
  { call: "ListKeys", input: { Marker: "no marker" } },
  { call: "TagResource", input: { KeyId: "$a", Tags: [tag("team", "b"), tag("cost", "")] } },
  { call: "TagResource", input: { KeyId: "$a", Tags: [tag("aws:x", "")] } },
  { call: "TagResource", input: { KeyId: "$a", Tags: [tag("twice", ""), tag("twice", "")] } },
  { call: "TagResource", input: { KeyId: nowhere, Tags: [tag("team", "b")] } },
  { call: "TagResource", input: { KeyId: "$b", Tags: [tag("team", "b"), tag("cost", "")] } },
  { call: "TagResource", input: { KeyId: "$b", Tags: [tag("team", "c")] } },
  { call: "ListResourceTags", input: { KeyId: "$b" } },
  { call: "UntagResource", input: { KeyId: "$b", TagKeys: ["cost", "none"] } },
  { call: "ListResourceTags", input: { KeyId: "$b" } },
  { call: "ListResourceTags", input: { KeyId: arn("b"), Limit: 51 } },
];

const aliases: readonly Step[] = [
  { call: "CreateAlias", input: { AliasName: "alias/one", TargetKeyId: "$a" } },
  { call: "CreateAlias", input: { AliasName: "alias/two/x_y-z", TargetKeyId: arn("a") } },
  { call: "CreateAlias", input: { AliasName: "alias/one", TargetKeyId: "$b" } },
  { call: "CreateAlias", input: { AliasName: "alias/one!", TargetKeyId: "$b" } },
  { call: "CreateAlias", input: { AliasName: "one", TargetKeyId: "$b" } },
  { call: "CreateAlias", input: { AliasName: "alias/a:b", TargetKeyId: "$b" } },
  { call: "CreateAlias", input: { AliasName: "alias/aws/s3", TargetKeyId: "$b" } },
  { call: "CreateAlias", input: { AliasName: "alias/three", TargetKeyId: nowhere } },
  { call: "CreateAlias", input: { AliasName: "alias/three", TargetKeyId: "alias/one" } },
  { call: "DescribeKey", input: { KeyId: "alias/one" } },
  { call: "DescribeKey", input: { KeyId: `arn:aws:kms:${REGION}:${ACCOUNT}:alias/one` } },
  { call: "Encrypt", input: { KeyId: "alias/one", Plaintext: message } },
  { call: "ListAliases", input: { KeyId: "$a" } },
  { call: "ListAliases", input: {} },
  { call: "ListAliases", input: { KeyId: nowhere } },
  { call: "UpdateAlias", input: { AliasName: "alias/one", TargetKeyId: "$b" } },
  { call: "UpdateAlias", input: { AliasName: "alias/one", TargetKeyId: "$b" } },
  { call: "UpdateAlias", input: { AliasName: "alias/none", TargetKeyId: "$b" } },
  { call: "ListAliases", input: { KeyId: "$b" } },
  { call: "DeleteAlias", input: { AliasName: "alias/one" } },
  { call: "DeleteAlias", input: { AliasName: "alias/one" } },
  { call: "DeleteAlias", input: { AliasName: "one" } },
  { call: "ListAliases", input: { KeyId: "$b" } },
  { call: "UpdateAlias", input: { AliasName: "alias/two/x_y-z", TargetKeyId: "$kind1" } },
];

const mac = { KeyId: "$kind0", Message: message, MacAlgorithm: "HMAC_SHA_224" };
const signing = { KeyId: "$kind9", Message: message, SigningAlgorithm: "ECDSA_SHA_384" };

/** What a key for MACs and one for signatures are for. */
const messageUses: readonly Step[] = [
  { call: "GenerateMac", input: mac },
  { call: "VerifyMac", input: { ...mac, Mac: "$kind0m" } },
  { call: "Sign", input: signing },
  { call: "Verify", input: { ...signing, Signature: "$kind9s0" } },
  { call: "GetPublicKey", input: { KeyId: "$kind9" } },
];

const states: readonly Step[] = [
  { call: "CreateKey", input: {}, as: "s" },
  { call: "EnableKeyRotation", input: { KeyId: "$s" } },
  { call: "GetKeyRotationStatus", input: { KeyId: "$s" } },
  { call: "DisableKeyRotation", input: { KeyId: arn("s") } },
  { call: "GetKeyRotationStatus", input: { KeyId: arn("s") } },
  { call: "EnableKeyRotation", input: { KeyId: "$kind1" } },
  { call: "DisableKeyRotation", input: { KeyId: "$kind1" } },
  { call: "RotateKeyOnDemand", input: { KeyId: "$s" } },
  { call: "RotateKeyOnDemand", input: { KeyId: "$s" } },
  { call: "ListKeyRotations", input: { KeyId: "$s" } },
  { call: "ListKeyRotations", input: { KeyId: "$b" } },
  { call: "ListKeyRotations", input: { KeyId: "$kind1" } },
  { call: "RotateKeyOnDemand", input: { KeyId: "$kind1" } },
  { call: "Encrypt", input: { KeyId: "$s", Plaintext: message }, as: "sblob" },
  { call: "DisableKey", input: { KeyId: "$s" } },
  { call: "DisableKey", input: { KeyId: "$s" } },
  { call: "DescribeKey", input: { KeyId: "$s" } },
  ...useOf("s"),
  { call: "EnableKeyRotation", input: { KeyId: "$s" } },
  { call: "DisableKeyRotation", input: { KeyId: "$s" } },
  { call: "RotateKeyOnDemand", input: { KeyId: "$s" } },
  { call: "CancelKeyDeletion", input: { KeyId: "$s" } },
  { call: "EnableKey", input: { KeyId: "$s" } },
  { call: "DisableKey", input: { KeyId: arn("s") } },
  { call: "EnableKey", input: { KeyId: arn("s") } },
  { call: "ScheduleKeyDeletion", input: { KeyId: arn("s"), PendingWindowInDays: 7 } },
  { call: "ScheduleKeyDeletion", input: { KeyId: "$b", PendingWindowInDays: 6 } },
  { call: "ScheduleKeyDeletion", input: { KeyId: "$b", PendingWindowInDays: 31 } },
  { call: "CreateKey", input: {}, as: "p" },
  { call: "Encrypt", input: { KeyId: "$p", Plaintext: message }, as: "pblob" },
  { call: "EnableKeyRotation", input: { KeyId: "$p" } },
  { call: "ScheduleKeyDeletion", input: { KeyId: "$p" } },
  { call: "DescribeKey", input: { KeyId: "$p" } },
  ...useOf("p"),
  { call: "GetKeyRotationStatus", input: { KeyId: "$p" } },
  { call: "ListResourceTags", input: { KeyId: "$p" } },
  { call: "CancelKeyDeletion", input: { KeyId: "$p" } },
  { call: "DescribeKey", input: { KeyId: "$p" } },
  { call: "CancelKeyDeletion", input: { KeyId: arn("p") } },
  { call: "ScheduleKeyDeletion", input: { KeyId: "$p", PendingWindowInDays: 7 } },
  { call: "ScheduleKeyDeletion", input: { KeyId: "$p" } },
  { call: "TagResource", input: { KeyId: "$p", Tags: [tag("late", "")] } },
  { call: "UntagResource", input: { KeyId: "$p", TagKeys: ["late"] } },
  { call: "UpdateKeyDescription", input: { KeyId: "$p", Description: "late" } },
  { call: "CreateAlias", input: { AliasName: "alias/late", TargetKeyId: "$p" } },
  { call: "UpdateAlias", input: { AliasName: "alias/two/x_y-z", TargetKeyId: "$p" } },
  { call: "EnableKeyRotation", input: { KeyId: "$p" } },
  { call: "DisableKeyRotation", input: { KeyId: "$p" } },
  { call: "RotateKeyOnDemand", input: { KeyId: "$p" } },
  { call: "DisableKey", input: { KeyId: "$p" } },
  { call: "EnableKey", input: { KeyId: "$p" } },
  { call: "DisableKey", input: { KeyId: "$kind0" } },
  { call: "DisableKey", input: { KeyId: "$kind9" } },
  ...messageUses,
  { call: "ScheduleKeyDeletion", input: { KeyId: "$kind0" } },
  { call: "ScheduleKeyDeletion", input: { KeyId: "$kind9" } },
  ...messageUses,
];

const imports: readonly Step[] = [
  {
    call: "GetParametersForImport",
    input: {
      KeyId: "$external",
      WrappingAlgorithm: "RSAES_OAEP_SHA_256",
      WrappingKeySpec: "RSA_2048",
    },
  },
  {
    call: "ImportKeyMaterial",
    input: { KeyId: "$external", ImportToken: message, EncryptedKeyMaterial: message },
  },
  { call: "DeleteImportedKeyMaterial", input: { KeyId: "$external" } },
];

/** What only one of the two makes a key of, so that lists are not the same afterwards. */
const parted: readonly Step[] = [
  { call: "CreateKey", input: { KeySpec: "ECC_NIST_P256", KeyUsage: "ENCRYPT_DECRYPT" } },
  { call: "CreateKey", input: { KeySpec: "ECC_NIST_P256" } },
  { call: "CreateKey", input: { KeySpec: "ECC_NIST_EDWARDS25519", KeyUsage: "SIGN_VERIFY" } },
];

/** Every operation about keys, in an order in which each has what it needs. */
export const requests: readonly Step[] = [
  ...kinds.flatMap(kindSteps),
  ...encryption,
  ...uses,
  ...metadata,
  ...aliases,
  ...states,
  ...imports,
  ...parted,
];

function tag(TagKey: string, TagValue: string): { TagKey: string; TagValue: string } {
  return { TagKey, TagValue };
}

/** What a symmetric key is for, with a blob that it made. */
function useOf(name: string): readonly Step[] {
  const KeyId = `$${name}`;
  const CiphertextBlob = `$${name}blob`;
  return [
    { call: "Encrypt", input: { KeyId, Plaintext: message } },
    { call: "Decrypt", input: { CiphertextBlob } },
    { call: "ReEncrypt", input: { CiphertextBlob, DestinationKeyId: "$b" } },
    {
      call: "ReEncrypt",
      input: {
        CiphertextBlob: "$moved",
        SourceEncryptionContext: other,
        DestinationKeyId: KeyId,
      },
    },
    { call: "ReEncrypt", input: { CiphertextBlob: "$moved", DestinationKeyId: KeyId } },
    { call: "Decrypt", input: { CiphertextBlob, EncryptionContext: other } },
    { call: "Decrypt", input: { CiphertextBlob, KeyId: "$b" } },
    { call: "GenerateDataKey", input: { KeyId, KeySpec: "AES_256" } },
    { call: "GenerateDataKeyWithoutPlaintext", input: { KeyId, KeySpec: "AES_256" } },
  ];
}
