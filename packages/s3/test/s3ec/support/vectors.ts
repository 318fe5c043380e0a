/** Objects that other implementations have written; `vectors.json` names each source. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createPrivateKey, createSecretKey } from "node:crypto";
import { Cmk, encodeEncryptionContext } from "@env/core";
import { aesKeyring, kmsKeyring, rsaKeyring, type S3Keyring } from "../../../src/s3ec/index.ts";

type Metadata = Readonly<Record<string, string>>;

interface Vectors {
  readonly ruby: {
    readonly aesKey: string;
    readonly rsaPrivateKey: string;
    readonly plaintext: string;
    readonly objects: Readonly<
      Record<
        "v1-aes" | "v2-aesgcm" | "v2-rsa" | "v2-instr" | "v2-instr.instruction",
        { readonly metadata: Metadata; readonly body: string }
      >
    >;
  };
  readonly go: Readonly<
    Record<
      "v2-kms-cbc" | "v2-kms-context" | "v3" | "v3-wrong-commitment",
      {
        readonly metadata: Metadata;
        readonly dataKey: string;
        readonly body: string;
        readonly plaintext: string;
      }
    >
  >;
  readonly kdf: readonly Readonly<Record<"dataKey" | "messageId" | "key" | "commitment", string>>[];
}

export const vectors = JSON.parse(
  readFileSync(join(import.meta.dirname, "../vectors.json"), "utf8"),
) as Vectors;

export const rubyAes: S3Keyring = aesKeyring(
  createSecretKey(Buffer.from(vectors.ruby.aesKey, "hex")),
);
export const rubyRsa: S3Keyring = rsaKeyring({
  privateKey: createPrivateKey(vectors.ruby.rsaPrivateKey),
});

/** A KMS that knows one wrapped key, under one context: what the vectors' authors put in its place. */
export function recordedKms(
  wrappedKey: string,
  context: Readonly<Record<string, string>>,
  dataKey: string,
): S3Keyring {
  const rejected = new Error("rejected");
  const known = encodeEncryptionContext(context);
  return kmsKeyring(
    new Cmk({
      provider: "aws-kms",
      keyId: "test-key-id",
      wrap: () => Promise.reject(rejected),
      async unwrap(request) {
        const isKnown =
          Buffer.from(request.wrapped).toString("base64") === wrappedKey &&
          Buffer.compare(request.context.bytes, known) === 0;
        if (!isKnown) throw rejected;
        return { plaintext: new Uint8Array(Buffer.from(dataKey, "base64")) };
      },
      classify: (error) =>
        error === rejected ? "ERR_ENVELOPE_KMS_REJECTED" : "ERR_ENVELOPE_KMS_ERROR",
    }),
  );
}
