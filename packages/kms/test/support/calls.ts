/** Every operation of the client, each with a call and with what it has to ask. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { onTestFinished } from "vitest";
import {
  createKeystore,
  openKeystore,
  type Keystore,
  type KmsClient,
  type KmsErrorName,
} from "../../src/index.ts";
import { bytes, keyOf } from "./kinds.ts";
import { arn, newKey, ROOT, tempPath } from "./keystore.ts";
import { wrapMaterial } from "./wrapping.ts";

interface KnownCall {
  readonly call: (client: KmsClient) => Promise<unknown>;
  /** The call is always refused with this error. Absent: it succeeds. */
  readonly refused?: KmsErrorName;
  /** Action and resource, in this order. */
  readonly asks: readonly (readonly [action: string, resource: string])[];
}

async function multiRegionKey(owner: KmsClient): Promise<string> {
  const { KeyMetadata } = await owner.createKey({ MultiRegion: true });
  return KeyMetadata.KeyId;
}

type KnownCalls = Readonly<Record<string, KnownCall>>;

/** The files of a keystore with what every call needs, by name, and the calls. */
let prepared: Promise<{ files: ReadonlyMap<string, Buffer>; calls: KnownCalls }> | undefined;

/**
 * A keystore with keys and blobs of the account's root for every operation, closed after the test, and the
 * calls. It is a copy of one that is made once: making the keys takes longer than most calls.
 */
export async function knownKeystore(): Promise<{
  readonly path: string;
  readonly keystore: Keystore;
  readonly calls: KnownCalls;
}> {
  prepared ??= prepare();
  const { files, calls } = await prepared;
  const folder = tempFolder();
  for (const [name, content] of files) writeFileSync(join(folder, name), content, { mode: 0o600 });
  const path = join(folder, basename(tempPath()));
  const keystore = await openKeystore(path, { root: { keyFile: `${path}.key` } });
  onTestFinished(() => keystore.close());
  return { path, keystore, calls };
}

async function prepare(): Promise<{ files: ReadonlyMap<string, Buffer>; calls: KnownCalls }> {
  const path = tempPath();
  const keystore = await createKeystore(path, { root: { keyFile: `${path}.key` } });
  const calls = await knownCalls(keystore);
  keystore.close();
  const folder = dirname(path);
  const read = (name: string) => [name, readFileSync(join(folder, name))] as const;
  return { files: new Map(readdirSync(folder).map(read)), calls };
}

