/**
 * GenerateDataKey, with and without its plaintext, and GenerateRandom.
 *
 * @module
 */
import { keyArn } from "../arn.ts";
import { sealBlob } from "../keys/blob.ts";
import * as check from "../requests/check.ts";
import { KmsError } from "../errors.ts";
import { currentMaterialId, currentVersion } from "../keys/key.ts";
import { random } from "../material/seal.ts";
import type {
  GenerateDataKeyRequest,
  GenerateDataKeyResponse,
  GenerateDataKeyWithoutPlaintextResponse,
  GenerateRandomRequest,
  GenerateRandomResponse,
} from "../requests/shapes.ts";
import { encryptionConditions } from "./conditions.ts";
import { operation, type Operation } from "./operation.ts";

export const generateDataKey: Operation<GenerateDataKeyRequest, GenerateDataKeyResponse> =
  dataKeyOperation("GenerateDataKey", (response) => response);

export const generateDataKeyWithoutPlaintext: Operation<
  GenerateDataKeyRequest,
  GenerateDataKeyWithoutPlaintextResponse
> = dataKeyOperation("GenerateDataKeyWithoutPlaintext", ({ Plaintext, ...response }) => {
  Plaintext.fill(0);
  return response;
});

export const generateRandom: Operation<GenerateRandomRequest, GenerateRandomResponse> = operation({
  name: "GenerateRandom",
  members: ["NumberOfBytes"],
  mode: "read",
  parse: ({ NumberOfBytes }: GenerateRandomRequest) => {
    if (NumberOfBytes === undefined) {
      throw new KmsError("ValidationException", "NumberOfBytes is required.");
    }
    return check.integer(NumberOfBytes, "numberOfBytes", 1, 1024);
  },
  questions: () => ({ account: { on: "account", action: "GenerateRandom" } as const }),
  run: (_, length): GenerateRandomResponse => ({ Plaintext: random(length) }),
});

function dataKeyOperation<Response>(
  name: "GenerateDataKey" | "GenerateDataKeyWithoutPlaintext",
  finish: (made: GenerateDataKeyResponse) => Response,
): Operation<GenerateDataKeyRequest, Response> {
  return operation({
    name,
    members: ["KeyId", "KeySpec", "NumberOfBytes", "EncryptionContext", "GrantTokens", "DryRun"],
    mode: "read",
    parse: (request: GenerateDataKeyRequest) =>
      check.all({
        keyId: () => check.requireKeyId(request.KeyId),
        length: () => check.dataKeyBytes(request.KeySpec, request.NumberOfBytes),
        context: () => check.encryptionContext(request.EncryptionContext),
      }),
    questions: ({ keyId, context }) => ({
      key: {
        on: "key",
        action: name,
        keyId,
        encryptionContext: context,
        conditions: encryptionConditions(),
      } as const,
    }),
    usage: "ENCRYPT_DECRYPT",
    run: ({ realm }, { length, context }, { key }) => {
      const { keyId, keySpec } = key;
      if (keySpec !== "SYMMETRIC_DEFAULT") {
        throw new KmsError(
          "InvalidKeyUsageException",
          `${keyArn(realm, keyId)} key spec is ${keySpec} which is not valid for ${name}.`,
        );
      }
      const Plaintext = random(length);
      return finish({
        Plaintext,
        CiphertextBlob: sealBlob(currentVersion(key), Plaintext, context),
        KeyId: keyArn(realm, keyId),
        KeyMaterialId: currentMaterialId(key),
      });
    },
  });
}
