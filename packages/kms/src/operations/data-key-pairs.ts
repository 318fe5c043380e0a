/**
 * GenerateDataKeyPair, with and without its plaintext: a fresh pair, its private key encrypted under a
 * symmetric key.
 *
 * @module
 */
import type { KeyObject } from "node:crypto";
import type { Context } from "@env/core";
import { keyArn } from "../arn.ts";
import { sealBlob } from "../keys/blob.ts";
import * as check from "../requests/check.ts";
import { KmsError } from "../catalogue/errors.ts";
import { currentMaterialId, currentVersion } from "../keys/key.ts";
import {
  dataKeyPairSpecs,
  keySpecsNotOffered,
  type DataKeyPairSpec,
} from "../catalogue/key-specs.ts";
import { encodeMaterial, encodePublicKey, generateMaterial } from "../material/material.ts";
import type { KeyRecord } from "../store/key-record.ts";
import type {
  GenerateDataKeyPairRequest,
  GenerateDataKeyPairResponse,
} from "../requests/shapes.ts";
import { operation, type Asking, type Call, type Implementations } from "./operation.ts";

const known = [...dataKeyPairSpecs, ...keySpecsNotOffered] as const;

const generateDataKeyPair = operation("GenerateDataKeyPair", {
  ...asking("GenerateDataKeyPair"),
  run: encrypted,
});

const generateDataKeyPairWithoutPlaintext = operation("GenerateDataKeyPairWithoutPlaintext", {
  ...asking("GenerateDataKeyPairWithoutPlaintext"),
  run: (call, input, keys, pair) => {
    const { PrivateKeyPlaintext, ...response } = encrypted(call, input, keys, pair);
    PrivateKeyPlaintext.fill(0);
    return response;
  },
});

export const implementations: Implementations<
  "GenerateDataKeyPair" | "GenerateDataKeyPairWithoutPlaintext"
> = { generateDataKeyPair, generateDataKeyPairWithoutPlaintext };

interface Input {
  readonly keyId: string;
  readonly pairSpec: (typeof known)[number];
  readonly context: Context;
}

/** A pair of that spec; `undefined` if this KMS does not offer the spec. */
type Pair = KeyObject | undefined;

function asking(action: "GenerateDataKeyPair" | "GenerateDataKeyPairWithoutPlaintext"): Asking<
  GenerateDataKeyPairRequest,
  Input
> & {
  readonly quotaSpec: (input: Input) => string;
  readonly make: (input: Input) => Promise<Pair>;
} {
  return {
    parse: (request) =>
      check.all({
        keyId: () => check.requireKeyId(request.KeyId),
        pairSpec: () => check.requireOneOf(request.KeyPairSpec, "keyPairSpec", known),
        context: () => check.encryptionContext(request.EncryptionContext),
      }),
    questions: ({ keyId, pairSpec, context }) => ({
      key: {
        on: "key",
        action,
        keyId,
        encryptionContext: context,
        conditions: { "kms:DataKeyPairSpec": pairSpec },
      },
    }),
    quotaSpec: ({ pairSpec }) => pairSpec,
    make: async ({ pairSpec }) => {
      const spec = offered(pairSpec);
      return spec === undefined ? undefined : generateMaterial(spec);
    },
  };
}

function offered(pairSpec: Input["pairSpec"]): DataKeyPairSpec | undefined {
  return dataKeyPairSpecs.find((one) => one === pairSpec);
}

function encrypted(
  { realm }: Call,
  { pairSpec, context }: Input,
  { key }: { readonly key: KeyRecord },
  pair: Pair,
): GenerateDataKeyPairResponse {
  const spec = offered(pairSpec);
  if (spec === undefined || pair === undefined) {
    throw new KmsError(
      "UnsupportedOperationException",
      `KeyPairSpec ${pairSpec} is not supported by this KMS`,
    );
  }
  const PrivateKeyPlaintext = encodeMaterial(pair);
  return {
    PrivateKeyCiphertextBlob: sealBlob(currentVersion(key), PrivateKeyPlaintext, context),
    PrivateKeyPlaintext,
    PublicKey: encodePublicKey(pair),
    KeyId: keyArn(realm, key.keyId),
    KeyPairSpec: spec,
    KeyMaterialId: currentMaterialId(key),
  };
}
