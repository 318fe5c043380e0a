import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import type { KmsFailureCode } from "@env/core/driver";
import { describe, expect, it } from "vitest";
import { classify, codes, GcpKmsError, withoutSecrets } from "../src/errors.ts";

const key = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
const version = `${key}/cryptoKeyVersions/1`;

/** As gRPC makes them. */
function grpcError(code: number, details = "SECRET"): Error {
  return Object.assign(new Error(`${code} NAME: ${details}`), { code, details, metadata: {} });
}

/** The README's table: every name in it, with its code. */
const documented = readFileSync(`${import.meta.dirname}/../README.md`, "utf8")
  .split("\n")
  .flatMap((line) => {
    const [, names, code] = /^\| (.*?) +\| `(ERR_ENVELOPE_KMS_[A-Z_]+)` +\|$/.exec(line) ?? [];
    const found = names?.replaceAll(/\(.*?\)/g, "").match(/\b[A-Z]\w{4,}\b/g) ?? [];
    return found.map((name) => [name, code as KmsFailureCode] as const);
  });

describe("every error that the README names has the code it says", () => {
  it("and no other has one", () => {
    const named = documented.filter(([, code]) => code !== "ERR_ENVELOPE_KMS_ERROR");
    expect(Object.fromEntries(named)).toEqual(codes);
  });

  it.each(documented)("%s is %s", (name, code) => {
    expect(classify(new GcpKmsError(name, {}))).toBe(code);
  });
});

it.each([
  [1, "CANCELLED", "ERR_ENVELOPE_KMS_UNAVAILABLE"],
  [2, "UNKNOWN", "ERR_ENVELOPE_KMS_UNAVAILABLE"],
  [3, "INVALID_ARGUMENT", "ERR_ENVELOPE_KMS_ERROR"],
  [4, "DEADLINE_EXCEEDED", "ERR_ENVELOPE_KMS_UNAVAILABLE"],
  [5, "NOT_FOUND", "ERR_ENVELOPE_KMS_KEY_NOT_FOUND"],
  [6, "ALREADY_EXISTS", "ERR_ENVELOPE_KMS_ERROR"],
  [7, "PERMISSION_DENIED", "ERR_ENVELOPE_KMS_ACCESS_DENIED"],
  [8, "RESOURCE_EXHAUSTED", "ERR_ENVELOPE_KMS_THROTTLED"],
  [9, "FAILED_PRECONDITION", "ERR_ENVELOPE_KMS_KEY_STATE"],
  [10, "ABORTED", "ERR_ENVELOPE_KMS_UNAVAILABLE"],
  [11, "OUT_OF_RANGE", "ERR_ENVELOPE_KMS_ERROR"],
  [12, "UNIMPLEMENTED", "ERR_ENVELOPE_KMS_ERROR"],
  [13, "INTERNAL", "ERR_ENVELOPE_KMS_UNAVAILABLE"],
  [14, "UNAVAILABLE", "ERR_ENVELOPE_KMS_UNAVAILABLE"],
  [15, "DATA_LOSS", "ERR_ENVELOPE_KMS_ERROR"],
  [16, "UNAUTHENTICATED", "ERR_ENVELOPE_KMS_ACCESS_DENIED"],
])("status %i is %s", (code, name, expected) => {
  const error = withoutSecrets(grpcError(code), "Encrypt");
  expect(error.name).toBe(name);
  expect(classify(error)).toBe(expected);
  expect(classify(grpcError(code))).toBe(expected);
  expect(inspect(error, { showHidden: true })).not.toContain("SECRET");
});

