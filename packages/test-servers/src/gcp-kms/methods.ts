/**
 * The methods of google.cloud.kms.v1.KeyManagementService, as far as symmetric keys need them, over
 * messages as `@grpc/proto-loader` gives them: camel case, bytes as Buffers, enums by name, 64-bit
 * numbers as text.
 *
 * Source: google/cloud/kms/v1/service.proto, resources.proto; recorded answers of Cloud KMS
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { crc32c } from "@env/testkit/crc32c";
import type { Key, Keys, ProtectionLevel, Version } from "./keys.ts";
import { checkId, checkName, parentOf } from "./names.ts";
import { StatusError } from "./status.ts";

/** A request or an answer. */
export type Message = Record<string, unknown>;

export type Method = (keys: Keys, request: Message) => Message;

const KIB = 1024;

export const methods: Readonly<Record<string, Method>> = {
  CreateKeyRing(keys, request) {
    const parent = checkName("location", text(request, "parent"));
    const name = keys.createRing(`${parent}/keyRings/${checkId(text(request, "keyRingId"))}`);
    return ringMessage(name, keys.requireRing(name));
  },

  GetKeyRing(keys, request) {
    const name = text(request, "name");
    return ringMessage(name, keys.requireRing(name));
  },

  ListKeyRings(keys, request) {
    const parent = checkName("location", text(request, "parent"));
    const keyRings = [...keys.rings]
      .filter(([name]) => parentOf(name) === parent)
      .map(([name, created]) => ringMessage(name, created));
    return { keyRings, totalSize: keyRings.length };
  },

  CreateCryptoKey(keys, request) {
    const { purpose, versionTemplate } = message(request, "cryptoKey");
    const level = message({ versionTemplate }, "versionTemplate")["protectionLevel"];
    if (purpose === "CRYPTO_KEY_PURPOSE_UNSPECIFIED" || typeof purpose !== "string") {
      throw new StatusError("INVALID_ARGUMENT", "crypto_key.purpose is required.");
    }
    const id = checkId(text(request, "cryptoKeyId"));
    const name = `${text(request, "parent")}/cryptoKeys/${id}`;
    const withVersion = request["skipInitialVersionCreation"] !== true;
    return keyMessage(keys.createKey(name, protectionLevel(level), purpose, withVersion));
  },

  GetCryptoKey: (keys, request) => keyMessage(keys.requireKey(text(request, "name"))),

  ListCryptoKeys(keys, request) {
    const cryptoKeys = keys.keysIn(text(request, "parent")).map(keyMessage);
    return { cryptoKeys, totalSize: cryptoKeys.length };
  },

  CreateCryptoKeyVersion(keys, request) {
    const key = keys.requireKey(text(request, "parent"));
    return versionMessage(keys.createVersion(key.name), key);
  },

  GetCryptoKeyVersion(keys, request) {
    const version = keys.requireVersion(text(request, "name"));
    return versionMessage(version, keys.requireKey(parentOf(version.name)));
  },

  ListCryptoKeyVersions(keys, request) {
    const key = keys.requireKey(text(request, "parent"));
    const cryptoKeyVersions = key.versions.map((version) => versionMessage(version, key));
    return { cryptoKeyVersions, totalSize: cryptoKeyVersions.length };
  },

  UpdateCryptoKeyVersion(keys, request) {
    const { name, state } = message(request, "cryptoKeyVersion");
    const version = keys.requireVersion(String(name));
    if (state !== "ENABLED" && state !== "DISABLED") {
      throw new StatusError("INVALID_ARGUMENT", "state can be updated to ENABLED or DISABLED.");
    }
    if (version.state !== "ENABLED" && version.state !== "DISABLED") {
      throw new StatusError(
        "FAILED_PRECONDITION",
        `${version.name} cannot be updated, current state is: ${version.state}.`,
      );
    }
    return versionMessage(
      keys.setState(version.name, state),
      keys.requireKey(parentOf(version.name)),
    );
  },

  UpdateCryptoKeyPrimaryVersion(keys, request) {
    const name = text(request, "name");
    const id = text(request, "cryptoKeyVersionId");
    keys.setPrimary(name, `${name}/cryptoKeyVersions/${id}`);
    return keyMessage(keys.requireKey(name));
  },

  DestroyCryptoKeyVersion(keys, request) {
    const version = keys.requireVersion(text(request, "name"));
    if (version.state !== "ENABLED" && version.state !== "DISABLED") {
      throw new StatusError(
        "FAILED_PRECONDITION",
        `${version.name} cannot be destroyed, current state is: ${version.state}.`,
      );
    }
    keys.setState(version.name, "DESTROY_SCHEDULED");
    return versionMessage(version, keys.requireKey(parentOf(version.name)));
  },

  RestoreCryptoKeyVersion(keys, request) {
    const version = keys.requireVersion(text(request, "name"));
    if (version.state !== "DESTROY_SCHEDULED") {
      throw new StatusError(
        "FAILED_PRECONDITION",
        `${version.name} cannot be restored, current state is: ${version.state}.`,
      );
    }
    keys.setState(version.name, "DISABLED");
    return versionMessage(version, keys.requireKey(parentOf(version.name)));
  },

  Encrypt(keys, request) {
    const plaintext = bytes(request, "plaintext");
    const aad = bytes(request, "additionalAuthenticatedData");
    const verifiedPlaintextCrc32c = verify(request, "plaintext", plaintext);
    const verifiedAdditionalAuthenticatedDataCrc32c = verify(
      request,
      "additionalAuthenticatedData",
      aad,
    );
    const { key, version, ciphertext } = keys.encrypt(text(request, "name"), plaintext, aad);
    const hsm = key.protectionLevel === "HSM";
    const size = hsm ? plaintext.length + aad.length : Math.max(plaintext.length, aad.length);
    if (size > (hsm ? 8 : 64) * KIB) {
      throw new StatusError(
        "INVALID_ARGUMENT",
        hsm
          ? "plaintext and additional_authenticated_data must have at most 8192 bytes in total."
          : "plaintext and additional_authenticated_data must have at most 65536 bytes each.",
      );
    }
    return {
      name: version.name,
      ciphertext,
      ciphertextCrc32c: { value: String(crc32c(ciphertext)) },
      verifiedPlaintextCrc32c,
      verifiedAdditionalAuthenticatedDataCrc32c,
      protectionLevel: key.protectionLevel,
    };
  },

  Decrypt(keys, request) {
    const ciphertext = bytes(request, "ciphertext");
    const aad = bytes(request, "additionalAuthenticatedData");
    verify(request, "ciphertext", ciphertext);
    verify(request, "additionalAuthenticatedData", aad);
    const { key, version, plaintext } = keys.decrypt(text(request, "name"), ciphertext, aad);
    return {
      plaintext,
      plaintextCrc32c: { value: String(crc32c(plaintext)) },
      usedPrimary: version === key.primary,
      protectionLevel: key.protectionLevel,
    };
  },

  GenerateRandomBytes(_, request) {
    checkName("location", text(request, "location"));
    const length = Number(request["lengthBytes"]);
    if (request["protectionLevel"] !== "HSM" || !(length >= 8 && length <= 1024)) {
      throw new StatusError(
        "INVALID_ARGUMENT",
        "length_bytes must be 8 to 1024, protection_level HSM.",
      );
    }
    const data = randomBytes(length);
    return { data, dataCrc32c: { value: String(crc32c(data)) } };
  },
};

