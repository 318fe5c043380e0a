/**
 * Objects that somebody without the key has edited, and what AWS's own clients were seen to accept: the clients for Java
 * 4.0.0 and Python 4.0.0, and those of the SDK for Java 1.12.441. Each test names its source.
 */
import {
  constants,
  createCipheriv,
  createSecretKey,
  generateKeyPairSync,
  publicEncrypt,
  randomBytes,
} from "node:crypto";
import { Cmk } from "@env/core";
import { withExactContext } from "@env/core/driver";
import { MemoryKms } from "@env/core/testing";
import { pattern } from "@env/testkit/bytes";
import { describe, expect, it } from "vitest";
import { readHeaders } from "../../src/s3ec/headers.ts";
import { aesKeyring, kmsKeyring, rsaKeyring, type S3Keyring } from "../../src/s3ec/index.ts";
import { parseTextMap } from "../../src/s3ec/text.ts";
import { opened, refuses, written, type StoredObject } from "./support/opened.ts";

const kms = new MemoryKms({ provider: "aws-kms" });
const cmk = new Cmk(kms.driver(kms.createKey()));
const kek = createSecretKey(randomBytes(32));
const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const keyrings = {
  kms: kmsKeyring(cmk),
  aes: aesKeyring(kek),
  rsa: rsaKeyring({ publicKey, privateKey }),
} as const;
const all = Object.entries(keyrings).map(([name, keyring]) => ({ name, keyring }));
const plaintext = pattern(100);
const FORMAT = "ERR_ENVELOPE_FORMAT";
const DECRYPT = "ERR_ENVELOPE_DECRYPT";

type Edits = Readonly<Record<string, string | undefined>>;

/** The object with some headers replaced, added or (`undefined`) removed. */
function edited<T extends StoredObject>(object: T, edits: Edits): T {
  const metadata = Object.entries({ ...object.metadata, ...edits }).filter(
    (pair): pair is [string, string] => pair[1] !== undefined,
  );
  return { ...object, metadata: Object.fromEntries(metadata) };
}

describe("AES-CBC under a modern wrap", () => {
  // Amazon S3 Encryption Client for Java and Python with legacy modes: from a GCM object and 16 known bytes of its
  // plaintext, a CBC object with chosen plaintext follows without the key.
  it.each(all)("is refused under $name, also with allowLegacy", async ({ keyring }) => {
    const object = await written(keyring, "V2", plaintext);
    const { iv } = object.headers;
    // GCM's first keystream block is AES of iv || 2: as the IV of CBC it makes any block decrypt to anything.
    const counter = Buffer.concat([iv, Buffer.from([0, 0, 0, 2])]);
    const keystream = object.body.subarray(0, 16).map((byte, i) => byte ^ (plaintext[i] ?? 0));
    const wanted = Buffer.from("forged bytes..\u0002\u0002");
    const chosenIv = counter.map((byte, i) => byte ^ (wanted[i] ?? 0));
    const forged = edited(
      { ...object, body: keystream },
      {
        "x-amz-cek-alg": "AES/CBC/PKCS5Padding",
        "x-amz-iv": Buffer.from(chosenIv).toString("base64"),
        "x-amz-tag-len": undefined,
      },
    );
    await refuses(FORMAT, () => opened(forged, keyring, { allowLegacy: true }));
    await refuses(FORMAT, () => opened(forged, keyring));
  });
});

