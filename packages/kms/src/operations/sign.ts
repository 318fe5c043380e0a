/**
 * Sign and Verify: signatures over messages of up to 4096 bytes, or over their digests.
 *
 * @module
 */
import type { KeyQuestion } from "../access/question.ts";
import { keyArn } from "../arn.ts";
import * as check from "../requests/check.ts";
import { KmsError } from "../catalogue/errors.ts";
import { currentVersion } from "../keys/key.ts";
import type { KeyRecord } from "../store/key-record.ts";
import { defaultOf } from "../catalogue/actions.ts";
import { keySpecs, type SigningAlgorithm } from "../catalogue/key-specs.ts";
import {
  digestBytes,
  sign as signWith,
  verify as verifyWith,
  type MessageType,
} from "../material/signature.ts";
import type { SignRequest } from "../requests/shapes.ts";
import { operation, type Implementations } from "./operation.ts";

/** All of AWS's. */
const algorithms = [
  "RSASSA_PSS_SHA_256",
  "RSASSA_PSS_SHA_384",
  "RSASSA_PSS_SHA_512",
  "RSASSA_PKCS1_V1_5_SHA_256",
  "RSASSA_PKCS1_V1_5_SHA_384",
  "RSASSA_PKCS1_V1_5_SHA_512",
  "ECDSA_SHA_256",
  "ECDSA_SHA_384",
  "ECDSA_SHA_512",
  "ED25519_SHA_512",
  "ED25519_PH_SHA_512",
  "SM2DSA",
  "ML_DSA_SHAKE_256",
] as const;

const messageTypes = [defaultOf("Sign", "kms:MessageType"), "DIGEST", "EXTERNAL_MU"] as const;

const sign = operation("Sign", {
  parse: (request) => check.all(checks(request)),
  questions: (input) => ({ key: question("Sign", input) }),
  run: ({ realm }, input, { key }) => {
    const { algorithm, type } = requireAlgorithm(key, input);
    const Signature = signWith(currentVersion(key).key, algorithm, input.message, type);
    if (Signature === undefined) {
      throw new KmsError("ValidationException", `Digest is invalid for algorithm ${algorithm}.`);
    }
    return { KeyId: keyArn(realm, key.keyId), Signature, SigningAlgorithm: algorithm };
  },
  wipe: ({ message }) => message.fill(0),
});

const verify = operation("Verify", {
  parse: (request) =>
    check.all({
      ...checks(request),
      signature: () => check.bytes(request.Signature, "signature", 6144),
    }),
  questions: (input) => ({ key: question("Verify", input) }),
  run: ({ realm }, input, { key }) => {
    const { algorithm, type } = requireAlgorithm(key, input);
    const { message, signature } = input;
    if (!verifyWith(currentVersion(key).key, algorithm, message, type, signature)) {
      throw new KmsError("KMSInvalidSignatureException", "");
    }
    return { KeyId: keyArn(realm, key.keyId), SignatureValid: true, SigningAlgorithm: algorithm };
  },
  wipe: ({ message }) => message.fill(0),
});

export const implementations: Implementations<"Sign" | "Verify"> = { sign, verify };

interface Input {
  readonly keyId: string;
  readonly algorithm: (typeof algorithms)[number];
  readonly type: (typeof messageTypes)[number];
  /** A copy. */
  readonly message: Uint8Array;
}

type Checks = { readonly [Member in keyof Input]: () => Input[Member] };

function checks(request: SignRequest): Checks {
  return {
    keyId: () => check.requireKeyId(request.KeyId),
    message: () => check.bytes(request.Message, "message", 4096),
    type: () => check.oneOf(request.MessageType, "messageType", messageTypes),
    algorithm: () => check.requireOneOf(request.SigningAlgorithm, "signingAlgorithm", algorithms),
  };
}

function question(action: "Sign" | "Verify", { keyId, algorithm, type }: Input): KeyQuestion {
  return {
    on: "key",
    action,
    keyId,
    conditions: { "kms:SigningAlgorithm": algorithm, "kms:MessageType": type },
  };
}

/** The algorithm that the key has, and a type that the algorithm has. */
function requireAlgorithm(
  { keySpec }: KeyRecord,
  { algorithm, type, message }: Input,
): { readonly algorithm: SigningAlgorithm; readonly type: MessageType } {
  if (algorithm === "ED25519_PH_SHA_512" && keySpec === "ECC_NIST_EDWARDS25519") {
    throw new KmsError(
      "UnsupportedOperationException",
      `Algorithm ${algorithm} is not supported by this KMS: Node.js has no Ed25519ph. Sign the message itself with ED25519_SHA_512`,
    );
  }
  const fitting = keySpecs[keySpec].signing.find((one) => one === algorithm);
  if (fitting === undefined) {
    throw new KmsError(
      "InvalidKeyUsageException",
      `Algorithm ${algorithm} is incompatible with key spec ${keySpec}.`,
    );
  }
  if (type === "EXTERNAL_MU" && fitting === "ML_DSA_SHAKE_256") {
    throw new KmsError(
      "UnsupportedOperationException",
      `MessageType ${type} is not supported by this KMS: Node.js computes µ itself. Pass the message with MessageType RAW`,
    );
  }
  const length = digestBytes(fitting);
  if (type === "EXTERNAL_MU" || (type === "DIGEST" && length === undefined)) {
    throw new KmsError(
      "ValidationException",
      `MessageType ${type} is not valid for algorithm ${algorithm}.`,
    );
  }
  if (type === "DIGEST" && message.length !== length) {
    throw new KmsError(
      "ValidationException",
      `Digest is invalid length for algorithm ${algorithm}.`,
    );
  }
  return { algorithm: fitting, type };
}