describe("a status says more", () => {
  it.each([
    ["Decryption failed: the ciphertext is invalid.", "DecryptionFailed"],
    ["Decryption failed: verify that 'name' refers to the correct CryptoKey.", "DecryptionFailed"],
    ["The checksum in field ciphertext_crc32c did not match.", "IntegrityMismatch"],
    ["The purpose of the key is ASYMMETRIC_SIGN.", "WrongPurpose"],
  ])("where the text is %j", (text, name) => {
    expect(withoutSecrets(grpcError(3, text)).name).toBe(name);
    expect(withoutSecrets(grpcError(3, text), "Decrypt").name).toBe(name);
  });

  it("where what cannot be decrypted was asked for in words nobody knows yet", () => {
    expect(withoutSecrets(grpcError(3, "reworded"), "Decrypt").name).toBe("DecryptionFailed");
    expect(withoutSecrets(grpcError(3, "reworded"), "Encrypt").name).toBe("INVALID_ARGUMENT");
  });

  it.each([
    ["DISABLED", "ERR_ENVELOPE_KMS_KEY_STATE"],
    ["DESTROY_SCHEDULED", "ERR_ENVELOPE_KMS_KEY_STATE"],
    ["DESTROYED", "ERR_ENVELOPE_KMS_KEY_STATE"],
    ["PENDING_GENERATION", "ERR_ENVELOPE_KMS_UNAVAILABLE"],
    ["PENDING_IMPORT", "ERR_ENVELOPE_KMS_UNAVAILABLE"],
  ])("of a version that is %s", (state, code) => {
    const text = `${version} is not enabled, current state is: ${state}.`;
    const error = withoutSecrets(grpcError(9, text), "Decrypt");
    expect(error.keyState).toBe(state);
    expect(error.message).toBe(`Decrypt: FAILED_PRECONDITION (the version is ${state})`);
    expect(classify(error)).toBe(code);
    expect(classify(grpcError(9, text))).toBe(code);
  });

  it("of a missing permission: which, and on what", () => {
    const permission = "cloudkms.cryptoKeyVersions.useToDecrypt";
    const text = `Permission '${permission}' denied on resource '${key}' (or it may not exist).`;
    expect(withoutSecrets(grpcError(7, text), "Decrypt").message).toBe(
      `Decrypt: PERMISSION_DENIED; allow ${permission} on the key, or check that it exists`,
    );
    // What it was denied on is the server's text: the key is known without it.
    const elsewhere = text.replace(key, `SECRET ${"SECRET".repeat(100)}`);
    expect(withoutSecrets(grpcError(7, elsewhere), "Decrypt").message).not.toContain("SECRET");
    for (const other of ["cloudkms.SECRET", "SECRET.cryptoKeys.get"]) {
      const unknown = text.replace(permission, other);
      expect(withoutSecrets(grpcError(7, unknown), "Decrypt").message).toBe(
        "Decrypt: PERMISSION_DENIED",
      );
    }
  });

  it("by its reason", () => {
    const thrown = Object.assign(grpcError(7), { reason: "SERVICE_DISABLED" });
    expect(withoutSecrets(thrown, "Encrypt").message).toBe(
      "Encrypt: PERMISSION_DENIED (SERVICE_DISABLED); enable the Cloud KMS API in the project",
    );
    for (const reason of ["SECRET reason", "SECRET_REASON"]) {
      const unknown = Object.assign(grpcError(7), { reason });
      expect(withoutSecrets(unknown, "Encrypt").message).toBe("Encrypt: PERMISSION_DENIED");
    }
    const made = grpcError(9, `${key} is not enabled, current state is: SECRET_STATE.`);
    expect(withoutSecrets(made, "Encrypt").message).toBe("Encrypt: FAILED_PRECONDITION");
  });
});

const retry = "; check the endpoint and the network, or try again";