describe("the algorithm that a wrap binds", () => {
  // Java and Python: neither checks that the context names the suite in use.
  it("has to be in the context of kms+context, and to be the one in use", async () => {
    for (const version of ["V2", "V3"] as const) {
      const other = version === "V2" ? "115" : "AES/GCM/NoPadding";
      const object = await written(keyrings.kms, version, plaintext, { algorithm: other });
      await refuses(FORMAT, () => opened(object, keyrings.kms));
      const suite = version === "V2" ? "AES/GCM/NoPadding" : "115";
      const name = version === "V2" ? "x-amz-matdesc" : "x-amz-t";
      const renamed = edited(object, { [name]: JSON.stringify({ "aws:x-amz-cek-alg": suite }) });
      await refuses("ERR_ENVELOPE_KMS_REJECTED", () => opened(renamed, keyrings.kms));
      await refuses(FORMAT, () => opened(edited(object, { [name]: "{}" }), keyrings.kms));
    }
  });

  it.each([
    { name: "aes", keyring: keyrings.aes },
    { name: "rsa", keyring: keyrings.rsa },
  ])("has to be the one in use under $name", async ({ keyring }) => {
    for (const version of ["V2", "V3"] as const) {
      const algorithm = version === "V2" ? "115" : "AES/GCM/NoPadding";
      const object = await written(keyring, version, plaintext, { algorithm });
      await refuses(DECRYPT, () => opened(object, keyring));
    }
  });

  it.each(all)("stops a V3 object from being read as V2 under $name", async ({ keyring }) => {
    const { metadata, body } = await written(keyring, "V3", plaintext);
    const isKms = keyring.bindsContext;
    const downgraded = {
      "x-amz-key-v2": metadata["x-amz-3"] ?? "",
      "x-amz-iv": Buffer.alloc(12, 1).toString("base64"),
      "x-amz-cek-alg": "AES/GCM/NoPadding",
      "x-amz-wrap-alg": keyring.wrapAlgorithm,
      "x-amz-matdesc": metadata["x-amz-t"] ?? "{}",
    };
    await refuses(isKms ? FORMAT : DECRYPT, () => opened({ metadata: downgraded, body }, keyring));
  });
});

describe("a relabelled wrap", () => {
  // Java: `kms+context` that is relabelled `kms` is opened without a check of the context.
  it("does not avoid the check of the context", async () => {
    const context = { tenant: "a" };
    const object = await written(keyrings.kms, "V2", plaintext, { context });
    const relabelled = edited(object, { "x-amz-wrap-alg": "kms" });
    await refuses(FORMAT, () => opened(relabelled, keyrings.kms, { allowLegacy: true, context }));
    const both = { "aws:x-amz-cek-alg": "AES/GCM/NoPadding", tenant: "a", kms_cmk_id: "k" };
    const completed = edited(relabelled, { "x-amz-matdesc": JSON.stringify(both) });
    await refuses(FORMAT, () => opened(completed, keyrings.kms, { context }));
    const stripped = edited(relabelled, { "x-amz-matdesc": '{"tenant":"a","kms_cmk_id":"k"}' });
    await refuses("ERR_ENVELOPE_KMS_REJECTED", () =>
      opened(stripped, keyrings.kms, { allowLegacy: true, context }),
    );
  });

  it("checks the context of the wrap kms as well", async () => {
    const description = { tenant: "a", kms_cmk_id: "alias/x" };
    const object = await kmsWrapped(description, "AES/GCM/NoPadding");
    expect(await opened(object, keyrings.kms, { context: { tenant: "a" } })).toEqual(
      Buffer.from(plaintext),
    );
    await refuses(DECRYPT, () => opened(object, keyrings.kms, { context: { tenant: "b" } }));
    await refuses(DECRYPT, () => opened(object, keyrings.kms));
    await refuses(FORMAT, () =>
      opened(edited(object, { "x-amz-matdesc": '{"tenant":"a"}' }), keyrings.kms, {
        context: { tenant: "a" },
      }),
    );
  });

  it("does not reach AES-CBC, which the wrap kms does not rule out, without allowLegacy", async () => {
    const description = { tenant: "a", kms_cmk_id: "alias/x" };
    const object = await kmsWrapped(description, "AES/CBC/PKCS5Padding");
    const context = { tenant: "a" };
    expect(await opened(object, keyrings.kms, { allowLegacy: true, context })).toHaveLength(100);
    await refuses("ERR_ENVELOPE_UNSUPPORTED", () => opened(object, keyrings.kms, { context }));
  });

  it("never unwraps the data key of an envelope message", async () => {
    const { entry, dataKey } = await cmk.generateDataKey({ context: { kms_cmk_id: "x" } });
    dataKey[Symbol.dispose]();
    const object = await kmsWrapped({ kms_cmk_id: "x" }, "AES/GCM/NoPadding");
    const swapped = edited(object, {
      "x-amz-key-v2": Buffer.from(entry.wrapped).toString("base64"),
      "x-amz-matdesc": '{"kms_cmk_id":"x","env:format":"1"}',
    });
    await refuses("ERR_ENVELOPE_INVALID_CONTEXT", () =>
      opened(swapped, keyrings.kms, { context: () => true }),
    );
  });
});

