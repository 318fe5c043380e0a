/**
 * What the KMS says of a key: DescribeKey's metadata and ListKeyRotations' rows.
 *
 * @module
 */
import { multiRegionKeyType } from "../keys/multi-region.ts";
import { keyArn, type Realm } from "../arn.ts";
import { currentMaterialId, isPresent, keyState, materialIdOf } from "../keys/key.ts";
import type { ImportedFacts, KeyRecord, KeyVersion } from "../store/key-record.ts";
import { keySpecs } from "../catalogue/key-specs.ts";
import type {
  AlgorithmLists,
  KeyMetadata,
  KeyRotation,
  MultiRegionKey,
} from "../requests/shapes.ts";

export function keyMetadata(record: KeyRecord, realm: Realm, now: number): KeyMetadata {
  const { keyId, deletion, keySpec, keyUsage, origin } = record;
  const state = keyState(record, now);
  const current = record.versions.at(-1);
  const symmetric = keySpec === "SYMMETRIC_DEFAULT";
  return {
    AWSAccountId: realm.accountId,
    KeyId: keyId,
    Arn: keyArn(realm, keyId),
    CreationDate: new Date(record.created),
    Enabled: state === "Enabled",
    Description: record.description,
    KeyUsage: keyUsage,
    KeyState: state,
    ...(deletion?.date === undefined ? {} : { DeletionDate: new Date(deletion.date) }),
    ...(state === "PendingReplicaDeletion" && deletion !== undefined
      ? { PendingDeletionWindowInDays: deletion.windowDays }
      : {}),
    Origin: origin,
    ...(current === undefined || !isPresent(current, now) ? {} : expiration(current.imported)),
    KeyManager: record.manager,
    CustomerMasterKeySpec: keySpec,
    KeySpec: keySpec,
    ...algorithms(record),
    ...multiRegion(record, realm),
    ...(symmetric && current !== undefined
      ? { CurrentKeyMaterialId: currentMaterialId(record) }
      : {}),
  };
}

/**
 * How a version came about. The pending one has the number after the last.
 *
 * @param replicasWait - Whether the pending one is yet to be imported into a related key.
 */
export function keyRotation(
  record: KeyRecord,
  keyVersion: number,
  now: number,
  replicasWait: boolean,
): KeyRotation {
  const { keyId, versions, pending } = record;
  const version = versions[keyVersion - 1] ?? pending;
  const state =
    keyVersion > versions.length
      ? replicasWait
        ? "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"
        : "PENDING_ROTATION"
      : keyVersion === versions.length
        ? "CURRENT"
        : "NON_CURRENT";
  const { rotation } = version ?? {};
  return {
    KeyId: keyId,
    KeyMaterialId: materialIdOf(record, keyVersion),
    KeyMaterialState: state,
    ...(version === undefined || rotation === undefined
      ? {}
      : { RotationDate: new Date(version.created), RotationType: rotation }),
    ...(version === undefined ? {} : imported(version, now)),
  };
}

/** The one list that fits the key's usage. */
export function algorithms({ keySpec, keyUsage }: KeyRecord): AlgorithmLists {
  const { encryption, signing, mac, agreement, encapsulation } = keySpecs[keySpec];
  if (keyUsage === "ENCRYPT_DECRYPT") return { EncryptionAlgorithms: [...encryption] };
  if (keyUsage === "SIGN_VERIFY") return { SigningAlgorithms: [...signing] };
  if (keyUsage === "GENERATE_VERIFY_MAC") return { MacAlgorithms: [...mac] };
  if (keyUsage === "KEY_AGREEMENT") return { KeyAgreementAlgorithms: [...agreement] };
  return { EncapsulationAlgorithms: [...encapsulation] };
}

function multiRegion(
  record: KeyRecord,
  { accountId }: Realm,
): Pick<KeyMetadata, "MultiRegion" | "MultiRegionConfiguration"> {
  const toKey = (region: string): MultiRegionKey => ({
    Arn: keyArn({ accountId, region }, record.keyId),
    Region: region,
  });
  const [primary, ...replicas] = record.regions ?? [];
  if (primary === undefined) return { MultiRegion: false };
  return {
    MultiRegion: true,
    MultiRegionConfiguration: {
      MultiRegionKeyType: multiRegionKeyType(record),
      PrimaryKey: toKey(primary),
      ReplicaKeys: replicas.map(toKey),
    },
  };
}

function imported(version: KeyVersion, now: number): Partial<KeyRotation> {
  const { imported: facts } = version;
  if (facts === undefined) return {};
  if (!isPresent(version, now)) return { ImportState: "PENDING_IMPORT", ...described(facts) };
  return { ImportState: "IMPORTED", ...expiration(facts), ...described(facts) };
}

function described({ description }: ImportedFacts): Pick<KeyRotation, "KeyMaterialDescription"> {
  return description === undefined ? {} : { KeyMaterialDescription: description };
}

function expiration(
  facts: ImportedFacts | undefined,
): Pick<KeyMetadata, "ExpirationModel" | "ValidTo"> {
  if (facts === undefined) return {};
  if (facts.expires === undefined) return { ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE" };
  return { ExpirationModel: "KEY_MATERIAL_EXPIRES", ValidTo: new Date(facts.expires) };
}
