/**
 * Imported key material: GetParametersForImport, ImportKeyMaterial, DeleteImportedKeyMaterial.
 *
 * A key of origin EXTERNAL has no material until some is imported. What was imported once, and is
 * deleted or expires, can only be imported again: no other takes its place. Symmetric keys may get
 * further material, which waits for RotateKeyOnDemand.
 *
 * @module
 */
import type { KeyObject } from "node:crypto";
import { keyArn, type Realm } from "../arn.ts";
import { defaultOf } from "../catalogue/actions.ts";
import * as check from "../requests/check.ts";
import { KmsError } from "../catalogue/errors.ts";
import { keyState } from "../keys/key.ts";
import type { KeyRecord, KeyVersion } from "../store/key-record.ts";
import { DAY_MS } from "../store/store.ts";
import { isReplica, primaryOf } from "../keys/multi-region.ts";
import { openImportToken, sealImportToken } from "../keys/import-token.ts";
import {
  canWrap,
  fingerprint,
  readMaterial,
  unwrapMaterial,
  wrappingAlgorithms,
  wrappingKeySpecs,
} from "../material/unwrap.ts";
import { encodePublicKey, generateMaterial } from "../material/material.ts";
import type {
  GetParametersForImportRequest,
  ImportKeyMaterialRequest,
  ImportKeyMaterialResponse,
} from "../requests/shapes.ts";
import { unsupportedOrigin } from "../keys/states.ts";
import { operation, type Call, type Implementations } from "./operation.ts";

const TOKEN_DAYS = 1;
const MOST_DAYS = 365;

const knownAlgorithms = [...wrappingAlgorithms, "RSAES_PKCS1_V1_5", "SM2PKE"] as const;
const knownKeySpecs = [...wrappingKeySpecs, "SM2"] as const;
const expirationModels = [
  defaultOf("ImportKeyMaterial", "kms:ExpirationModel"),
  "KEY_MATERIAL_DOES_NOT_EXPIRE",
] as const;
const importTypes = ["NEW_KEY_MATERIAL", "EXISTING_KEY_MATERIAL"] as const;

const getParametersForImport = operation("GetParametersForImport", {
  parse: (request) =>
    check.all({
      keyId: () => check.requireKeyId(request.KeyId),
      wrapping: () => parseWrapping(request),
    }),
  questions: ({ keyId, wrapping }) => ({
    key: {
      on: "key",
      action: "GetParametersForImport",
      keyId,
      conditions: {
        "kms:WrappingAlgorithm": wrapping.algorithm,
        "kms:WrappingKeySpec": wrapping.keySpec,
      },
    } as const,
  }),
  make: async ({ wrapping }, { key }): Promise<KeyObject | undefined> => {
    const fits = canWrap(wrapping.algorithm, wrapping.keySpec, key.keySpec);
    return key.origin === "EXTERNAL" && fits ? generateMaterial(wrapping.keySpec) : undefined;
  },
  run: ({ store, realm, now }, { wrapping }, { key }, wrappingKey) => {
    requireExternal(key, realm);
    if (wrappingKey === undefined) {
      throw new KmsError(
        "ValidationException",
        `Wrapping algorithm ${wrapping.algorithm} and wrapping key spec ${wrapping.keySpec} cannot wrap key material of key spec ${key.keySpec}.`,
      );
    }
    const validTo = now + TOKEN_DAYS * DAY_MS;
    return {
      KeyId: keyArn(realm, key.keyId),
      ImportToken: sealImportToken(store, keyArn(realm, key.keyId), {
        algorithm: wrapping.algorithm,
        wrappingKeySpec: wrapping.keySpec,
        wrappingKey,
        validTo,
      }),
      PublicKey: encodePublicKey(wrappingKey),
      ParametersValidTo: new Date(validTo),
    };
  },
});

const importKeyMaterial = operation("ImportKeyMaterial", {
  parse: parseImport,
  questions: ({ keyId, model, expires }) => ({
    key: {
      on: "key",
      action: "ImportKeyMaterial",
      keyId,
      conditions: {
        "kms:ExpirationModel": model,
        "kms:ValidTo": expires === undefined ? undefined : new Date(expires).toISOString(),
      },
    } as const,
  }),
  run: (call, input, { key }) => {
    requireExternal(key, call.realm);
    requireValidTo(input, call.now);
    requireMembersOfSpec(input, key);
    const material = unwrap(call, input, key);
    const id = fingerprint(key.keyId, material);
    if (input.materialId !== undefined && input.materialId !== id) {
      throw incorrect("it is not that of the KeyMaterialId in the request");
    }
    const imported = { fingerprint: id, expires: input.expires, description: input.description };
    const changed = place(key, { created: call.now, material, imported }, input.type, call);
    // A key that was disabled with all its material stays so: that is for EnableKey to change.
    const enabled = keyState(key, call.now) === "PendingImport" || key.enabled;
    call.store.keys.update({ ...changed, enabled });
    return answer(key, id, call.realm);
  },
});

