/** Objects that other implementations have written, opened byte for byte. */
import { createSecretKey } from "node:crypto";
import { DataKey } from "@env/core";
import { describe, expect, it } from "vitest";
import { deriveV3 } from "../../src/s3ec/content.ts";
import type { S3Keyring } from "../../src/s3ec/index.ts";
import { parseTextMap } from "../../src/s3ec/text.ts";
import { opened, refuses, type StoredObject } from "./support/opened.ts";
import { recordedKms, rubyAes, rubyRsa, vectors } from "./support/vectors.ts";

type RubyName = keyof typeof vectors.ruby.objects;
type GoName = keyof typeof vectors.go;

function ruby(name: RubyName): StoredObject {
  const { metadata, body } = vectors.ruby.objects[name];
  return { metadata, body: Buffer.from(body, "base64") };
}

function go(name: GoName): StoredObject & { readonly keyring: S3Keyring } {
  const { metadata, body, dataKey } = vectors.go[name];
  const key = metadata["x-amz-3"] ?? metadata["x-amz-key-v2"] ?? "";
  const context = metadata["x-amz-t"] ?? metadata["x-amz-matdesc"] ?? "";
  const keyring = recordedKms(key, parseTextMap(context, ""), dataKey);
  return { metadata, body: Buffer.from(body, "hex"), keyring };
}

const plaintext = Buffer.from(vectors.ruby.plaintext);

describe("objects of the SDK for Ruby", () => {
  it("opens V2 under an AES key", async () => {
    expect(await opened(ruby("v2-aesgcm"), rubyAes)).toEqual(plaintext);
  });

  it("opens V2 under an RSA key", async () => {
    expect(await opened(ruby("v2-rsa"), rubyRsa)).toEqual(plaintext);
  });

  it("opens V2 with an instruction file behind allowLegacy alone", async () => {
    const file = Buffer.from(vectors.ruby.objects["v2-instr.instruction"].body, "base64");
    const object = { ...ruby("v2-instr"), instructions: parseTextMap(file.toString(), "") };
    expect(await opened(object, rubyAes, { allowLegacy: true })).toEqual(plaintext);
    const error = await refuses("ERR_ENVELOPE_UNSUPPORTED", () => opened(object, rubyAes));
    expect(error.message).toContain("allowLegacy: true reads it");
  });

  it("opens V1 behind allowLegacy alone", async () => {
    const object = ruby("v1-aes");
    expect(await opened(object, rubyAes, { allowLegacy: true })).toEqual(plaintext);
    await refuses("ERR_ENVELOPE_UNSUPPORTED", () => opened(object, rubyAes));
  });
});

describe("objects of the client for Go", () => {
  it.each(["v3", "v2-kms-context"] as const)("opens %s", async (name) => {
    const { keyring, ...object } = go(name);
    expect((await opened(object, keyring)).toString("hex")).toBe(vectors.go[name].plaintext);
  });

  it("opens AES-CBC under the legacy wrap kms behind allowLegacy alone", async () => {
    const { keyring, ...object } = go("v2-kms-cbc");
    const text = await opened(object, keyring, { allowLegacy: true });
    expect(text.toString("hex")).toBe(vectors.go["v2-kms-cbc"].plaintext);
    await refuses("ERR_ENVELOPE_UNSUPPORTED", () => opened(object, keyring));
  });

  it("refuses a wrong commitment before the content is decrypted", async () => {
    const { metadata, dataKey } = vectors.go["v3-wrong-commitment"];
    const context = { "aws:x-amz-cek-alg": "115" };
    const object = {
      metadata,
      instructions: { "x-amz-3": "AA==", "x-amz-w": "12", "x-amz-t": JSON.stringify(context) },
      body: new Uint8Array(16),
    };
    const error = await refuses("ERR_ENVELOPE_DECRYPT", () =>
      opened(object, recordedKms("AA==", context, dataKey)),
    );
    expect(error.message).toContain("x-amz-d");
  });
});

describe("key derivation", () => {
  it.each(vectors.kdf)("derives key and commitment of $dataKey", (known) => {
    using dataKey = new DataKey(new Uint8Array(Buffer.from(known.dataKey, "hex")));
    const { key, commitment } = deriveV3(dataKey, Buffer.from(known.messageId, "hex"));
    expect(commitment.toString("hex")).toBe(known.commitment);
    expect(key.equals(createSecretKey(Buffer.from(known.key, "hex")))).toBe(true);
  });
});