/** An object as the clients before `kms+context` wrote it. */
async function kmsWrapped(
  description: Readonly<Record<string, string>>,
  contentAlgorithm: "AES/GCM/NoPadding" | "AES/CBC/PKCS5Padding",
): Promise<StoredObject> {
  const { dataKey, entry } = await withExactContext(cmk, description).generateDataKey();
  using key = dataKey;
  const isGcm = contentAlgorithm === "AES/GCM/NoPadding";
  const iv = randomBytes(isGcm ? 12 : 16);
  const body = key.use((bytes) => {
    if (!isGcm) {
      const cipher = createCipheriv("aes-256-cbc", bytes, iv);
      return Buffer.concat([cipher.update(plaintext), cipher.final()]);
    }
    const cipher = createCipheriv("aes-256-gcm", bytes, iv);
    return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  });
  const metadata = {
    "x-amz-key-v2": Buffer.from(entry.wrapped).toString("base64"),
    "x-amz-iv": iv.toString("base64"),
    "x-amz-cek-alg": contentAlgorithm,
    "x-amz-wrap-alg": "kms",
    "x-amz-matdesc": JSON.stringify(description),
  };
  return { metadata, body };
}

describe("a wrapped key of another shape", () => {
  // Java and Python: data keys of 16 or 24 bytes, and bytes after the algorithm in the text of RSA.
  it.each([16, 24, 31, 33])("is refused under AES where it holds %i bytes", async (length) => {
    const object = await written(keyrings.aes, "V2", plaintext);
    const iv = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", kek, iv);
    cipher.setAAD(Buffer.from("AES/GCM/NoPadding"));
    const sealed = [iv, cipher.update(randomBytes(length)), cipher.final(), cipher.getAuthTag()];
    const key = Buffer.concat(sealed).toString("base64");
    await refuses(DECRYPT, () => opened(edited(object, { "x-amz-key-v2": key }), keyrings.aes));
  });

  it.each([
    ["trailing bytes", 32, "AES/GCM/NoPadding\0"],
    ["another algorithm", 32, "AES/CBC/PKCS5Padding"],
    ["no algorithm", 32, ""],
    ["a false length", 31, "AES/GCM/NoPadding"],
  ])("is refused under RSA where the data key has %s", async (_, announced, algorithm) => {
    const [dataKey, iv] = [randomBytes(32), randomBytes(12)];
    const cipher = createCipheriv("aes-256-gcm", dataKey, iv);
    const body = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
    const padding = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha1" };
    const wrapped = (...text: readonly Uint8Array[]): StoredObject => {
      const key = publicEncrypt({ key: publicKey, ...padding }, Buffer.concat(text));
      const metadata = {
        "x-amz-key-v2": key.toString("base64"),
        "x-amz-iv": iv.toString("base64"),
        "x-amz-cek-alg": "AES/GCM/NoPadding",
        "x-amz-wrap-alg": "RSA-OAEP-SHA1",
      };
      return { metadata, body };
    };
    const good = wrapped(Buffer.of(32), dataKey, Buffer.from("AES/GCM/NoPadding"));
    expect(await opened(good, keyrings.rsa)).toHaveLength(100);
    const bad = wrapped(Buffer.of(announced), dataKey, Buffer.from(algorithm));
    await refuses(DECRYPT, () => opened(bad, keyrings.rsa));
    const short = wrapped(Buffer.of(16), randomBytes(16), Buffer.from("AES/GCM/NoPadding"));
    await refuses(DECRYPT, () => opened(short, keyrings.rsa));
  });

  it.each(all)(
    "is one refusal under $name, whatever bit of it was altered",
    async ({ keyring }) => {
      const object = await written(keyring, "V3", plaintext);
      const last = object.headers.wrappedKey.length - 1;
      for (const at of [0, 20, last]) {
        const key = Buffer.from(object.headers.wrappedKey);
        key.writeUInt8(key.readUInt8(at) ^ 1, at);
        const altered = edited(object, { "x-amz-3": key.toString("base64") });
        const code = keyring.bindsContext ? "ERR_ENVELOPE_KMS_REJECTED" : DECRYPT;
        await refuses(code, () => opened(altered, keyring));
      }
    },
  );
});