/** The key cannot be used until the same material is imported again. */
const deleteImportedKeyMaterial = operation("DeleteImportedKeyMaterial", {
  parse: ({ KeyId, KeyMaterialId }) =>
    check.all({
      keyId: () => check.requireKeyId(KeyId),
      materialId: () => check.keyMaterialId(KeyMaterialId),
    }),
  questions: ({ keyId }) => ({
    key: { on: "key", action: "DeleteImportedKeyMaterial", keyId } as const,
  }),
  run: ({ store, realm }, { materialId }, { key }) => {
    requireExternal(key, realm);
    const { versions, pending } = key;
    const id = materialId ?? versions.at(-1)?.imported?.fingerprint;
    if (id === undefined) return { KeyId: keyArn(realm, key.keyId) };
    if (pending?.imported?.fingerprint === id) {
      store.keys.update({ ...key, pending: undefined });
      store.destroysMaterial();
      return answer(key, id, realm);
    }
    if (!versions.some(({ imported }) => imported?.fingerprint === id)) {
      throw new KmsError("NotFoundException", `Key material ${id} does not exist`);
    }
    store.keys.update({
      ...key,
      versions: versions.map((version) =>
        version.imported?.fingerprint === id ? withoutMaterial(version) : version,
      ),
    });
    store.destroysMaterial();
    return answer(key, id, realm);
  },
});

export const implementations: Implementations<
  "GetParametersForImport" | "ImportKeyMaterial" | "DeleteImportedKeyMaterial"
> = { getParametersForImport, importKeyMaterial, deleteImportedKeyMaterial };

interface ImportInput {
  readonly keyId: string;
  readonly token: Uint8Array;
  readonly wrapped: Uint8Array;
  readonly model: (typeof expirationModels)[number];
  readonly expires: number | undefined;
  /** `undefined`: new the first time, existing afterwards. */
  readonly type: (typeof importTypes)[number] | undefined;
  readonly description: string | undefined;
  readonly materialId: string | undefined;
}

function parseImport(request: ImportKeyMaterialRequest): ImportInput {
  const { ImportType } = request;
  return check.all({
    keyId: () => check.requireKeyId(request.KeyId),
    token: () => check.bytes(request.ImportToken, "importToken", 6144),
    wrapped: () => check.bytes(request.EncryptedKeyMaterial, "encryptedKeyMaterial", 6144),
    model: () => check.oneOf(request.ExpirationModel, "expirationModel", expirationModels),
    expires: () => check.optionalDate(request.ValidTo, "validTo"),
    type: () =>
      ImportType === undefined ? undefined : check.oneOf(ImportType, "importType", importTypes),
    description: () => check.keyMaterialDescription(request.KeyMaterialDescription),
    materialId: () => check.keyMaterialId(request.KeyMaterialId),
  });
}

function parseWrapping({ WrappingAlgorithm, WrappingKeySpec }: GetParametersForImportRequest): {
  readonly algorithm: (typeof wrappingAlgorithms)[number];
  readonly keySpec: (typeof wrappingKeySpecs)[number];
} {
  const { named, namedSpec } = check.all({
    named: () => check.requireOneOf(WrappingAlgorithm, "wrappingAlgorithm", knownAlgorithms),
    namedSpec: () => check.requireOneOf(WrappingKeySpec, "wrappingKeySpec", knownKeySpecs),
  });
  const algorithm = wrappingAlgorithms.find((one) => one === named);
  const keySpec = wrappingKeySpecs.find((one) => one === namedSpec);
  if (algorithm === undefined) throw notSupported(`WrappingAlgorithm ${named}`);
  if (keySpec === undefined) throw notSupported(`WrappingKeySpec ${namedSpec}`);
  return { algorithm, keySpec };
}

function requireExternal({ keyId, origin }: KeyRecord, realm: Realm): void {
  if (origin !== "EXTERNAL") throw unsupportedOrigin(keyArn(realm, keyId), origin);
}

function requireValidTo({ model, expires }: ImportInput, now: number): void {
  if (model === "KEY_MATERIAL_DOES_NOT_EXPIRE") {
    if (expires === undefined) return;
    throw invalid(
      "A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE",
    );
  }
  if (expires === undefined) {
    throw invalid("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES");
  }
  if (expires <= now || expires > now + MOST_DAYS * DAY_MS) {
    throw invalid(`A validTo date must be in the future and within ${MOST_DAYS} days`);
  }
}

