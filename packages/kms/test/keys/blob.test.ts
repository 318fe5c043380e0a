import { createSecretKey } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  describeCiphertextBlob,
  openBlob,
  readBlob,
  sealBlob,
  type ReadBlob,
} from "../../src/keys/blob.ts";
import { random } from "../../src/material/seal.ts";

const key = {
  keyId: "0123abcd-4567-89ab-cdef-0123456789ab",
  keyVersion: 7,
  key: createSecretKey(random(32)),
};
const context = { tenant: "acme" };

function read(bytes: Uint8Array): ReadBlob {
  const blob = readBlob(bytes);
  if (blob === undefined) throw new Error("not a blob");
  return blob;
}

interface Vector {
  readonly keyId: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly context: Readonly<Record<string, string>>;
  readonly blob: string;
  readonly plaintext?: string;
  readonly expect: "ok" | "rejected";
}

const folder = join(import.meta.dirname, "../../../../spec/vectors/local-wrap");
const vectors = readdirSync(folder).filter((name) => name.endsWith(".json"));

describe("spec/vectors/local-wrap", () => {
  it("is there", () => {
    expect(vectors.length).toBeGreaterThan(30);
  });

  it.each(vectors)("%s", (name) => {
    const vector = JSON.parse(readFileSync(join(folder, name), "utf8")) as Vector;
    const blob = new Uint8Array(Buffer.from(vector.blob, "hex"));
    const parts = readBlob(blob);
    const version = parts && vector.versions[parts.keyVersion];
    const opened =
      parts === undefined || version === undefined
        ? undefined
        : openBlob(
            {
              keyId: vector.keyId,
              keyVersion: parts.keyVersion,
              key: createSecretKey(Buffer.from(version, "hex")),
            },
            parts,
            vector.context,
          );
    const hex = opened && Buffer.from(opened).toString("hex");
    expect({ expect: hex === undefined ? "rejected" : "ok", plaintext: hex }).toEqual({
      expect: vector.expect,
      plaintext: vector.plaintext,
    });
  });
});

it("makes 93 bytes of a data key, and says which key and version they are of", () => {
  const blob = sealBlob(key, random(32), context);
  expect(blob.length).toBe(93);
  expect(blob[0]).toBe(1);
  expect(describeCiphertextBlob(blob)).toEqual({ keyId: key.keyId, keyVersion: 7 });
});

it("reads a blob that lies within a larger buffer", () => {
  const blob = sealBlob(key, random(32), context);
  const within = Buffer.concat([Buffer.alloc(5, 0xff), blob, Buffer.alloc(5, 0xff)]).subarray(
    5,
    98,
  );
  expect(describeCiphertextBlob(within)).toEqual({ keyId: key.keyId, keyVersion: 7 });
});

it.each([1, 32, 4096])("opens what it made of %d bytes", (length) => {
  const plaintext = random(length);
  const blob = sealBlob(key, plaintext, context);
  expect(blob.length).toBe(length + 61);
  expect(openBlob(key, read(blob), context)).toEqual(plaintext);
});

it("makes another blob each time", () => {
  const plaintext = random(32);
  expect(sealBlob(key, plaintext, context)).not.toEqual(sealBlob(key, plaintext, context));
});

it("describes nothing that is no blob", () => {
  const blob = sealBlob(key, random(1), {});
  expect(describeCiphertextBlob(blob.subarray(0, 61))).toBeUndefined();
  expect(describeCiphertextBlob(new Uint8Array(0))).toBeUndefined();
  expect(describeCiphertextBlob(Uint8Array.of(2, ...blob.subarray(1)))).toBeUndefined();
  expect(describeCiphertextBlob(Uint8Array.of(...blob, ...new Uint8Array(4096)))).toBeUndefined();
});

// Requirements: E45
it("refuses the right bytes under another key's name or version", () => {
  const blob = read(sealBlob(key, random(32), context));
  expect(openBlob(key, blob, context)).toBeDefined();
  expect(openBlob({ ...key, keyVersion: 8 }, blob, context)).toBeUndefined();
  expect(openBlob({ ...key, keyId: key.keyId.replace("0", "1") }, blob, context)).toBeUndefined();
  expect(openBlob(key, blob, {})).toBeUndefined();
});
