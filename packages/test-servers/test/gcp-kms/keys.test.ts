import { randomBytes } from "node:crypto";
import { crc32c } from "@env/testkit/crc32c";
import { describe, expect, it } from "vitest";
import type { Message } from "../../src/gcp-kms/index.ts";
import { refusal, testServer } from "./support/client.ts";

const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const ALREADY_EXISTS = 6;
const FAILED_PRECONDITION = 9;

const invalid = [INVALID_ARGUMENT, "Decryption failed: the ciphertext is invalid."];
const foreign = [
  INVALID_ARGUMENT,
  "Decryption failed: verify that 'name' refers to the correct CryptoKey.",
];

const plaintext = randomBytes(32);
const aad = Buffer.from("tenant");
const checksum = (bytes: Uint8Array): Message => ({ value: String(crc32c(bytes)) });

describe("Encrypt and Decrypt", () => {
  it("are a round trip, with the version's name, checksums, and the primary version told", async () => {
    const { server, call } = await testServer();
    const name = server.createKey();
    const encrypted = await call("Encrypt", {
      name,
      plaintext,
      additionalAuthenticatedData: aad,
      plaintextCrc32c: checksum(plaintext),
      additionalAuthenticatedDataCrc32c: checksum(aad),
    });
    const ciphertext = encrypted["ciphertext"] as Buffer;
    expect(ciphertext).toHaveLength(113);
    expect(encrypted).toEqual({
      name: `${name}/cryptoKeyVersions/1`,
      ciphertext,
      ciphertextCrc32c: checksum(ciphertext),
      verifiedPlaintextCrc32c: true,
      verifiedAdditionalAuthenticatedDataCrc32c: true,
      protectionLevel: "SOFTWARE",
    });
    const request = { name, ciphertext, additionalAuthenticatedData: aad };
    expect(await call("Decrypt", request)).toEqual({
      plaintext,
      plaintextCrc32c: checksum(plaintext),
      usedPrimary: true,
      protectionLevel: "SOFTWARE",
    });
    server.rotate(name);
    expect(await call("Decrypt", request)).toMatchObject({ plaintext, usedPrimary: false });
  });

  it("differ every time, and say that no checksum came", async () => {
    const { server, call } = await testServer();
    const name = server.createKey();
    const [one, two] = [
      await call("Encrypt", { name, plaintext }),
      await call("Encrypt", { name, plaintext }),
    ];
    expect(one["ciphertext"]).not.toEqual(two["ciphertext"]);
    expect(one).toMatchObject({
      verifiedPlaintextCrc32c: false,
      verifiedAdditionalAuthenticatedDataCrc32c: false,
    });
  });

  it("are bound to the additional authenticated data", async () => {
    const { server, call } = await testServer();
    const name = server.createKey();
    const { ciphertext } = await call("Encrypt", {
      name,
      plaintext,
      additionalAuthenticatedData: aad,
    });
    for (const other of [undefined, Buffer.from("tenanT"), Buffer.from("tenant\0")]) {
      const request = { name, ciphertext, additionalAuthenticatedData: other };
      expect(await refusal(call("Decrypt", request))).toEqual(invalid);
    }
  });

  it("refuse every altered bit, and say of the version's part that it is another key's", async () => {
    const { server, call } = await testServer();
    const name = server.createKey();
    const { ciphertext } = (await call("Encrypt", { name, plaintext })) as { ciphertext: Buffer };
    for (let at = 0; at < ciphertext.length; at++) {
      const altered = Buffer.from(ciphertext);
      altered[at] = (altered[at] ?? 0) ^ 1;
      const got = await refusal(call("Decrypt", { name, ciphertext: altered }));
      expect(got, `byte ${at}`).toEqual(at < 53 ? foreign : invalid);
    }
    for (const length of [0, 1, 53, 64, 81, 112]) {
      const cut = ciphertext.subarray(0, length);
      const got = await refusal(call("Decrypt", { name, ciphertext: cut }));
      expect(got, `${length} bytes`).toEqual(length < 53 ? foreign : invalid);
    }
  });

  it("refuse another key", async () => {
    const { server, call } = await testServer();
    const [name, other] = [server.createKey(), server.createKey()];
    const { ciphertext } = await call("Encrypt", { name, plaintext });
    expect(await refusal(call("Decrypt", { name: other, ciphertext }))).toEqual(foreign);
  });

  it.each(["plaintext", "additionalAuthenticatedData"])(
    "refuse a wrong checksum of %s",
    async (field) => {
      const { server, call } = await testServer();
      const request = { name: server.createKey(), plaintext, additionalAuthenticatedData: aad };
      const name = field === "plaintext" ? "plaintext" : "additional_authenticated_data";
      expect(
        await refusal(call("Encrypt", { ...request, [`${field}Crc32c`]: { value: "1" } })),
      ).toEqual([
        INVALID_ARGUMENT,
        `The checksum in field ${name}_crc32c did not match the data in field ${name}.`,
      ]);
    },
  );

  it("refuse a wrong checksum of the ciphertext", async () => {
    const { server, call } = await testServer();
    const name = server.createKey();
    const { ciphertext } = await call("Encrypt", { name, plaintext });
    expect(
      await refusal(call("Decrypt", { name, ciphertext, ciphertextCrc32c: { value: "1" } })),
    ).toEqual([
      INVALID_ARGUMENT,
      "The checksum in field ciphertext_crc32c did not match the data in field ciphertext.",
    ]);
  });

  it.each([
    ["SOFTWARE", 65_536, 65_536, true],
    ["SOFTWARE", 65_537, 0, false],
    ["SOFTWARE", 0, 65_537, false],
    ["HSM", 8160, 32, true],
    ["HSM", 8161, 32, false],
    ["HSM", 0, 8193, false],
  ] as const)("of a %s key take %i and %i bytes: %s", async (protectionLevel, size, more, fits) => {
    const { server, call } = await testServer();
    const name = server.createKey({ protectionLevel });
    const encrypting = call("Encrypt", {
      name,
      plaintext: Buffer.alloc(size),
      additionalAuthenticatedData: Buffer.alloc(more),
    });
    if (fits) expect(await encrypting).toMatchObject({ protectionLevel });
    else expect((await refusal(encrypting))[0]).toBe(INVALID_ARGUMENT);
  });

  it("take a version to encrypt with, but no version to decrypt with", async () => {
    const { server, call } = await testServer();
    const name = server.createKey();
    server.rotate(name);
    const first = `${name}/cryptoKeyVersions/1`;
    const encrypted = await call("Encrypt", { name: first, plaintext });
    expect(encrypted["name"]).toBe(first);
    const { ciphertext } = encrypted;
    expect(await call("Decrypt", { name, ciphertext })).toMatchObject({ usedPrimary: false });
    expect((await refusal(call("Decrypt", { name: first, ciphertext })))[0]).toBe(INVALID_ARGUMENT);
  });

  it("know no missing key, ring or version", async () => {
    const { server, call } = await testServer();
    const name = `${server.createKey()}-missing`;
    const expected = [NOT_FOUND, `CryptoKey ${name} not found.`];
    expect(await refusal(call("Encrypt", { name, plaintext }))).toEqual(expected);
    expect(await refusal(call("Decrypt", { name, ciphertext: plaintext }))).toEqual(expected);
    const version = `${server.createKey()}/cryptoKeyVersions/2`;
    expect(await refusal(call("Encrypt", { name: version, plaintext }))).toEqual([
      NOT_FOUND,
      `CryptoKeyVersion ${version} not found.`,
    ]);
  });

  it("are not for keys of another purpose", async () => {
    const { server, call } = await testServer();
    const name = server.createKey({ purpose: "MAC" });
    for (const method of ["Encrypt", "Decrypt"]) {
      expect((await refusal(call(method, { name })))[0]).toBe(FAILED_PRECONDITION);
    }
  });
});