async function knownCalls(keystore: Keystore): Promise<KnownCalls> {
  const owner = keystore.as();
  const KeyId = await newKey(owner, "alias/app");
  const other = await newKey(owner);
  const pending = await newKey(owner);
  await owner.scheduleKeyDeletion({ KeyId: pending });
  const multiRegion = await multiRegionKey(owner);
  const replicated = await multiRegionKey(owner);
  await owner.replicateKey({ KeyId: replicated, ReplicaRegion: "us-east-1" });
  const mac = await keyOf(owner, "HMAC_256", "GENERATE_VERIFY_MAC");
  const signer = await keyOf(owner, "ECC_NIST_P256", "SIGN_VERIFY");
  const agreement = await keyOf(owner, "ECC_NIST_P256", "KEY_AGREEMENT");
  const kem = await keyOf(owner, "ML_KEM_512", "ENCAPSULATE_DECAPSULATE");
  const { KeyMetadata } = await owner.createKey({ Origin: "EXTERNAL" });
  const external = KeyMetadata.KeyId;
  const wrapping = {
    KeyId: external,
    WrappingAlgorithm: "RSAES_OAEP_SHA_256",
    WrappingKeySpec: "RSA_2048",
  } as const;
  const { ImportToken, PublicKey } = await owner.getParametersForImport(wrapping);
  const EncryptedKeyMaterial = wrapMaterial(PublicKey, "RSAES_OAEP_SHA_256", bytes(32));
  const Plaintext = bytes(1);
  const { CiphertextBlob } = await owner.encrypt({ KeyId, Plaintext });
  const MacAlgorithm = "HMAC_SHA_256";
  const { Mac } = await owner.generateMac({ KeyId: mac, Message: Plaintext, MacAlgorithm });
  const signing = { KeyId: signer, Message: Plaintext, SigningAlgorithm: "ECDSA_SHA_256" };
  const { Signature } = await owner.sign(signing);
  const peer = await owner.getPublicKey({ KeyId: agreement });
  const grant = { KeyId, GranteePrincipal: ROOT, RetiringPrincipal: ROOT };
  const { GrantId } = await owner.createGrant({ ...grant, Operations: ["Decrypt"] });
  const { Policy } = await owner.getKeyPolicy({ KeyId });

  const key = arn(KeyId);
  const alias = (name: string): string => `arn:aws:kms:local:000000000000:alias/${name}`;
  const on = (action: string, call: KnownCall["call"], resource = key): KnownCall => ({
    call,
    asks: [[action, resource]],
  });

  const keyStore = { CustomKeyStoreId: "cks-1234567890abcdef0" };
  const onNoKeyStore = (action: string, call: KnownCall["call"]): KnownCall => ({
    ...on(action, call, "*"),
    refused: "CustomKeyStoreNotFoundException",
  });

  return {
    createKey: {
      call: (client) => client.createKey({ Tags: [{ TagKey: "a", TagValue: "b" }] }),
      asks: [
        ["CreateKey", "*"],
        // The key that is to be made.
        ["TagResource", "arn:aws:kms:local:000000000000:key/*"],
      ],
    },
    describeKey: on("DescribeKey", (client) => client.describeKey({ KeyId })),
    getKeyLastUsage: on("GetKeyLastUsage", (client) => client.getKeyLastUsage({ KeyId })),
    listKeys: on("ListKeys", (client) => client.listKeys(), "*"),
    enableKey: on("EnableKey", (client) => client.enableKey({ KeyId })),
    disableKey: on("DisableKey", (client) => client.disableKey({ KeyId })),
    updateKeyDescription: on("UpdateKeyDescription", (client) =>
      client.updateKeyDescription({ KeyId, Description: "new" }),
    ),
    scheduleKeyDeletion: on("ScheduleKeyDeletion", (client) =>
      client.scheduleKeyDeletion({ KeyId }),
    ),
    cancelKeyDeletion: on(
      "CancelKeyDeletion",
      (client) => client.cancelKeyDeletion({ KeyId: pending }),
      arn(pending),
    ),
    replicateKey: {
      call: (client) => client.replicateKey({ KeyId: multiRegion, ReplicaRegion: "eu-west-1" }),
      asks: [
        ["ReplicateKey", arn(multiRegion)],
        ["CreateKey", "*"],
      ],
    },
    updatePrimaryRegion: {
      call: (client) =>
        client.updatePrimaryRegion({ KeyId: replicated, PrimaryRegion: "us-east-1" }),
      asks: [
        ["UpdatePrimaryRegion", arn(replicated)],
        ["UpdatePrimaryRegion", arn(replicated).replace("local", "us-east-1")],
      ],
    },
    createAlias: {
      call: (client) => client.createAlias({ AliasName: "alias/new", TargetKeyId: KeyId }),
      asks: [
        ["CreateAlias", alias("new")],
        ["CreateAlias", key],
      ],
    },
    connectCustomKeyStore: onNoKeyStore("ConnectCustomKeyStore", (client) =>
      client.connectCustomKeyStore(keyStore),
    ),
    createCustomKeyStore: {
      ...on(
        "CreateCustomKeyStore",
        (client) =>
          client.createCustomKeyStore({
            CustomKeyStoreName: "store",
            KeyStorePassword: "the password",
          }),
        "*",
      ),
      refused: "UnsupportedOperationException",
    },
    deleteCustomKeyStore: onNoKeyStore("DeleteCustomKeyStore", (client) =>
      client.deleteCustomKeyStore(keyStore),
    ),
    describeCustomKeyStores: on(
      "DescribeCustomKeyStores",
      (client) => client.describeCustomKeyStores(),
      "*",
    ),
    disconnectCustomKeyStore: onNoKeyStore("DisconnectCustomKeyStore", (client) =>
      client.disconnectCustomKeyStore(keyStore),
    ),
    updateCustomKeyStore: onNoKeyStore("UpdateCustomKeyStore", (client) =>
      client.updateCustomKeyStore(keyStore),
    ),
    updateAlias: {
      call: (client) => client.updateAlias({ AliasName: "alias/app", TargetKeyId: other }),
      asks: [
        ["UpdateAlias", alias("app")],
        ["UpdateAlias", key],
        ["UpdateAlias", arn(other)],
      ],
    },
    deleteAlias: {
      call: (client) => client.deleteAlias({ AliasName: "alias/app" }),
      asks: [
        ["DeleteAlias", alias("app")],
        ["DeleteAlias", key],
      ],
    },
    listAliases: on("ListAliases", (client) => client.listAliases({ KeyId }), "*"),
    enableKeyRotation: on("EnableKeyRotation", (client) => client.enableKeyRotation({ KeyId })),
    disableKeyRotation: on("DisableKeyRotation", (client) => client.disableKeyRotation({ KeyId })),
    getKeyRotationStatus: on("GetKeyRotationStatus", (client) =>
      client.getKeyRotationStatus({ KeyId }),
    ),
    rotateKeyOnDemand: on("RotateKeyOnDemand", (client) => client.rotateKeyOnDemand({ KeyId })),
    listKeyRotations: on("ListKeyRotations", (client) => client.listKeyRotations({ KeyId })),
    getKeyPolicy: on("GetKeyPolicy", (client) => client.getKeyPolicy({ KeyId })),
    putKeyPolicy: on("PutKeyPolicy", (client) => client.putKeyPolicy({ KeyId, Policy })),
    listKeyPolicies: on("ListKeyPolicies", (client) => client.listKeyPolicies({ KeyId })),
    tagResource: on("TagResource", (client) =>
      client.tagResource({ KeyId, Tags: [{ TagKey: "a", TagValue: "b" }] }),
    ),
    untagResource: on("UntagResource", (client) => client.untagResource({ KeyId, TagKeys: ["a"] })),
    listResourceTags: on("ListResourceTags", (client) => client.listResourceTags({ KeyId })),
    createGrant: on("CreateGrant", (client) =>
      client.createGrant({ ...grant, Operations: ["Encrypt"] }),
    ),
    listGrants: on("ListGrants", (client) => client.listGrants({ KeyId })),
    listRetirableGrants: on(
      "ListRetirableGrants",
      (client) => client.listRetirableGrants({ RetiringPrincipal: ROOT }),
      ROOT,
    ),
    retireGrant: on("RetireGrant", (client) => client.retireGrant({ KeyId: key, GrantId })),
    revokeGrant: on("RevokeGrant", (client) => client.revokeGrant({ KeyId, GrantId })),
    generateDataKey: on("GenerateDataKey", (client) =>
      client.generateDataKey({ KeyId, KeySpec: "AES_256" }),
    ),
    generateDataKeyWithoutPlaintext: on("GenerateDataKeyWithoutPlaintext", (client) =>
      client.generateDataKeyWithoutPlaintext({ KeyId, KeySpec: "AES_256" }),
    ),
    generateDataKeyPair: on("GenerateDataKeyPair", (client) =>
      client.generateDataKeyPair({ KeyId, KeyPairSpec: "ECC_NIST_P256" }),
    ),
    generateDataKeyPairWithoutPlaintext: on("GenerateDataKeyPairWithoutPlaintext", (client) =>
      client.generateDataKeyPairWithoutPlaintext({ KeyId, KeyPairSpec: "ECC_NIST_P256" }),
    ),
    encrypt: on("Encrypt", (client) => client.encrypt({ KeyId, Plaintext })),
    decrypt: on("Decrypt", (client) => client.decrypt({ CiphertextBlob })),
    reEncrypt: {
      call: (client) => client.reEncrypt({ CiphertextBlob, DestinationKeyId: other }),
      asks: [
        ["ReEncryptFrom", key],
        ["ReEncryptTo", arn(other)],
      ],
    },
    generateRandom: on(
      "GenerateRandom",
      (client) => client.generateRandom({ NumberOfBytes: 1 }),
      "*",
    ),
    generateMac: on(
      "GenerateMac",
      (client) => client.generateMac({ KeyId: mac, Message: Plaintext, MacAlgorithm }),
      arn(mac),
    ),
    verifyMac: on(
      "VerifyMac",
      (client) => client.verifyMac({ KeyId: mac, Message: Plaintext, MacAlgorithm, Mac }),
      arn(mac),
    ),
    sign: on("Sign", (client) => client.sign(signing), arn(signer)),
    verify: on("Verify", (client) => client.verify({ ...signing, Signature }), arn(signer)),
    getPublicKey: on(
      "GetPublicKey",
      (client) => client.getPublicKey({ KeyId: signer }),
      arn(signer),
    ),
    deriveSharedSecret: on(
      "DeriveSharedSecret",
      (client) =>
        client.deriveSharedSecret({
          KeyId: agreement,
          KeyAgreementAlgorithm: "ECDH",
          PublicKey: peer.PublicKey,
        }),
      arn(agreement),
    ),
    encapsulate: on(
      "Encapsulate",
      (client) => client.encapsulate({ KeyId: kem, EncapsulationAlgorithm: "ML_KEM" }),
      arn(kem),
    ),
    decapsulate: on(
      "Decapsulate",
      (client) =>
        client.decapsulate({
          KeyId: kem,
          EncapsulationAlgorithm: "ML_KEM",
          SharedSecretCiphertextBlob: bytes(768),
        }),
      arn(kem),
    ),
    getParametersForImport: on(
      "GetParametersForImport",
      (client) => client.getParametersForImport(wrapping),
      arn(external),
    ),
    importKeyMaterial: on(
      "ImportKeyMaterial",
      (client) =>
        client.importKeyMaterial({
          KeyId: external,
          ImportToken,
          EncryptedKeyMaterial,
          ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE",
        }),
      arn(external),
    ),
    deleteImportedKeyMaterial: on(
      "DeleteImportedKeyMaterial",
      (client) => client.deleteImportedKeyMaterial({ KeyId: external }),
      arn(external),
    ),
  };
}
