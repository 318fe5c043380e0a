import { describe, expect, it } from "vitest";
import { base64, call, open, post } from "./support.ts";

const plaintext = base64("x");

describe("keys", () => {
  it("are made, described, listed and deleted", async () => {
    const server = await open();
    expect(await call(server, "GET", "transit/keys?list=true")).toMatchObject({
      status: 404,
      body: { errors: [] },
    });
    expect(await post(server, "transit/keys/k", { derived: true })).toMatchObject({ status: 200 });
    expect((await call(server, "GET", "transit/keys/k")).data).toEqual({
      name: "k",
      type: "aes256-gcm96",
      derived: true,
      kdf: "hkdf_sha256",
      convergent_encryption: false,
      deletion_allowed: false,
      min_available_version: 0,
      min_decryption_version: 1,
      min_encryption_version: 0,
      latest_version: 1,
      exportable: false,
      allow_plaintext_backup: false,
      supports_encryption: true,
      supports_decryption: true,
      supports_signing: false,
      supports_derivation: true,
      auto_rotate_period: 0,
      imported_key: false,
      soft_deleted: false,
      keys: { 1: expect.any(Number) },
    });
    expect((await call(server, "GET", "transit/keys?list=1")).data).toEqual({ keys: ["k"] });
    expect((await call(server, "DELETE", "transit/keys/k")).body["errors"]).toEqual([
      "error deleting policy k: deletion is not allowed for this key",
    ]);
    await post(server, "transit/keys/k/config", { deletion_allowed: true });
    expect(await call(server, "DELETE", "transit/keys/k")).toMatchObject({ status: 204, text: "" });
    expect((await call(server, "DELETE", "transit/keys/k")).body["errors"]).toEqual([
      "error deleting policy k: could not delete key; not found",
    ]);
  });

  it.each([
    [{ type: "none" }, "unknown key type none"],
    [{ convergent_encryption: true }, "convergent encryption requires derivation to be enabled"],
    [{ auto_rotate_period: "30m" }, "auto rotate period must be 0 to disable or at least an hour"],
  ])("are refused: %j", async (body, problem) => {
    const server = await open();
    expect(await post(server, "transit/keys/k", body)).toMatchObject({
      status: 400,
      body: { errors: [problem] },
    });
  });

  it("may be made to sign with, but not by encrypting", async () => {
    const server = await open();
    expect((await post(server, "transit/keys/k", { type: "ecdsa-p256" })).status).toBe(200);
    for (const [type, problem] of [
      ["ecdsa-p256", "key type ecdsa-p256 not supported for this operation"],
      ["none", "unknown key type none"],
    ]) {
      expect(await post(server, "transit/encrypt/new", { plaintext, type })).toMatchObject({
        status: 400,
        body: { errors: [problem] },
      });
    }
    expect((await call(server, "GET", "transit/keys/new")).status).toBe(404);
    // The type of a key that is there is not compared with it.
    server.createKey("there");
    expect((await post(server, "transit/encrypt/there", { plaintext, type: "none" })).status).toBe(
      200,
    );
  });

  it("stay as they are where they exist; Vault warns of it, OpenBao does not", async () => {
    for (const flavour of ["vault", "openbao-2.5"] as const) {
      const server = await open({ flavour });
      server.createKey("k", { derived: true });
      const again = await post(server, "transit/keys/k", { derived: false });
      expect(again.data["derived"]).toBe(true);
      expect(again.body["warnings"]).toEqual(
        flavour === "vault" ? ["key k already existed"] : null,
      );
    }
  });

  it("are rotated, limited and trimmed", async () => {
    const server = await open();
    server.createKey("k");
    const { data } = await post(server, "transit/encrypt/k", { plaintext });
    const { ciphertext } = data;
    await post(server, "transit/keys/k/rotate");
    const config = (body: object) => post(server, "transit/keys/k/config", body);
    const trim = (body: object) => post(server, "transit/keys/k/trim", body);
    for (const [body, problem] of [
      [{ min_decryption_version: -1 }, "min decryption version cannot be negative"],
      [
        { min_decryption_version: 3 },
        "cannot set min decryption version of 3, latest key version is 2",
      ],
      [
        { min_encryption_version: 1, min_decryption_version: 2 },
        "cannot set min encryption/decryption values; min encryption version of 1 must be greater than or equal to min decryption version of 2",
      ],
    ] as const) {
      expect((await config(body)).body["errors"]).toEqual([problem]);
    }
    expect((await config({ min_decryption_version: 0 })).body["warnings"]).toHaveLength(1);
    expect((await trim({ min_available_version: 2 })).body["errors"]).toEqual([
      "minimum available version cannot be set when minimum encryption version is not set",
    ]);
    await config({ min_encryption_version: 2 });
    expect((await trim({ min_available_version: 2 })).body["errors"]).toEqual([
      "minimum available version cannot be greater than minimum decryption version",
    ]);
    await config({ min_decryption_version: 2 });
    const tooOld = "ciphertext or signature version is disallowed by policy (too old)";
    const decrypt = () => post(server, "transit/decrypt/k", { ciphertext });
    expect((await decrypt()).body["errors"]).toEqual([tooOld]);
    await config({ min_decryption_version: 1 });
    expect((await decrypt()).data).toEqual({ plaintext });
    await config({ min_decryption_version: 2 });
    expect((await trim({ min_available_version: 2 })).status).toBe(200);
    await config({ min_decryption_version: 1 });
    expect((await decrypt()).body["errors"]).toEqual([tooOld]);
    expect((await trim({ min_available_version: 1 })).body["errors"]).toEqual([
      "minimum available version cannot be decremented",
    ]);
  });

  it("may be soft-deleted where it is OpenBao", async () => {
    const bao = await open();
    bao.createKey("k");
    expect((await call(bao, "DELETE", "transit/keys/k/soft-delete")).status).toBe(204);
    const refused = "refusing to use soft-deleted key";
    expect((await post(bao, "transit/encrypt/k", { plaintext })).body["errors"]).toEqual([refused]);
    expect((await post(bao, "transit/keys/k/rotate")).status).toBe(500);
    await post(bao, "transit/keys/k/soft-delete-restore");
    expect((await post(bao, "transit/encrypt/k", { plaintext })).status).toBe(200);
    const vault = await open({ flavour: "vault" });
    vault.createKey("k");
    expect((await call(vault, "DELETE", "transit/keys/k/soft-delete")).status).toBe(404);
  });

  it("of other types encrypt nothing, and imported ones do not rotate", async () => {
    const server = await open();
    server.createKey("s", { type: "ed25519" });
    server.createKey("i", { versions: [new Uint8Array(32)] });
    expect((await post(server, "transit/encrypt/s", { plaintext })).body["errors"]).toEqual([
      "message encryption not supported for key type ed25519",
    ]);
    expect(await post(server, "transit/keys/i/rotate")).toMatchObject({
      status: 500,
      body: {
        errors: ["1 error occurred:\n\t* imported key i does not allow rotation within Vault\n\n"],
      },
    });
    expect(() => server.createKey("w", { versions: [new Uint8Array(31)] })).toThrow(RangeError);
  });

  it("are made by encrypt, unless that is switched off", async () => {
    const server = await open();
    await post(server, "transit/encrypt/new", { plaintext, context: base64("c") });
    expect((await call(server, "GET", "transit/keys/new")).data["derived"]).toBe(true);
    await post(server, "transit/config/keys", { disable_upsert: true });
    expect((await post(server, "transit/encrypt/newer", { plaintext })).body["errors"]).toEqual([
      "encryption key not found",
    ]);
  });
});

it("gives random bytes", async () => {
  const server = await open();
  const { data } = await post(server, "transit/random/16", { format: "hex" });
  expect(data["random_bytes"]).toMatch(/^[0-9a-f]{32}$/);
});
