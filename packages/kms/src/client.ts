/**
 * The KMS as one principal sees it: AWS KMS's operations by their names.
 *
 * Every operation goes the same way: shape of the request, the key it names, authorization, the key's
 * state, the rest. The functions that find a key for an operation ask for authorization themselves,
 * so no operation can forget it. Reads see one consistent row; changes are one transaction each.
 *
 * Source: the AWS KMS API reference; differences in README.md
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import type { Bytes, Context } from "@env/core";
import { invalidCiphertext, notFoundAlias, type Access } from "./access.ts";
import { aliasArn, keyArn, type Realm } from "./arn.ts";
import { defaultKeyPolicy } from "./authorize.ts";
import { describeCiphertextBlob, openBlob, sealBlob } from "./blob.ts";
import * as check from "./check.ts";
import { KmsError } from "./errors.ts";
import {
  currentVersion,
  keyMaterialId,
  keyMetadata,
  keyRotation,
  kmsLimits,
  versionOf,
  withAlias,
  withoutAlias,
  type KeyRecord,
} from "./key.ts";
import { fromMarker, toPage } from "./page.ts";
import { KEY_BYTES, random, secretKey } from "./seal.ts";
import type * as shape from "./shapes.ts";
import type { KeyAction } from "./states.ts";
import type { Store } from "./store.ts";

const DAY_MS = 86_400_000;

/**
 * Operations of the KMS for one principal. Throws {@link KmsError} with AWS's names, and core's
 * `EnvelopeError` for problems with the file. Requests are not kept; response bytes are the caller's.
 */
export class KmsClient {
  readonly #store: Store;
  readonly #realm: Realm;
  readonly #access: Access;

  /** Not for applications: they call `keystore.as(principal)`. */
  constructor(store: Store, realm: Realm, access: Access) {
    this.#store = store;
    this.#realm = realm;
    this.#access = access;
  }

  /** ARN of whoever this client acts as. */
  get principal(): string {
    return this.#access.principal;
  }