describe("headers in another form", () => {
  // Java and Python: odd x-amz-tag-len, base64 with foreign characters or stray bits, message ids of another length.
  it("are refused in V2", async () => {
    const object = await written(keyrings.aes, "V2", plaintext);
    const key = object.metadata["x-amz-key-v2"] ?? "";
    const iv = object.metadata["x-amz-iv"] ?? "";
    const edits: readonly Edits[] = [
      { "x-amz-tag-len": "96" },
      { "x-amz-tag-len": "" },
      { "x-amz-tag-len": "0128" },
      { "x-amz-key-v2": `${key}\n` },
      { "x-amz-key-v2": key.replace(/.$/, "-") },
      { "x-amz-key-v2": "" },
      { "x-amz-iv": iv.slice(0, -4) },
      { "x-amz-iv": `${iv}AAAA` },
      { "x-amz-matdesc": "" },
      { "x-amz-matdesc": "[]" },
      { "x-amz-matdesc": '{"a":1}' },
      { "x-amz-matdesc": '{"a":"1","a":"1"}' },
      { "x-amz-matdesc": '{"a":"1"} x' },
    ];
    for (const edit of edits)
      await refuses(FORMAT, () => opened(edited(object, edit), keyrings.aes));
    const absent = edited(object, { "x-amz-tag-len": undefined, "x-amz-matdesc": undefined });
    expect(await opened(absent, keyrings.aes)).toHaveLength(100);
  });

  it("are refused in V3", async () => {
    const object = await written(keyrings.aes, "V3", plaintext);
    for (const name of ["x-amz-i", "x-amz-d"]) {
      for (const length of [0, 12, 27, 29]) {
        const value = Buffer.alloc(length, 7).toString("base64");
        await refuses(FORMAT, () => opened(edited(object, { [name]: value }), keyrings.aes));
      }
      // 28 bytes leave four bits in the last character, which must be zero.
      const stray = (object.metadata[name] ?? "").replace(/(.)==$/, "x==").replace(/x==$/, "B==");
      await refuses(FORMAT, () => opened(edited(object, { [name]: stray }), keyrings.aes));
    }
    for (const edit of [
      { "x-amz-c": "114" },
      { "x-amz-c": "0x73" },
      { "x-amz-w": "2" },
      { "x-amz-w": "toString" },
    ]) {
      await refuses("ERR_ENVELOPE_UNSUPPORTED", () => opened(edited(object, edit), keyrings.aes));
    }
  });
});

describe("mixed and incomplete headers", () => {
  // amazon-s3-encryption-client-dotnet, issue 174: x-amz-c alone made a V2 object pass for V3.
  it("refuses x-amz-c beside a complete V2 set, under every policy", async () => {
    const object = edited(await written(keyrings.aes, "V2", plaintext), { "x-amz-c": "115" });
    for (const commitmentPolicy of [
      "REQUIRE_ENCRYPT_REQUIRE_DECRYPT",
      "REQUIRE_ENCRYPT_ALLOW_DECRYPT",
    ] as const) {
      await refuses(FORMAT, () => opened(object, keyrings.aes, { commitmentPolicy }));
    }
  });

  it("refuses every set but the complete ones", async () => {
    for (const version of ["V2", "V3"] as const) {
      const object = await written(keyrings.aes, version, plaintext);
      const required = Object.keys(object.metadata).filter(
        (name) => !["x-amz-tag-len", "x-amz-matdesc", "x-amz-m"].includes(name),
      );
      for (const name of required) {
        const missing = edited(object, { [name]: undefined });
        // Those of V3 that stay with the object are a set of their own, as are no headers at all.
        await expect(async () => readHeaders(missing.metadata)).rejects.toMatchObject({
          code: FORMAT,
        });
      }
    }
  });

  it.each([
    ["V2", ["x-amz-key", "x-amz-3", "x-amz-w", "x-amz-d", "x-amz-i", "x-amz-t", "x-amz-m"]],
    [
      "V3",
      [
        "x-amz-key",
        "x-amz-key-v2",
        "x-amz-iv",
        "x-amz-cek-alg",
        "x-amz-wrap-alg",
        "x-amz-tag-len",
        "x-amz-matdesc",
        "x-amz-t",
      ],
    ],
  ] as const)("refuses %s with any header of another version", async (version, strays) => {
    const object = await written(keyrings.aes, version, plaintext);
    const value = {
      "x-amz-tag-len": "128",
      "x-amz-matdesc": "{}",
      "x-amz-t": "{}",
      "x-amz-m": "{}",
    };
    for (const stray of strays) {
      const mixed = edited(object, { [stray]: "AAAA", ...pick(value, stray) });
      await refuses(FORMAT, () => opened(mixed, keyrings.aes));
    }
  });

  it("refuses V1 with any header of V2", async () => {
    const v1 = { "x-amz-key": "A".repeat(64), "x-amz-iv": `${"A".repeat(22)}==` };
    expect(readHeaders(v1)).toMatchObject({ version: "V1", wrapAlgorithm: "AES" });
    for (const stray of ["x-amz-cek-alg", "x-amz-wrap-alg", "x-amz-tag-len"]) {
      await refuses(FORMAT, () => readHeaders({ ...v1, [stray]: "AES/GCM/NoPadding" }));
    }
  });
});