describe("what an SDK throws without a status of gRPC", () => {
  it.each([
    [400, undefined, "INVALID_ARGUMENT"],
    [401, undefined, "UNAUTHENTICATED"],
    [403, undefined, "PERMISSION_DENIED"],
    [404, undefined, "NOT_FOUND"],
    [429, undefined, "RESOURCE_EXHAUSTED"],
    [500, undefined, "UNAVAILABLE"],
    [503, undefined, "UNAVAILABLE"],
    [400, "FAILED_PRECONDITION", "FAILED_PRECONDITION"],
    [403, "PERMISSION_DENIED", "PERMISSION_DENIED"],
    [400, "SECRET", "INVALID_ARGUMENT"],
  ])("is named by HTTP %i and the status %s in its text", (code, status, name) => {
    const message = JSON.stringify({ error: { code, message: "SECRET", status } });
    const thrown = Object.assign(new Error(message), { code, config: { data: "SECRET" } });
    const error = withoutSecrets(thrown, "Encrypt");
    expect(error).toMatchObject({ name, httpStatus: code });
    expect(error).not.toHaveProperty("cause");
    expect(inspect(error, { showHidden: true, depth: 10 })).not.toContain("SECRET");
  });

  it.each([
    "Could not load the default credentials. Browse to SECRET",
    "invalid_grant",
    "Could not refresh access token: SECRET",
    "16 UNAUTHENTICATED: Getting metadata from plugin failed with error: SECRET",
  ])("is about credentials: %j", (text) => {
    const error = withoutSecrets(new Error(text), "Encrypt");
    expect(error.message).toBe(
      "Encrypt: CredentialsError; no usable application default credentials; set them up, or pass a client",
    );
    expect(classify(error)).toBe("ERR_ENVELOPE_KMS_ACCESS_DENIED");
  });

  it("is about the network even where a token was to be got", () => {
    const text =
      "14 UNAVAILABLE: Getting metadata from plugin failed with error: connect ECONNREFUSED 127.0.0.1:1";
    const error = withoutSecrets(Object.assign(new Error(text), { code: 14 }), "Encrypt");
    expect(error).toMatchObject({ name: "UNAVAILABLE", code: "ECONNREFUSED" });
  });

  it.each(["ECONNREFUSED", "ECONNRESET", "ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "EPIPE"])(
    "is %s",
    (code) => {
      const error = withoutSecrets(Object.assign(new Error("x"), { code }), "Encrypt");
      expect(error.message).toBe(`Encrypt: UNAVAILABLE (${code})${retry}`);
    },
  );

  it.each([
    "14 UNAVAILABLE: Received HTTP status code 502",
    "8 RESOURCE_EXHAUSTED: Received message larger than max (70000 vs 65536)",
    "Error response from RPC Encrypt with status 404 could not be decoded: SECRET",
    "<!DOCTYPE html>SECRET",
    "<HTML>SECRET",
  ])("is no answer of Cloud KMS: %j", (text) => {
    const error = withoutSecrets(Object.assign(new Error(text), { code: 8 }), "Encrypt");
    expect(error.name).toBe("UnreadableAnswer");
    expect(error.message).not.toContain("SECRET");
  });

  it("is JSON cut short", () => {
    expect(withoutSecrets(new SyntaxError("Unexpected SECRET"), "Encrypt").name).toBe(
      "UnreadableAnswer",
    );
  });

  it("is what was repeated until there was no use", () => {
    const text = "Exceeded maximum number of retries retrying error Error: 14 UNAVAILABLE: SECRET";
    const error = withoutSecrets(Object.assign(new Error(text), { code: 4 }), "Encrypt");
    expect(error.message).toBe(`Encrypt: UNAVAILABLE${retry}`);
  });
});

describe("what remains of an error", () => {
  it("does not show a name that could be a message", () => {
    for (const name of ["SECRET SECRET", "S".repeat(64), "", 1, undefined]) {
      expect(withoutSecrets({ name }, "Decrypt").name).toBe("UnknownError");
    }
  });

  it.each([undefined, null, "SECRET", 1, Symbol("SECRET"), Object.create(null)])(
    "is an error, also of %o",
    (thrown) => {
      const error = withoutSecrets(thrown, "Decrypt");
      expect(error.message).toBe("Decrypt: UnknownError");
      expect(classify(error)).toBe("ERR_ENVELOPE_KMS_ERROR");
    },
  );

  it("stays what it is, and gets the operation where it had none", () => {
    const error = new GcpKmsError("SdkMissing", { hint: "install it" });
    const named = withoutSecrets(error, "Decrypt");
    expect(named.message).toBe("Decrypt: SdkMissing; install it");
    expect(withoutSecrets(named, "Encrypt")).toBe(named);
  });
});

it.each([undefined, null, "NOT_FOUND", new Error("x"), { name: "toString" }, { code: 99 }])(
  "has no code for %o",
  (error) => {
    expect(classify(error)).toBe("ERR_ENVELOPE_KMS_ERROR");
  },
);