  async createKey(request: shape.CreateKeyRequest = {}): Promise<shape.KeyMetadataResponse> {
    check.requireMembers(request, [
      "Description",
      "KeySpec",
      "CustomerMasterKeySpec",
      "KeyUsage",
      "Origin",
      "MultiRegion",
    ]);
    const description = check.description(request.Description ?? "");
    check.requireSymmetric(request);
    this.#access.all("CreateKey");
    const now = Date.now();
    const record: KeyRecord = {
      keyId: randomUUID(),
      created: now,
      description,
      enabled: true,
      deletion: undefined,
      policy: defaultKeyPolicy(this.#realm.accountId),
      aliases: [],
      versions: [newVersion(now)],
    };
    await this.#store.write(() => this.#store.insert(record));
    return { KeyMetadata: keyMetadata(record, this.#realm) };
  }

  async describeKey(request: shape.KeyRequest): Promise<shape.KeyMetadataResponse> {
    check.requireMembers(request, ["KeyId"]);
    const keyId = check.requireKeyId(request.KeyId);
    const record = await this.#store.read(() => this.#access.keyOrAlias("DescribeKey", keyId));
    return { KeyMetadata: keyMetadata(record, this.#realm) };
  }

  async listKeys(request: shape.PageRequest = {}): Promise<shape.ListKeysResponse> {
    check.requireMembers(request, ["Limit", "Marker"]);
    const limit = check.integer(request.Limit ?? 100, "limit", 1, 1000);
    const after = Number(fromMarker(request.Marker, /^[0-9]{1,15}$/) ?? 0);
    this.#access.all("ListKeys");
    const { items, next } = await this.#store.read(() => this.#store.keys(after, limit));
    const Keys = items.map(({ keyId }) => ({ KeyId: keyId, KeyArn: keyArn(this.#realm, keyId) }));
    return { Keys, ...toPage(next?.toString()) };
  }

  async createAlias(request: shape.AliasTargetRequest): Promise<void> {
    check.requireMembers(request, ["AliasName", "TargetKeyId"]);
    const name = check.aliasName(request.AliasName);
    const keyId = check.requireKeyId(request.TargetKeyId, "targetKeyId");
    await this.#store.write(() => {
      this.#access.alias("CreateAlias", name);
      const target = this.#access.key("CreateAlias", keyId);
      if (this.#store.aliasTarget(name) !== undefined) {
        const arn = aliasArn(this.#realm, name);
        throw new KmsError(
          "AlreadyExistsException",
          `An alias with the name ${arn} already exists`,
        );
      }
      const now = Date.now();
      this.#store.update(withAlias(target, { name, created: now, updated: now }));
    });
  }

  /** Points an alias at another key. */
  async updateAlias(request: shape.AliasTargetRequest): Promise<void> {
    check.requireMembers(request, ["AliasName", "TargetKeyId"]);
    const name = check.aliasName(request.AliasName);
    const keyId = check.requireKeyId(request.TargetKeyId, "targetKeyId");
    await this.#store.write(() => {
      this.#access.alias("UpdateAlias", name);
      const source = this.#access.aliasTarget(name);
      // Permission on the key that loses the alias, in whatever state it is.
      this.#access.permit("UpdateAlias", source);
      const target = this.#access.key("UpdateAlias", keyId);
      const alias = source.aliases.find((one) => one.name === name);
      if (alias === undefined) throw notFoundAlias(this.#realm, name);
      const moved = { ...alias, updated: Date.now() };
      const left = withoutAlias(source, name);
      if (target.keyId === source.keyId) {
        this.#store.update(withAlias(left, moved));
      } else {
        const joined = withAlias(target, moved);
        this.#store.update(left);
        this.#store.update(joined);
      }
    });
  }

  async deleteAlias(request: shape.AliasRequest): Promise<void> {
    check.requireMembers(request, ["AliasName"]);
    const name = check.aliasName(request.AliasName);
    await this.#store.write(() => {
      this.#access.alias("DeleteAlias", name);
      const target = this.#access.aliasTarget(name);
      this.#access.permit("DeleteAlias", target);
      this.#store.update(withoutAlias(target, name));
    });
  }

  async listAliases(request: shape.ListAliasesRequest = {}): Promise<shape.ListAliasesResponse> {
    check.requireMembers(request, ["KeyId", "Limit", "Marker"]);
    const limit = check.integer(request.Limit ?? 50, "limit", 1, 100);
    const keyId = check.optionalKeyId(request.KeyId);
    const after = fromMarker(request.Marker, /^alias\/[a-zA-Z0-9/_-]{1,250}$/) ?? "";
    this.#access.all("ListAliases");
    const { items, next } = await this.#store.read(() =>
      keyId === undefined
        ? this.#store.aliases(after, limit)
        : aliasesOf(this.#access.filterKey(keyId), after, limit),
    );
    const Aliases = items.map(([{ name, created, updated }, key]) => ({
      AliasName: name,
      AliasArn: aliasArn(this.#realm, name),
      TargetKeyId: key.keyId,
      CreationDate: new Date(created),
      LastUpdatedDate: new Date(updated),
    }));
    return { Aliases, ...toPage(next) };
  }

  async enableKey(request: shape.KeyRequest): Promise<void> {
    await this.#changeKey("EnableKey", request, (record) => ({ ...record, enabled: true }));
  }

  async disableKey(request: shape.KeyRequest): Promise<void> {
    await this.#changeKey("DisableKey", request, (record) => ({ ...record, enabled: false }));
  }

  /** The key, its material and its aliases are deleted for good once the window is over. */
  async scheduleKeyDeletion(
    request: shape.ScheduleKeyDeletionRequest,
  ): Promise<shape.ScheduleKeyDeletionResponse> {
    const { PendingWindowInDays, ...keyRequest } = request;
    const windowDays = check.integer(PendingWindowInDays ?? 30, "pendingWindowInDays", 7, 30);
    const date = Date.now() + windowDays * DAY_MS;
    const record = await this.#changeKey("ScheduleKeyDeletion", keyRequest, (found) => ({
      ...found,
      enabled: false,
      deletion: { date, windowDays },
    }));
    return {
      KeyId: this.#arn(record),
      DeletionDate: new Date(date),
      KeyState: "PendingDeletion",
      PendingWindowInDays: windowDays,
    };
  }

  /** Leaves the key disabled. */
  async cancelKeyDeletion(request: shape.KeyRequest): Promise<shape.KeyIdResponse> {
    const record = await this.#changeKey("CancelKeyDeletion", request, (found) => ({
      ...found,
      enabled: false,
      deletion: undefined,
    }));
    return { KeyId: this.#arn(record) };
  }

  async updateKeyDescription(request: shape.UpdateKeyDescriptionRequest): Promise<void> {
    const { Description, ...keyRequest } = request;
    const description = check.description(Description);
    await this.#changeKey("UpdateKeyDescription", keyRequest, (record) => ({
      ...record,
      description,
    }));
  }

  /** Adds a version, which encrypts from now on. Older versions go on decrypting. */
  async rotateKeyOnDemand(request: shape.KeyRequest): Promise<shape.KeyIdResponse> {
    const record = await this.#changeKey("RotateKeyOnDemand", request, (found) => {
      if (found.versions.length > kmsLimits.rotationsPerKey) {
        throw new KmsError(
          "LimitExceededException",
          `The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for this key: ${this.#arn(found)}`,
        );
      }
      return { ...found, versions: [...found.versions, newVersion(Date.now())] };
    });
    return { KeyId: this.#arn(record) };
  }

  /** Oldest first. */
  async listKeyRotations(
    request: shape.ListKeyRotationsRequest,
  ): Promise<shape.ListKeyRotationsResponse> {
    check.requireMembers(request, ["KeyId", "IncludeKeyMaterial", "Limit", "Marker"]);
    const keyId = check.requireKeyId(request.KeyId);
    const which = check.oneOf(request.IncludeKeyMaterial, "includeKeyMaterial", [
      "ROTATIONS_ONLY",
      "ALL_KEY_MATERIAL",
    ]);
    const limit = check.integer(request.Limit ?? 100, "limit", 1, 1000);
    const first = which === "ALL_KEY_MATERIAL" ? 1 : 2;
    const from = Math.max(first, Number(fromMarker(request.Marker, /^[0-9]{1,2}$/) ?? 0) + 1);
    const record = await this.#store.read(() => this.#access.key("ListKeyRotations", keyId));
    const rotations = record.versions.map((_, i) => keyRotation(record, i + 1)).slice(from - 1);
    const last = from + limit - 1;
    return {
      Rotations: rotations.slice(0, limit),
      ...toPage(rotations.length > limit ? String(last) : undefined),
    };
  }

  async getKeyPolicy(request: shape.GetKeyPolicyRequest): Promise<shape.GetKeyPolicyResponse> {
    check.requireMembers(request, ["KeyId", "PolicyName"]);
    const keyId = check.requireKeyId(request.KeyId);
    const record = await this.#store.read(() => this.#access.key("GetKeyPolicy", keyId));
    if ((request.PolicyName ?? "default") !== "default") {
      throw new KmsError("NotFoundException", "No such policy exists");
    }
    return { Policy: record.policy, PolicyName: "default" };
  }

  async generateDataKey(
    request: shape.GenerateDataKeyRequest,
  ): Promise<shape.GenerateDataKeyResponse> {
    return this.#generateDataKey("GenerateDataKey", request);
  }

  async generateDataKeyWithoutPlaintext(
    request: shape.GenerateDataKeyRequest,
  ): Promise<shape.GenerateDataKeyWithoutPlaintextResponse> {
    const action = "GenerateDataKeyWithoutPlaintext";
    const { Plaintext, ...response } = await this.#generateDataKey(action, request);
    Plaintext.fill(0);
    return response;
  }

  async encrypt(request: shape.EncryptRequest): Promise<shape.EncryptResponse> {
    check.requireMembers(request, [
      "KeyId",
      "Plaintext",
      "EncryptionContext",
      "EncryptionAlgorithm",
      "DryRun",
    ]);
    const keyId = check.requireKeyId(request.KeyId);
    const plaintext = check.plaintext(request.Plaintext).slice();
    try {
      const encryptionContext = check.encryptionContext(request.EncryptionContext);
      const facts = { encryptionContext };
      const record = await this.#store.read(() => this.#access.keyOrAlias("Encrypt", keyId, facts));
      const EncryptionAlgorithm = check.algorithm(request.EncryptionAlgorithm);
      stopDryRun(request);
      const CiphertextBlob = sealBlob(currentVersion(record), plaintext, encryptionContext);
      return { CiphertextBlob, KeyId: this.#arn(record), EncryptionAlgorithm };
    } finally {
      plaintext.fill(0);
    }
  }

  async decrypt(request: shape.DecryptRequest): Promise<shape.DecryptResponse> {
    check.requireMembers(request, [
      "KeyId",
      "CiphertextBlob",
      "EncryptionContext",
      "EncryptionAlgorithm",
      "DryRun",
    ]);
    const keyId = check.optionalKeyId(request.KeyId);
    const blob = check.ciphertextBlob(request.CiphertextBlob).slice();
    const context = check.encryptionContext(request.EncryptionContext);
    const record = await this.#store.read(() =>
      this.#access.keyOfBlob("Decrypt", keyId, blob, context),
    );
    const EncryptionAlgorithm = check.algorithm(request.EncryptionAlgorithm);
    const opened = openWith(record, blob, context);
    try {
      stopDryRun(request);
    } catch (error) {
      opened.plaintext.fill(0);
      throw error;
    }
    return {
      Plaintext: opened.plaintext,
      KeyId: this.#arn(record),
      EncryptionAlgorithm,
      KeyMaterialId: keyMaterialId(record.keyId, opened.keyVersion),
    };
  }

  /** Decrypts and encrypts anew: another key, the key's newest version, another context. */
  async reEncrypt(request: shape.ReEncryptRequest): Promise<shape.ReEncryptResponse> {
    check.requireMembers(request, [
      "CiphertextBlob",
      "SourceKeyId",
      "SourceEncryptionContext",
      "SourceEncryptionAlgorithm",
      "DestinationKeyId",
      "DestinationEncryptionContext",
      "DestinationEncryptionAlgorithm",
      "DryRun",
    ]);
    const blob = check.ciphertextBlob(request.CiphertextBlob).slice();
    const sourceId = check.optionalKeyId(request.SourceKeyId, "sourceKeyId");
    const destinationId = check.requireKeyId(request.DestinationKeyId, "destinationKeyId");
    const from = check.encryptionContext(request.SourceEncryptionContext);
    const to = check.encryptionContext(request.DestinationEncryptionContext);
    const [source, destination] = await this.#store.read(() => [
      this.#access.keyOfBlob("ReEncryptFrom", sourceId, blob, from),
      this.#access.keyOrAlias("ReEncryptTo", destinationId, { encryptionContext: to }),
    ]);
    const SourceEncryptionAlgorithm = check.algorithm(request.SourceEncryptionAlgorithm);
    const DestinationEncryptionAlgorithm = check.algorithm(request.DestinationEncryptionAlgorithm);
    const opened = openWith(source, blob, from);
    try {
      stopDryRun(request);
      const { keyId, versions } = destination;
      return {
        CiphertextBlob: sealBlob(currentVersion(destination), opened.plaintext, to),
        SourceKeyId: this.#arn(source),
        KeyId: this.#arn(destination),
        SourceEncryptionAlgorithm,
        DestinationEncryptionAlgorithm,
        SourceKeyMaterialId: keyMaterialId(source.keyId, opened.keyVersion),
        DestinationKeyMaterialId: keyMaterialId(keyId, versions.length),
      };
    } finally {
      opened.plaintext.fill(0);
    }
  }

  async generateRandom(
    request: shape.GenerateRandomRequest,
  ): Promise<shape.GenerateRandomResponse> {
    check.requireMembers(request, ["NumberOfBytes"]);
    if (request.NumberOfBytes === undefined) {
      throw new KmsError("ValidationException", "NumberOfBytes is required.");
    }
    const length = check.integer(request.NumberOfBytes, "numberOfBytes", 1, 1024);
    this.#access.all("GenerateRandom");
    return { Plaintext: random(length) };
  }

  async #generateDataKey(
    action: "GenerateDataKey" | "GenerateDataKeyWithoutPlaintext",
    request: shape.GenerateDataKeyRequest,
  ): Promise<shape.GenerateDataKeyResponse> {
    check.requireMembers(request, [
      "KeyId",
      "KeySpec",
      "NumberOfBytes",
      "EncryptionContext",
      "DryRun",
    ]);
    const keyId = check.requireKeyId(request.KeyId);
    const length = check.dataKeyBytes(request.KeySpec, request.NumberOfBytes);
    const encryptionContext = check.encryptionContext(request.EncryptionContext);
    const facts = { encryptionContext };
    const record = await this.#store.read(() => this.#access.keyOrAlias(action, keyId, facts));
    stopDryRun(request);
    const Plaintext = random(length);
    return {
      Plaintext,
      CiphertextBlob: sealBlob(currentVersion(record), Plaintext, encryptionContext),
      KeyId: this.#arn(record),
      KeyMaterialId: keyMaterialId(record.keyId, record.versions.length),
    };
  }

  /** One transaction that replaces one key's record, for operations that take a key and no more. */
  async #changeKey(
    action: KeyAction,
    request: shape.KeyRequest,
    change: (record: KeyRecord) => KeyRecord,
  ): Promise<KeyRecord> {
    check.requireMembers(request, ["KeyId"]);
    const keyId = check.requireKeyId(request.KeyId);
    return this.#store.write(() => {
      const changed = change(this.#access.key(action, keyId));
      this.#store.update(changed);
      return changed;
    });
  }

  #arn({ keyId }: KeyRecord): string {
    return keyArn(this.#realm, keyId);
  }
}

function newVersion(created: number): KeyRecord["versions"][number] {
  return { created, key: secretKey(random(KEY_BYTES)) };
}

function aliasesOf(key: KeyRecord, after: string, limit: number): ReturnType<Store["aliases"]> {
  const left = key.aliases.filter(({ name }) => name > after);
  const items = left.slice(0, limit).map((alias) => [alias, key] as const);
  return { items, next: left.length > limit ? items.at(-1)?.[0].name : undefined };
}

/** The plaintext of a blob that names this key, and the version that it names. */
function openWith(
  record: KeyRecord,
  blob: Uint8Array,
  context: Context,
): { readonly plaintext: Bytes; readonly keyVersion: number } {
  const version = versionOf(record, describeCiphertextBlob(blob)?.keyVersion ?? 0);
  const plaintext = version === undefined ? undefined : openBlob(version, blob, context);
  if (version === undefined || plaintext === undefined) throw invalidCiphertext();
  return { plaintext, keyVersion: version.keyVersion };
}

/** After everything that could refuse the call. */
function stopDryRun({ DryRun }: shape.DryRun): void {
  if (DryRun !== true) return;
  throw new KmsError(
    "DryRunOperationException",
    "The request would have succeeded, but the DryRun option is set.",
  );
}