/** Whether a checksum was sent; a wrong one fails the call. */
function verify(request: Message, field: string, data: Uint8Array): boolean {
  const checksum = request[`${field}Crc32c`];
  if (checksum === undefined || checksum === null) return false;
  if (message({ checksum }, "checksum")["value"] === String(crc32c(data))) return true;
  const name = field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  throw new StatusError(
    "INVALID_ARGUMENT",
    `The checksum in field ${name}_crc32c did not match the data in field ${name}.`,
  );
}

function ringMessage(name: string, created: Date): Message {
  return { name, createTime: timestamp(created) };
}

function keyMessage(key: Key): Message {
  return {
    name: key.name,
    purpose: key.purpose,
    createTime: timestamp(key.createdAt),
    ...(key.primary !== undefined && { primary: versionMessage(key.primary, key) }),
    versionTemplate: { protectionLevel: key.protectionLevel, algorithm: algorithmOf(key) },
    destroyScheduledDuration: { seconds: String(30 * 86_400) },
  };
}

function versionMessage(version: Version, key: Key): Message {
  return {
    name: version.name,
    state: version.state,
    protectionLevel: key.protectionLevel,
    algorithm: algorithmOf(key),
    createTime: timestamp(version.createdAt),
    generateTime: timestamp(version.createdAt),
    ...(version.destroyAt !== undefined && { destroyTime: timestamp(version.destroyAt) }),
  };
}

function algorithmOf({ purpose }: Key): string {
  return purpose === "ENCRYPT_DECRYPT"
    ? "GOOGLE_SYMMETRIC_ENCRYPTION"
    : "CRYPTO_KEY_VERSION_ALGORITHM_UNSPECIFIED";
}

function protectionLevel(level: unknown): ProtectionLevel {
  if (level === "HSM") return "HSM";
  if (level === undefined || level === "SOFTWARE" || level === "PROTECTION_LEVEL_UNSPECIFIED") {
    return "SOFTWARE";
  }
  throw new StatusError("UNIMPLEMENTED", "keys here are SOFTWARE or HSM.");
}

function timestamp(date: Date): Message {
  const milliseconds = date.getTime();
  return {
    seconds: String(Math.floor(milliseconds / 1000)),
    nanos: (milliseconds % 1000) * 1_000_000,
  };
}

function text(request: Message, field: string): string {
  const value = request[field];
  return typeof value === "string" ? value : "";
}

function bytes(request: Message, field: string): Uint8Array {
  const value = request[field];
  return value instanceof Uint8Array ? value : new Uint8Array(0);
}

function message(request: Message, field: string): Message {
  const value = request[field];
  return typeof value === "object" && value !== null ? { ...value } : {};
}
