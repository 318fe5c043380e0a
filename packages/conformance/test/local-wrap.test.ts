import { encodeEncryptionContext } from "@env/core";
import { describe, expect, it } from "vitest";
import { fromHex, hex } from "../src/bytes.ts";
import { openLocalBlob } from "../src/local-wrap.ts";
import { loadVectors } from "../src/vectors.ts";

describe("openLocalBlob", () => {
  it.for(loadVectors("local-wrap"))("$name", (vector) => {
    const aad = encodeEncryptionContext(vector.context);
    const plaintext = openLocalBlob(vector, fromHex(vector.blob), aad);
    expect(plaintext === undefined ? "rejected" : "ok").toBe(vector.expect);
    expect(plaintext && hex(plaintext)).toBe(vector.plaintext);
  });
});
