import { createSecretKey, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { openImportToken, sealImportToken, type TokenSealer } from "../../src/keys/import-token.ts";
import { wrappingAlgorithms, wrappingKeySpecs } from "../../src/material/unwrap.ts";
import { RowSealer } from "../../src/store/row-sealer.ts";
import { flipped, sample } from "../support/material.ts";

const KEYSTORE = "00000000-0000-4000-8000-000000000001";
const KEY = "6f0c1d2e-3b4a-4c5d-8e6f-708192a3b4c5";
const OTHER = "6f0c1d2e-3b4a-4c5d-8e6f-708192a3b4c6";
const VALID_TO = Date.UTC(2030, 0, 1);

function sealer(): TokenSealer {
  const rows = new RowSealer(createSecretKey(randomBytes(32)), KEYSTORE);
  return {
    sealToken: (name, plaintext) => rows.seal(name, plaintext),
    openToken: (name, token) => rows.open(name, token),
  };
}

describe("sealImportToken, openImportToken", () => {
  it("give back what was put in, in at most 6144 bytes", async () => {
    const store = sealer();
    for (const wrappingKeySpec of wrappingKeySpecs) {
      const wrappingKey = await sample(wrappingKeySpec);
      for (const algorithm of wrappingAlgorithms) {
        const parameters = { algorithm, wrappingKeySpec, wrappingKey, validTo: VALID_TO };
        const token = sealImportToken(store, KEY, parameters);
        expect(token.length).toBeLessThanOrEqual(6144);
        const opened = openImportToken(store, KEY, token);
        expect(opened).toMatchObject({ algorithm, wrappingKeySpec, validTo: VALID_TO });
        expect(opened?.wrappingKey.equals(wrappingKey)).toBe(true);
      }
    }
  });

  it("are bound to key and keystore, and to every bit", async () => {
    const store = sealer();
    const token = sealImportToken(store, KEY, {
      algorithm: "RSAES_OAEP_SHA_256",
      wrappingKeySpec: "RSA_2048",
      wrappingKey: await sample("RSA_2048"),
      validTo: VALID_TO,
    });
    expect(openImportToken(store, KEY, token)).toBeDefined();
    expect(openImportToken(store, OTHER, token)).toBeUndefined();
    expect(openImportToken(sealer(), KEY, token)).toBeUndefined();
    for (let at = 0; at < token.length; at += 37) {
      expect([at, openImportToken(store, KEY, flipped(token, at))]).toEqual([at, undefined]);
    }
    for (const length of [0, 1, 40, token.length - 1]) {
      expect(openImportToken(store, KEY, token.subarray(0, length))).toBeUndefined();
    }
  });

  it("wipe what they handle, and refuse what another build sealed", async () => {
    const store = sealer();
    const seen: Uint8Array[] = [];
    let alter = (bytes: Uint8Array): Uint8Array => bytes;
    const watched: TokenSealer = {
      sealToken: (name, plaintext) => {
        seen.push(plaintext);
        return store.sealToken(name, plaintext);
      },
      openToken: (name, token) => {
        const plaintext = store.openToken(name, token);
        if (plaintext === undefined) return undefined;
        const content = new Uint8Array(alter(plaintext));
        seen.push(content);
        return content;
      },
    };
    const token = sealImportToken(watched, KEY, {
      algorithm: "RSAES_OAEP_SHA_256",
      wrappingKeySpec: "RSA_2048",
      wrappingKey: await sample("RSA_2048"),
      validTo: VALID_TO,
    });
    expect(openImportToken(watched, KEY, token)).toBeDefined();
    for (const [at, value] of [
      [0, 4],
      [1, 3],
      [1, 1],
    ] as const) {
      alter = (bytes) => bytes.with(at, value);
      expect(openImportToken(watched, KEY, token)).toBeUndefined();
    }
    expect(seen).toHaveLength(5);
    for (const bytes of seen) expect(bytes.every((byte) => byte === 0)).toBe(true);
  });
});