function pick(values: Readonly<Record<string, string>>, name: string): Record<string, string> {
  const value = values[name];
  return value === undefined ? {} : { [name]: value };
}

describe("instruction files", () => {
  const inFile = { placement: "instruction-file" } as const;

  // CVE-2025-14763 (Java), CVE-2025-14764 (Go), CVE-2025-14762 (Ruby): another wrapped key in the file opens the object to
  // another plaintext, for which the body was made.
  it.each(all)(
    "with the wrapped key of another object are refused under $name",
    async ({ keyring }) => {
      const [one, other] = await Promise.all([
        written(keyring, "V3", plaintext, inFile),
        written(keyring, "V3", plaintext, inFile),
      ]);
      const error = await refuses(DECRYPT, () =>
        opened({ ...one, instructions: other.instructions }, keyring),
      );
      expect(error.message).toContain("x-amz-d");
      const { "x-amz-d": commitment = "" } = other.metadata;
      const both = edited({ ...one, instructions: other.instructions }, { "x-amz-d": commitment });
      await refuses(DECRYPT, () => opened(both, keyring)); // The message id is another.
    },
  );

  it("with V2, which has no commitment, are read behind allowLegacy alone", async () => {
    const object = await written(keyrings.aes, "V2", plaintext, inFile);
    const error = await refuses("ERR_ENVELOPE_UNSUPPORTED", () => opened(object, keyrings.aes));
    expect(error.message).toContain("CVE-2025-14763");
    expect(await opened(object, keyrings.aes, { allowLegacy: true })).toHaveLength(100);
  });

  // Java and Python: V3 with a file and a wrapped key in the metadata as well; a whole V2 set beside V3's content headers.
  it("are refused beside headers in the metadata that belong into the file, or the other way round", async () => {
    const v3 = await written(keyrings.aes, "V3", plaintext, inFile);
    const v2 = await written(keyrings.aes, "V2", plaintext, inFile);
    const { "x-amz-3": wrapped = "", "x-amz-m": description = "" } = v3.instructions ?? {};
    const strays: readonly Edits[] = [
      { "x-amz-key": wrapped },
      { "x-amz-key-v2": wrapped },
      { "x-amz-3": wrapped },
      { "x-amz-w": "02" },
      { "x-amz-m": description },
    ];
    for (const stray of strays) {
      await refuses(FORMAT, () => opened(edited(v3, stray), keyrings.aes, { allowLegacy: true }));
    }
    const wrong: readonly (Readonly<Record<string, string>> | undefined)[] = [
      v2.instructions,
      { ...v3.instructions, ...v2.instructions },
      { ...v3.instructions, "x-amz-c": "115" },
      { ...v3.instructions, "x-amz-d": v3.metadata["x-amz-d"] ?? "" },
      { ...v3.instructions, "x-amz-i": v3.metadata["x-amz-i"] ?? "" },
      { ...v3.instructions, extra: "1" },
      { "x-amz-3": wrapped },
      { "x-amz-w": "02" },
      {},
    ];
    for (const instructions of wrong) {
      await refuses(FORMAT, () =>
        opened({ ...v3, instructions }, keyrings.aes, { allowLegacy: true }),
      );
    }
    for (const stray of Object.keys(v2.instructions ?? {})) {
      const partly = edited(v2, { [stray]: v2.instructions?.[stray] });
      await refuses(FORMAT, () => opened(partly, keyrings.aes, { allowLegacy: true }));
    }
    await refuses(FORMAT, () =>
      opened({ ...v2, instructions: { ...v3.metadata, ...v3.instructions } }, keyrings.aes),
    );
  });

  // Java and Python: unknown fields, trailing text, repeated names.
  it.each([
    '{"a":"1"}}',
    '{"a":"1"} {"b":"2"}',
    '{"a":"1","a":"2"}',
    '{"a":"1","\\u0061":"2"}',
    '{"a":"1",}',
    '{"a":{"b":"1"}}',
    '{"a":null}',
    '["a"]',
    '"a"',
    "",
    "{",
    '{"a"}',
    "{a:1}",
    '{"a":"\t"}',
    '{"a":"\\x"}',
    '{"a":"\\ud800"}',
    '\ufeff{"a":"1"}',
    "\u00a0{}",
  ])("are not the JSON %j", async (json) => {
    await refuses(FORMAT, () => parseTextMap(json, "the file"));
  });

  it("are not objects themselves", async () => {
    await refuses(FORMAT, () => readHeaders({ "x-amz-crypto-instr-file": "" }));
  });
});

