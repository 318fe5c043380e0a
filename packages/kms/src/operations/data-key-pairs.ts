/**
 * GenerateDataKeyPair, with and without its plaintext: a fresh pair, its private key encrypted under a
 * symmetric key.
 *
 * @module
 */
import type { KeyObject } from "node:crypto";
import { keyArn } from "../arn.ts";
import { sealBlob } from "../keys/blob.ts";
import * as check from "../requests/check.ts";
import { KmsError } from "../catalogue/errors.ts";
import { currentMaterialId, currentVersion } from "../keys/key.ts";
import { dataKeyPairSpecs } from "../catalogue/key-specs.ts";
import { encodeMaterial, encodePublicKey, generateMaterial } from "../material/material.ts";
import type {
  GenerateDataKeyPairRequest,
  GenerateDataKeyPairResponse,
  GenerateDataKeyPairWithoutPlaintextResponse,
} from "../requests/shapes.ts";
import { operation, type Operation } from "./operation.ts";

const notOffered = ["ML_KEM_512", "ML_KEM_768", "ML_KEM_1024", "SM2"] as const;
const known = [...dataKeyPairSpecs, ...notOffered] as const;

export const generateDataKeyPair: Operation<
  GenerateDataKeyPairRequest,
  GenerateDataKeyPairResponse
> = pairOperation("GenerateDataKeyPair", (response) => response);

export const generateDataKeyPairWithoutPlaintext: Operation<
  GenerateDataKeyPairRequest,
  GenerateDataKeyPairWithoutPlaintextResponse
> = pairOperation("GenerateDataKeyPairWithoutPlaintext", ({ PrivateKeyPlaintext, ...response }) => {
  PrivateKeyPlaintext.fill(0);
  return response;
});

function pairOperation<Response>(
  name: "GenerateDataKeyPair" | "GenerateDataKeyPairWithoutPlaintext",
  finish: (made: GenerateDataKeyPairResponse) => Response,
): Operation<GenerateDataKeyPairRequest, Response> {
  return operation({
    name,
    parse: (request: GenerateDataKeyPairRequest) =>
      check.all({
        keyId: () => check.requireKeyId(request.KeyId),
        pairSpec: () => check.requireOneOf(request.KeyPairSpec, "keyPairSpec", known),
        context: () => check.encryptionContext(request.EncryptionContext),
      }),
    questions: ({ keyId, pairSpec, context }) => ({
      key: {
        on: "key",
        action: name,
        keyId,
        encryptionContext: context,
        conditions: { "kms:DataKeyPairSpec": pairSpec },
      } as const,
    }),
    quotaSpec: ({ pairSpec }) => pairSpec,
    make: async ({ pairSpec }): Promise<KeyObject | undefined> => {
      const spec = dataKeyPairSpecs.find((one) => one === pairSpec);
      return spec === undefined ? undefined : generateMaterial(spec);
    },
    run: ({ realm }, { pairSpec, context }, { key }, pair) => {
      const spec = dataKeyPairSpecs.find((one) => one === pairSpec);
      if (spec === undefined || pair === undefined) {
        throw new KmsError(
          "UnsupportedOperationException",
          `KeyPairSpec ${pairSpec} is not supported by this KMS`,
        );
      }
      const PrivateKeyPlaintext = encodeMaterial(pair);
      return finish({
        PrivateKeyCiphertextBlob: sealBlob(currentVersion(key), PrivateKeyPlaintext, context),
        PrivateKeyPlaintext,
        PublicKey: encodePublicKey(pair),
        KeyId: keyArn(realm, key.keyId),
        KeyPairSpec: spec,
        KeyMaterialId: currentMaterialId(key),
      });
    },
  });
}
