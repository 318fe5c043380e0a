import { createDecipheriv, createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { base64, open, post } from "./support.ts";

const plaintext = base64("a data key of 32 bytes in length");
const [context, other] = [base64("context"), base64("another")];

/** Written from the sheet of Transit's format, and of no code here. */
function openByHand(key: Buffer, ciphertext: string, info?: Buffer, aad?: Buffer): string {
  const payload = Buffer.from(ciphertext.split(":")[2] ?? "", "base64");
  const extracted = createHmac("sha256", Buffer.alloc(32)).update(key).digest();
  const derived =
    info === undefined
      ? key
      : createHmac("sha256", extracted)
          .update(Buffer.concat([info, Buffer.of(1)]))
          .digest();
  const decipher = createDecipheriv("aes-256-gcm", derived, payload.subarray(0, 12));
  if (aad !== undefined) decipher.setAAD(aad);
  decipher.setAuthTag(payload.subarray(-16));
  const opened = [decipher.update(payload.subarray(12, -16)), decipher.final()];
  return Buffer.concat(opened).toString("base64");
}

describe("encrypt", () => {
  const bytes = Buffer.alloc(32, 7);

  it.each([
    ["with the key's bytes", false, undefined, undefined],
    ["with a key derived from the context", true, Buffer.from("context"), undefined],
    ["with a context longer than 1 KiB", true, Buffer.alloc(4000, 1), undefined],
    ["bound to associated data", false, undefined, Buffer.from("aad")],
  ])("gives what opens elsewhere %s", async (_, derived, info, aad) => {
    const server = await open();
    server.createKey("k", { derived, versions: [Buffer.alloc(32), bytes] });
    const { data } = await post(server, "transit/encrypt/k", {
      plaintext,
      ...(info && { context: info.toString("base64") }),
      ...(aad && { associated_data: aad.toString("base64") }),
    });
    expect(data["key_version"]).toBe(2);
    const ciphertext = String(data["ciphertext"]);
    expect(ciphertext).toMatch(/^vault:v2:[A-Za-z0-9+/]{80}$/);
    expect(openByHand(bytes, ciphertext, info, aad)).toBe(plaintext);
  });

  it("uses the version that is asked for, within the limits", async () => {
    const server = await open();
    server.createKey("k");
    await post(server, "transit/keys/k/rotate");
    const encrypt = (version: unknown) =>
      post(server, "transit/encrypt/k", { plaintext, key_version: version });
    expect((await encrypt("1")).data["key_version"]).toBe(1);
    for (const [version, problem] of [
      [-1, "requested version for encryption is negative"],
      [3, "requested version for encryption is higher than the latest key version"],
    ] as const) {
      expect(await encrypt(version)).toMatchObject({ status: 400, body: { errors: [problem] } });
    }
    await post(server, "transit/keys/k/config", { min_encryption_version: 2 });
    expect((await encrypt(1)).body["errors"]).toEqual([
      "requested version for encryption is less than the minimum encryption key version",
    ]);
    expect((await encrypt({})).body["errors"]).toEqual([
      expect.stringMatching(
        /^Field validation failed: error converting input for field "key_version"/,
      ),
    ]);
  });

  it("is the same twice where the key is convergent, and only there", async () => {
    const server = await open();
    server.createKey("same", { derived: true, convergent: true });
    server.createKey("other", { derived: true });
    for (const key of ["same", "other"]) {
      const made = await Promise.all(
        [1, 2].map(() => post(server, `transit/encrypt/${key}`, { plaintext, context })),
      );
      expect(new Set(made.map(({ data }) => data["ciphertext"])).size).toBe(key === "same" ? 1 : 2);
      const { ciphertext } = made[0]?.data ?? {};
      const opened = await post(server, `transit/decrypt/${key}`, { ciphertext, context });
      expect(opened.data).toEqual({ plaintext });
    }
  });
});

describe("decrypt", () => {
  it.each(["aes128-gcm96", "aes256-gcm96", "chacha20-poly1305"])(
    "refuses another context, and one that is missing: %s",
    async (type) => {
      const server = await open();
      server.createKey("k", { type, derived: true });
      const { data } = await post(server, "transit/encrypt/k", { plaintext, context });
      const decrypt = (more: object) =>
        post(server, "transit/decrypt/k", { ciphertext: data["ciphertext"], ...more });
      expect((await decrypt({ context })).data).toEqual({ plaintext });
      const cipher = type === "chacha20-poly1305" ? "chacha20poly1305" : "cipher";
      expect(await decrypt({ context: other })).toMatchObject({
        status: 400,
        body: { errors: [`${cipher}: message authentication failed`] },
      });
      for (const none of [{}, { context: "" }]) {
        expect((await decrypt(none)).body["errors"]).toEqual([
          expect.stringMatching(/^missing 'context' for key derivation; the key was created/),
        ]);
      }
    },
  );

  it("ignores a context where the key derives none, as real servers do", async () => {
    const server = await open();
    server.createKey("k");
    const { data } = await post(server, "transit/encrypt/k", { plaintext, context });
    const { ciphertext } = data;
    const opened = await post(server, "transit/decrypt/k", { ciphertext, context: other });
    expect(opened).toMatchObject({ status: 200, data: { plaintext }, body: { warnings: null } });
  });

  it.each([
    ["", "missing ciphertext to decrypt"],
    ["AAAA", "invalid ciphertext: no prefix"],
    ["vault:v1", "invalid ciphertext: wrong number of fields"],
    ["vault:vx:AAAA", "invalid ciphertext: version number could not be decoded"],
    ["vault:v2:AAAA", "invalid ciphertext: version is too new"],
    ["vault:v1:A", "invalid ciphertext: could not decode base64"],
    ["vault:v1:AAAA", "invalid ciphertext length"],
    [`vault:v1:${"A".repeat(80)}`, "cipher: message authentication failed"],
    [`vault:v0:${"A".repeat(80)}`, "cipher: message authentication failed"],
    [`vault:v1:${"A".repeat(24)}`, "cipher: message authentication failed"],
  ])("refuses %s", async (ciphertext, problem) => {
    const server = await open();
    server.createKey("k");
    expect(await post(server, "transit/decrypt/k", { ciphertext })).toMatchObject({
      status: 400,
      body: { errors: [problem] },
    });
  });

  it("reads v0 as v1, line breaks and spare bits", async () => {
    const server = await open();
    server.createKey("k");
    const { data } = await post(server, "transit/encrypt/k", { plaintext: base64("a") });
    const written = String(data["ciphertext"]);
    const loose = written.replace("v1", "v0").replace(/(.{20})$/, "\n$1");
    const opened = await post(server, "transit/decrypt/k", { ciphertext: loose });
    expect(opened.data).toEqual({ plaintext: base64("a") });
  });
});

describe("rewrap", () => {
  it("moves to the latest version, always anew", async () => {
    const server = await open();
    server.createKey("k", { derived: true });
    const { data } = await post(server, "transit/encrypt/k", { plaintext, context });
    const first = data["ciphertext"];
    const again = await post(server, "transit/rewrap/k", { ciphertext: first, context });
    expect(again.data["key_version"]).toBe(1);
    expect(again.data["ciphertext"]).not.toBe(first);
    await post(server, "transit/keys/k/rotate");
    const { data: moved } = await post(server, "transit/rewrap/k", { ciphertext: first, context });
    expect(moved).toMatchObject({
      key_version: 2,
      ciphertext: expect.stringMatching(/^vault:v2:/),
    });
    const { ciphertext } = moved;
    expect((await post(server, "transit/decrypt/k", { ciphertext, context })).data).toEqual({
      plaintext,
    });
  });

  it("takes no associated data: a warning for one, not a word in a batch", async () => {
    const server = await open();
    server.createKey("k");
    const associated_data = context;
    const { data } = await post(server, "transit/encrypt/k", { plaintext, associated_data });
    const { ciphertext } = data;
    const failed = "cipher: message authentication failed";
    expect(await post(server, "transit/rewrap/k", { ciphertext, associated_data })).toMatchObject({
      status: 400,
      body: { errors: [failed] },
    });
    const batch_input = [{ ciphertext, associated_data }];
    expect(await post(server, "transit/rewrap/k", { batch_input })).toMatchObject({
      status: 200,
      body: { warnings: null },
      data: { batch_results: [{ error: failed, reference: "" }] },
    });
  });
});

describe("datakey", () => {
  it.each([
    ["vault", false],
    ["openbao-2.4", false],
    ["openbao-2.5", true],
  ] as const)("as %s binds associated data: %s", async (flavour, binds) => {
    const server = await open({ flavour });
    server.createKey("k");
    const associated_data = context;
    const { body, data } = await post(server, "transit/datakey/plaintext/k", { associated_data });
    expect(body["warnings"]).toEqual(
      binds ? null : ["Endpoint ignored these unrecognized parameters: [associated_data]"],
    );
    const { ciphertext } = data;
    const bare = await post(server, "transit/decrypt/k", { ciphertext });
    expect(bare.status).toBe(binds ? 400 : 200);
  });

  it("takes no associated data for a key without it, and names no item", async () => {
    const server = await open();
    server.createKey("r", { type: "rsa-2048" });
    const body = { associated_data: context };
    expect(await post(server, "transit/datakey/plaintext/r", body)).toMatchObject({
      status: 400,
      body: { errors: ["'associated_data' provided for non-AEAD cipher suite rsa-2048"] },
    });
  });

  it("gives keys of three lengths, and the plaintext only where it is asked for", async () => {
    const server = await open();
    server.createKey("k", { derived: true });
    for (const bits of [128, 256, 512]) {
      const { data } = await post(server, "transit/datakey/plaintext/k", { context, bits });
      expect(Buffer.from(String(data["plaintext"]), "base64")).toHaveLength(bits / 8);
      const { ciphertext } = data;
      const opened = await post(server, "transit/decrypt/k", { ciphertext, context });
      expect(opened.data["plaintext"]).toBe(data["plaintext"]);
    }
    const wrapped = await post(server, "transit/datakey/wrapped/k", { context });
    expect(Object.keys(wrapped.data)).toEqual(["ciphertext", "key_version"]);
    for (const [path, body, problem] of [
      ["other/k", {}, "Invalid path, must be 'plaintext' or 'wrapped'"],
      ["plaintext/k", { context, bits: 100 }, "invalid bit length"],
      ["plaintext/k", { context: "!" }, "failed to base64-decode context"],
      ["plaintext/none", { context }, "encryption key not found"],
    ] as const) {
      expect(await post(server, `transit/datakey/${path}`, body)).toMatchObject({
        status: 400,
        body: { errors: [problem] },
      });
    }
  });
});

describe("a batch", () => {
  it("keeps its order, its references, and the statuses of each call", async () => {
    const server = await open();
    server.createKey("k");
    const good = { plaintext, reference: "good" };
    const bad = { plaintext: "!", reference: "bad" };
    const all = await post(server, "transit/encrypt/k", { batch_input: [good, good] });
    expect(all.status).toBe(200);
    const mixed = await post(server, "transit/encrypt/k", { batch_input: [good, bad] });
    expect(mixed).toMatchObject({
      status: 400,
      data: {
        batch_results: [
          { ciphertext: expect.any(String), key_version: 1, reference: "good" },
          { error: "illegal base64 data at input byte 0", reference: "bad" },
        ],
      },
    });
    const asked = { partial_failure_response_code: 207 };
    const partly = await post(server, "transit/encrypt/k", { batch_input: [good, bad], ...asked });
    expect(partly.status).toBe(207);
    const none = await post(server, "transit/encrypt/k", { batch_input: [bad], ...asked });
    expect(none.status).toBe(400);
    const decrypted = await post(server, "transit/decrypt/k", {
      batch_input: [{ ciphertext: "x" }],
    });
    expect(decrypted).toMatchObject({
      status: 400,
      data: {
        batch_results: [{ plaintext: "", error: "invalid ciphertext: no prefix", reference: "" }],
      },
    });
    const associated = { ...good, associated_data: "!" };
    const internal = await post(server, "transit/encrypt/k", { batch_input: [associated] });
    expect(internal.status).toBe(500);
  });

  it.each(["rsa-2048", "ed25519", "hmac", "ecdsa-p256"])(
    "names the item in a request of one too, where %s is given associated data",
    async (type) => {
      const server = await open();
      server.createKey("k", { type });
      const body = { plaintext, ciphertext: "vault:v1:AAAA", associated_data: context };
      for (const path of ["transit/encrypt/k", "transit/decrypt/k"]) {
        expect(await post(server, path, body)).toMatchObject({
          status: 400,
          body: {
            errors: [`'[0].associated_data' provided for non-AEAD cipher suite ${type}`],
          },
        });
      }
    },
  );

  it("is 200 where RSA is given associated data: the error is in the item", async () => {
    const server = await open();
    server.createKey("r", { type: "rsa-2048" });
    const { data } = await post(server, "transit/encrypt/r", { plaintext });
    const { ciphertext } = data;
    expect((await post(server, "transit/decrypt/r", { ciphertext })).data).toEqual({ plaintext });
    const batch_input = [{ plaintext, associated_data: context }];
    expect(await post(server, "transit/encrypt/r", { batch_input })).toMatchObject({
      status: 200,
      data: {
        batch_results: [
          {
            error: "'[0].associated_data' provided for non-AEAD cipher suite rsa-2048",
            reference: "",
          },
        ],
      },
    });
    const broken = await post(server, "transit/decrypt/r", { ciphertext: "vault:v1:AAAA" });
    expect(broken.status).toBe(500);
  });

  it.each([
    [[], 400, "missing batch input to process"],
    [[{}], 500, "failed to parse batch input: '[0].plaintext' missing plaintext to encrypt"],
    [[1], 500, "failed to parse batch input: '[0]' expected a map"],
    [[{ plaintext: 1 }], 500, "failed to parse batch input: '[0].plaintext' expected type"],
    [
      [{ plaintext, context }, { plaintext }],
      400,
      "context should be set either in all the request blocks or in none",
    ],
  ])("is refused as a whole: %j", async (batch_input, status, problem) => {
    const server = await open();
    server.createKey("k");
    const answer = await post(server, "transit/encrypt/k", { batch_input });
    expect(answer.status).toBe(status);
    expect(String(answer.body["errors"])).toContain(problem);
  });
});