/** Only symmetric keys have more than one material, so only for them there is something to tell. */
function requireMembersOfSpec(
  { type, description, materialId }: ImportInput,
  { keySpec }: KeyRecord,
): void {
  const given = Object.entries({
    ImportType: type,
    KeyMaterialDescription: description,
    KeyMaterialId: materialId,
  }).find(([, value]) => value !== undefined);
  if (keySpec !== "SYMMETRIC_DEFAULT" && given !== undefined) {
    throw invalid(`${given[0]} is only valid for symmetric encryption keys.`);
  }
  if (type === "NEW_KEY_MATERIAL" && materialId !== undefined) {
    throw invalid("KeyMaterialId is not valid with ImportType NEW_KEY_MATERIAL.");
  }
}

/** The key in the request, which fits the spec of the CMK. */
function unwrap(
  { store, realm, now }: Call,
  { token, wrapped }: ImportInput,
  key: KeyRecord,
): KeyObject {
  const parameters = openImportToken(store, keyArn(realm, key.keyId), token);
  if (parameters === undefined) {
    throw new KmsError(
      "InvalidImportTokenException",
      "the import token is malformed or altered, or was made for another key",
    );
  }
  if (parameters.validTo <= now) {
    throw new KmsError(
      "ExpiredImportTokenException",
      "the import token has expired: call GetParametersForImport for another, and wrap the key material with its public key",
    );
  }
  const bytes = unwrapMaterial(parameters.wrappingKey, parameters.algorithm, wrapped);
  if (bytes === undefined) {
    throw new KmsError(
      "InvalidCiphertextException",
      `the key material was not wrapped with the public key of this import token by ${parameters.algorithm}`,
    );
  }
  const material = readMaterial(key.keySpec, bytes);
  if (material === undefined) throw incorrect(`it is not key material of key spec ${key.keySpec}`);
  return material;
}

type Incoming = Required<Pick<KeyVersion, "created" | "material">> & {
  readonly imported: NonNullable<KeyVersion["imported"]>;
};

/** The record with the material where it belongs: first, again, or pending. */
function place(
  key: KeyRecord,
  incoming: Incoming,
  type: ImportInput["type"],
  { store, realm }: Call,
): KeyRecord {
  const { versions, pending } = key;
  const { fingerprint: id } = incoming.imported;
  const isSame = ({ imported }: KeyVersion): boolean => imported?.fingerprint === id;
  const known = versions.some(isSame) || (pending !== undefined && isSame(pending));
  if ((type ?? (versions.length === 0 ? importTypes[0] : importTypes[1])) === importTypes[1]) {
    if (!known) throw incorrect("it was not imported into this key before");
    return {
      ...key,
      versions: versions.map((one) => (isSame(one) ? again(one, incoming) : one)),
      pending: pending !== undefined && isSame(pending) ? again(pending, incoming) : pending,
    };
  }
  if (known) throw incorrect("it was imported into this key before");
  if (isReplica(key) && primaryOf(key, store).pending?.imported?.fingerprint !== id) {
    throw incorrect("new key material has to be imported into the primary key first");
  }
  const version: KeyVersion = { ...incoming, rotation: undefined };
  if (versions.length === 0) return { ...key, versions: [version] };
  if (pending?.imported !== undefined) {
    throw new KmsError(
      "KMSInvalidStateException",
      `New key material (id: ${id}) cannot be imported into KMS key ${keyArn(realm, key.keyId)}, because another key material (id: ${pending.imported.fingerprint}) is pending rotation.`,
    );
  }
  return { ...key, pending: version };
}

function again(version: KeyVersion, { material, imported }: Incoming): KeyVersion {
  const description = imported.description ?? version.imported?.description;
  return { ...version, material, imported: { ...imported, description } };
}

function withoutMaterial(version: KeyVersion): KeyVersion {
  return { ...version, material: undefined };
}

function answer(
  { keyId, keySpec }: KeyRecord,
  materialId: string,
  realm: Realm,
): ImportKeyMaterialResponse {
  const KeyId = keyArn(realm, keyId);
  return keySpec === "SYMMETRIC_DEFAULT" ? { KeyId, KeyMaterialId: materialId } : { KeyId };
}

function incorrect(why: string): KmsError {
  return new KmsError(
    "IncorrectKeyMaterialException",
    `the key material does not meet expectations: ${why}`,
  );
}

function invalid(message: string): KmsError {
  return new KmsError("ValidationException", message);
}

function notSupported(what: string): KmsError {
  return new KmsError("UnsupportedOperationException", `${what} is not supported by this KMS`);
}
