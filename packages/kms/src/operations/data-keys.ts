/**
 * GenerateDataKey, with and without its plaintext, and GenerateRandom.
 *
 * @module
 */
import { keyArn } from "../arn.ts";
import { sealBlob } from "../keys/blob.ts";
import * as check from "../requests/check.ts";
import { KmsError } from "../catalogue/errors.ts";
import { currentMaterialId, currentVersion } from "../keys/key.ts";
import { random } from "../material/seal.ts";
import type {
  GenerateDataKeyRequest,
  GenerateDataKeyResponse,
  GenerateDataKeyWithoutPlaintextResponse,
  GenerateRandomRequest,
  GenerateRandomResponse,
} from "../requests/shapes.ts";
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
      } as const,
    }),
    run: ({ realm }, { length, context }, { key }) => {
      const Plaintext = random(length);
      return finish({
        Plaintext,
        CiphertextBlob: sealBlob(currentVersion(key), Plaintext, context),
        KeyId: keyArn(realm, key.keyId),
        KeyMaterialId: currentMaterialId(key),
      });
    },
  });
}