describe("the body", () => {
  // Java: a GCM body of 15 bytes hangs, a CBC body of 0 bytes opens as empty.
  it("is refused where it cannot hold a tag", async () => {
    const object = await written(keyrings.aes, "V3", plaintext);
    for (const length of [0, 15]) {
      const cut = { ...object, body: object.body.subarray(0, length) };
      await refuses("ERR_ENVELOPE_TRUNCATED", () => opened(cut, keyrings.aes));
    }
    const cut = { ...object, body: object.body.subarray(0, 16) };
    await refuses(DECRYPT, () => opened(cut, keyrings.aes));
  });

  it("is refused where it is not whole blocks of AES-CBC", async () => {
    const object = await kmsWrapped({ kms_cmk_id: "x" }, "AES/CBC/PKCS5Padding");
    for (const length of [0, 1, 17]) {
      const cut = { ...object, body: object.body.subarray(0, length) };
      await refuses("ERR_ENVELOPE_TRUNCATED", () =>
        opened(cut, keyrings.kms, { allowLegacy: true }),
      );
    }
  });

  it("is refused with the tag or the headers of another object", async () => {
    const [one, other] = await Promise.all([
      written(keyrings.aes, "V3", plaintext),
      written(keyrings.aes, "V3", plaintext),
    ]);
    await refuses(DECRYPT, () => opened({ ...one, body: other.body }, keyrings.aes));
  });
});

describe("another keyring", () => {
  it.each(all)("is told what $name wrapped, or refuses", async ({ name, keyring }) => {
    const object = await written(keyring, "V3", plaintext);
    for (const each of all) {
      if (each.name === name) continue;
      await refuses("ERR_ENVELOPE_NO_KEY", () => opened(object, each.keyring));
    }
    const others: Readonly<Record<string, S3Keyring>> = {
      kms: kmsKeyring(new Cmk(kms.driver(kms.createKey()))),
      aes: aesKeyring(createSecretKey(randomBytes(32))),
      rsa: rsaKeyring(generateKeyPairSync("rsa", { modulusLength: 2048 })),
    };
    const other = others[name] ?? keyring;
    const code = name === "kms" ? "ERR_ENVELOPE_KMS_REJECTED" : DECRYPT;
    await refuses(code, () => opened(object, other));
  });

  it("without a private key only writes", async () => {
    const writer = rsaKeyring({ publicKey });
    const object = await written(writer, "V3", plaintext);
    expect(await opened(object, keyrings.rsa)).toEqual(Buffer.from(plaintext));
    await refuses("ERR_ENVELOPE_NO_KEY", () => opened(object, writer));
  });
});