describe("a version", () => {
  it("works while it is enabled, and says else what it is", async () => {
    const { server, call } = await testServer();
    const name = server.createKey();
    const version = `${name}/cryptoKeyVersions/1`;
    const { ciphertext } = await call("Encrypt", { name, plaintext });
    for (const state of ["DISABLED", "DESTROY_SCHEDULED", "PENDING_GENERATION"] as const) {
      server.setState(version, state);
      const expected = [
        FAILED_PRECONDITION,
        `${version} is not enabled, current state is: ${state}.`,
      ];
      expect(await refusal(call("Encrypt", { name, plaintext }))).toEqual(expected);
      expect(await refusal(call("Decrypt", { name, ciphertext }))).toEqual(expected);
      server.setState(version, "ENABLED");
      expect(await call("Decrypt", { name, ciphertext })).toMatchObject({ plaintext });
    }
  });

  it("that was destroyed is gone for good", async () => {
    const { server, call } = await testServer();
    const name = server.createKey();
    const { ciphertext } = await call("Encrypt", { name, plaintext });
    server.setState(`${name}/cryptoKeyVersions/1`, "DESTROYED");
    server.setState(`${name}/cryptoKeyVersions/1`, "ENABLED");
    expect((await refusal(call("Decrypt", { name, ciphertext })))[0]).toBe(13);
  });

  it("that is disabled leaves the others alone", async () => {
    const { server, call } = await testServer();
    const name = server.createKey();
    const { ciphertext } = await call("Encrypt", { name, plaintext });
    server.setState(server.rotate(name), "DISABLED");
    expect((await refusal(call("Encrypt", { name, plaintext })))[0]).toBe(FAILED_PRECONDITION);
    expect(await call("Decrypt", { name, ciphertext })).toMatchObject({ plaintext });
  });

  it("becomes primary when it is told to, if it is enabled", async () => {
    const { server, call } = await testServer();
    const name = server.createKey();
    const second = server.rotate(name);
    server.setPrimary(name, `${name}/cryptoKeyVersions/1`);
    expect(await call("Encrypt", { name, plaintext })).toMatchObject({
      name: `${name}/cryptoKeyVersions/1`,
    });
    server.setState(second, "DISABLED");
    const request = { name, cryptoKeyVersionId: "2" };
    expect((await refusal(call("UpdateCryptoKeyPrimaryVersion", request)))[0]).toBe(
      FAILED_PRECONDITION,
    );
    server.setState(second, "ENABLED");
    expect(await call("UpdateCryptoKeyPrimaryVersion", request)).toMatchObject({
      primary: { name: second, state: "ENABLED" },
    });
  });

  it("is disabled, enabled, destroyed and restored by the API", async () => {
    const { server, call } = await testServer();
    const name = server.createKey();
    const version = `${name}/cryptoKeyVersions/1`;
    const update = (state: string): Promise<Message> =>
      call("UpdateCryptoKeyVersion", { cryptoKeyVersion: { name: version, state } });
    expect(await update("DISABLED")).toMatchObject({ state: "DISABLED" });
    expect(await update("ENABLED")).toMatchObject({ state: "ENABLED" });
    expect((await refusal(update("DESTROYED")))[0]).toBe(INVALID_ARGUMENT);
    expect((await refusal(call("RestoreCryptoKeyVersion", { name: version })))[0]).toBe(
      FAILED_PRECONDITION,
    );
    const destroyed = await call("DestroyCryptoKeyVersion", { name: version });
    expect(destroyed).toMatchObject({ state: "DESTROY_SCHEDULED" });
    const { seconds } = destroyed["destroyTime"] as { seconds: string };
    const days = (Number(seconds) - Date.now() / 1000) / 86_400;
    expect(days).toBeGreaterThan(29.9);
    expect(days).toBeLessThanOrEqual(30);
    expect((await refusal(update("ENABLED")))[0]).toBe(FAILED_PRECONDITION);
    expect((await refusal(call("DestroyCryptoKeyVersion", { name: version })))[0]).toBe(
      FAILED_PRECONDITION,
    );
    expect(await call("RestoreCryptoKeyVersion", { name: version })).toMatchObject({
      state: "DISABLED",
      destroyTime: null,
    });
  });
});

