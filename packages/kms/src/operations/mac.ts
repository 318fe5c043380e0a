/**
 * GenerateMac and VerifyMac, with HMAC keys.
 *
 * @module
 */
import { keyArn } from "../arn.ts";
import * as check from "../requests/check.ts";
import { KmsError } from "../catalogue/errors.ts";
import { currentVersion } from "../keys/key.ts";
import type { KeyRecord } from "../store/key-record.ts";
import { keySpecs, type MacAlgorithm } from "../catalogue/key-specs.ts";
import { computeMac, verifyMac as isMacOf } from "../material/hmac.ts";
import type { KeyQuestion } from "../access/question.ts";
import type { GenerateMacRequest } from "../requests/shapes.ts";
import { operation, type Implementations } from "./operation.ts";

const algorithms = ["HMAC_SHA_224", "HMAC_SHA_256", "HMAC_SHA_384", "HMAC_SHA_512"] as const;

const generateMac = operation("GenerateMac", {
  parse: (request) => check.all(checks(request)),
  questions: (input) => ({ key: question("GenerateMac", input) }),
  run: ({ realm }, { message, algorithm }, { key }) => {
    requireAlgorithm(key, algorithm);
    return {
      Mac: computeMac(currentVersion(key).key, algorithm, message),
      MacAlgorithm: algorithm,
      KeyId: keyArn(realm, key.keyId),
    };
  },
  wipe: ({ message }) => message.fill(0),
});

const verifyMac = operation("VerifyMac", {
  parse: (request) =>
    check.all({ ...checks(request), mac: () => check.bytes(request.Mac, "mac", 6144) }),
  questions: (input) => ({ key: question("VerifyMac", input) }),
  run: ({ realm }, { message, algorithm, mac }, { key }) => {
    requireAlgorithm(key, algorithm);
    if (!isMacOf(currentVersion(key).key, algorithm, message, mac)) {
      throw new KmsError("KMSInvalidMacException", "");
    }
    return { KeyId: keyArn(realm, key.keyId), MacValid: true, MacAlgorithm: algorithm };
  },
  wipe: ({ message }) => message.fill(0),
});

export const implementations: Implementations<"GenerateMac" | "VerifyMac"> = {
  generateMac,
  verifyMac,
};

interface Input {
  readonly keyId: string;
  readonly algorithm: MacAlgorithm;
  /** A copy. */
  readonly message: Uint8Array;
}

type Checks = { readonly [Member in keyof Input]: () => Input[Member] };

function checks({ KeyId, MacAlgorithm: algorithm, Message }: GenerateMacRequest): Checks {
  return {
    keyId: () => check.requireKeyId(KeyId),
    message: () => check.bytes(Message, "message", 4096),
    algorithm: () => check.requireOneOf(algorithm, "macAlgorithm", algorithms),
  };
}

function question(action: "GenerateMac" | "VerifyMac", { keyId, algorithm }: Input): KeyQuestion {
  return {
    on: "key",
    action,
    keyId,
    conditions: { "kms:MacAlgorithm": algorithm },
  };
}

function requireAlgorithm({ keySpec }: KeyRecord, algorithm: MacAlgorithm): void {
  if (keySpecs[keySpec].mac.includes(algorithm)) return;
  throw new KmsError(
    "InvalidKeyUsageException",
    `Algorithm ${algorithm} is incompatible with key spec ${keySpec}.`,
  );
}
