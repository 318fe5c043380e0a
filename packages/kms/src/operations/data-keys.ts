/**
 * GenerateDataKey, with and without its plaintext, and GenerateRandom.
 *
 * @module
 */
import type { Context } from "@env/core";
import { keyArn } from "../arn.ts";
import { sealBlob } from "../keys/blob.ts";
import * as check from "../requests/check.ts";
import { KmsError } from "../catalogue/errors.ts";
import { currentMaterialId, currentVersion } from "../keys/key.ts";
import { random } from "../material/seal.ts";
import type { KeyRecord } from "../store/key-record.ts";
import type { GenerateDataKeyRequest, GenerateDataKeyResponse } from "../requests/shapes.ts";
import { requireNoCustomKeyStore } from "./custom-key-stores.ts";
import { operation, type Asking, type Call, type Implementations } from "./operation.ts";

const generateDataKey = operation("GenerateDataKey", {
  ...asking("GenerateDataKey"),
  run: generate,
});

const generateDataKeyWithoutPlaintext = operation("GenerateDataKeyWithoutPlaintext", {
  ...asking("GenerateDataKeyWithoutPlaintext"),
  run: (call, input, keys) => {
    const { Plaintext, ...response } = generate(call, input, keys);
    Plaintext.fill(0);
    return response;
  },
});

const generateRandom = operation("GenerateRandom", {
  parse: ({ NumberOfBytes, CustomKeyStoreId }) => {
    requireNoCustomKeyStore(CustomKeyStoreId);
    if (NumberOfBytes === undefined) {
      throw new KmsError("ValidationException", "NumberOfBytes is required.");
    }
    return check.integer(NumberOfBytes, "numberOfBytes", 1, 1024);
  },
  questions: () => ({ account: { on: "account", action: "GenerateRandom" } as const }),
  run: (_, length) => ({ Plaintext: random(length) }),
});

export const implementations: Implementations<
  "GenerateDataKey" | "GenerateDataKeyWithoutPlaintext" | "GenerateRandom"
> = { generateDataKey, generateDataKeyWithoutPlaintext, generateRandom };

interface Input {
  readonly keyId: string;
  /** Bytes. */
  readonly length: number;
  readonly context: Context;
}

function asking(
  action: "GenerateDataKey" | "GenerateDataKeyWithoutPlaintext",
): Asking<GenerateDataKeyRequest, Input> {
  return {
    parse: (request) =>
      check.all({
        keyId: () => check.requireKeyId(request.KeyId),
        length: () => check.dataKeyBytes(request.KeySpec, request.NumberOfBytes),
        context: () => check.encryptionContext(request.EncryptionContext),
      }),
    questions: ({ keyId, context }) => ({
      key: { on: "key", action, keyId, encryptionContext: context },
    }),
  };
}

function generate(
  { realm }: Call,
  { length, context }: Input,
  { key }: { readonly key: KeyRecord },
): GenerateDataKeyResponse {
  const Plaintext = random(length);
  return {
    Plaintext,
    CiphertextBlob: sealBlob(currentVersion(key), Plaintext, context),
    KeyId: keyArn(realm, key.keyId),
    KeyMaterialId: currentMaterialId(key),
  };
}