describe("a key", () => {
  const parent = "projects/p/locations/global";
  const keyRing = `${parent}/keyRings/r`;

  it("is made in its ring, found and listed", async () => {
    const { call } = await testServer();
    expect(await call("CreateKeyRing", { parent, keyRingId: "r" })).toMatchObject({
      name: keyRing,
    });
    const created = await call("CreateCryptoKey", {
      parent: keyRing,
      cryptoKeyId: "k",
      cryptoKey: { purpose: "ENCRYPT_DECRYPT", versionTemplate: { protectionLevel: "HSM" } },
    });
    const name = `${keyRing}/cryptoKeys/k`;
    const primary = {
      name: `${name}/cryptoKeyVersions/1`,
      state: "ENABLED",
      protectionLevel: "HSM",
      algorithm: "GOOGLE_SYMMETRIC_ENCRYPTION",
    };
    expect(created).toMatchObject({ name, purpose: "ENCRYPT_DECRYPT", primary });
    expect(await call("GetCryptoKey", { name })).toEqual(created);
    expect(await call("ListCryptoKeys", { parent: keyRing })).toMatchObject({
      cryptoKeys: [created],
      totalSize: 1,
    });
    expect(await call("ListKeyRings", { parent })).toMatchObject({ keyRings: [{ name: keyRing }] });
    expect(await call("GetKeyRing", { name: keyRing })).toMatchObject({ name: keyRing });
    const version = await call("CreateCryptoKeyVersion", { parent: name });
    expect(version).toMatchObject({ name: `${name}/cryptoKeyVersions/2`, state: "ENABLED" });
    expect(await call("GetCryptoKeyVersion", { name: version["name"] })).toEqual(version);
    expect(await call("ListCryptoKeyVersions", { parent: name })).toMatchObject({ totalSize: 2 });
    expect(await call("GetCryptoKey", { name })).toMatchObject({ primary });
  });

  it("is refused where it makes no sense", async () => {
    const { call } = await testServer();
    const cryptoKey = { purpose: "ENCRYPT_DECRYPT" };
    const create = (request: Message): Promise<Message> =>
      call("CreateCryptoKey", { parent: keyRing, cryptoKeyId: "k", cryptoKey, ...request });
    expect(await refusal(create({}))).toEqual([NOT_FOUND, `KeyRing ${keyRing} not found.`]);
    await call("CreateKeyRing", { parent, keyRingId: "r" });
    expect(await refusal(call("CreateKeyRing", { parent, keyRingId: "r" }))).toEqual([
      ALREADY_EXISTS,
      `KeyRing ${keyRing} already exists.`,
    ]);
    expect((await refusal(create({ cryptoKeyId: "a b" })))[0]).toBe(INVALID_ARGUMENT);
    expect((await refusal(create({ cryptoKey: {} })))[0]).toBe(INVALID_ARGUMENT);
    expect((await refusal(create({ parent: "r" })))[0]).toBe(INVALID_ARGUMENT);
    const external = { ...cryptoKey, versionTemplate: { protectionLevel: "EXTERNAL" } };
    expect((await refusal(create({ cryptoKey: external })))[0]).toBe(12);
    await create({ skipInitialVersionCreation: true });
    expect(await refusal(create({}))).toEqual([
      ALREADY_EXISTS,
      `CryptoKey ${keyRing}/cryptoKeys/k already exists.`,
    ]);
    const name = `${keyRing}/cryptoKeys/k`;
    expect((await refusal(call("Encrypt", { name, plaintext })))[0]).toBe(FAILED_PRECONDITION);
  });
});

it("GenerateRandomBytes gives as many bytes as were asked for, with their checksum", async () => {
  const { call } = await testServer();
  const request = { location: "projects/p/locations/l", protectionLevel: "HSM" };
  const made = await call("GenerateRandomBytes", { ...request, lengthBytes: 64 });
  const data = made["data"] as Buffer;
  expect(data).toHaveLength(64);
  expect(made["dataCrc32c"]).toEqual(checksum(data));
  const again = await call("GenerateRandomBytes", { ...request, lengthBytes: 64 });
  expect(again["data"]).not.toEqual(data);
  for (const lengthBytes of [7, 1025]) {
    const refused = await refusal(call("GenerateRandomBytes", { ...request, lengthBytes }));
    expect(refused[0]).toBe(INVALID_ARGUMENT);
  }
});
