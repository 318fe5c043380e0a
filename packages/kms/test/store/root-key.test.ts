import { chmodSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { Cmk } from "@env/core";
import type { CmkDriver } from "@env/core/driver";
import { MemoryKms } from "@env/core/testing";
import { rejection } from "@env/testkit/refusal";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { createKeystore, generateRootKey, openKeystore } from "../../src/index.ts";
import { newSourceKey, sourceKey, type RootKeySource } from "../../src/store/root-key.ts";
import { PASSPHRASE, tempPath } from "../support/keystore.ts";

const keystoreId = "0123abcd-4567-89ab-cdef-0123456789ab";
const code = async (promise: Promise<unknown>): Promise<string> => {
  const error = await rejection(promise);
  return "code" in error ? String(error.code) : error.name;
};
const createWith = async (root: RootKeySource): Promise<string> => {
  const path = tempPath();
  const keystore = await createKeystore(path, { root });
  keystore.close();
  return path;
};
const openWith = async (path: string, root: RootKeySource): Promise<void> => {
  const keystore = await openKeystore(path, { root });
  keystore.close();
};

describe("a key file", () => {
  // Requirements: F14
  it("is made with mode 0600 and one line of text", async () => {
    const keyFile = `${tempPath()}.key`;
    await createWith({ keyFile });
    expect(statSync(keyFile).mode & 0o777).toBe(0o600);
    expect(readFileSync(keyFile, "utf8")).toMatch(/^env-root-1\.[A-Za-z0-9_-]{43}\n$/);
  });

  // Requirements: F14
  it("is never overwritten, and then no keystore is made", async () => {
    const path = tempPath();
    writeFileSync(`${path}.key`, "precious");
    const call = createKeystore(path, { root: { keyFile: `${path}.key` } });
    expect(await code(call)).toBe("ERR_ENVELOPE_KEYSTORE_ROOT_KEY");
    expect(readFileSync(`${path}.key`, "utf8")).toBe("precious");
    expect(existsSync(path)).toBe(false);
  });

  it("is taken back when the keystore cannot be made", async () => {
    const path = tempPath();
    writeFileSync(path, "precious");
    const call = createKeystore(path, { root: { keyFile: `${path}.key` } });
    expect(await code(call)).toBe("ERR_ENVELOPE_KEYSTORE_IO");
    expect(readFileSync(path, "utf8")).toBe("precious");
    expect(existsSync(`${path}.key`)).toBe(false);
  });

  // Requirements: F15
  it.runIf(process.platform !== "win32")("is refused while others may read it", async () => {
    const keyFile = `${tempPath()}.key`;
    const path = await createWith({ keyFile });
    for (const mode of [0o640, 0o604, 0o660, 0o601]) {
      chmodSync(keyFile, mode);
      const error = await rejection(openKeystore(path, { root: { keyFile } }));
      expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_ROOT_KEY" });
      expect(error.message).toContain(`chmod 600 ${keyFile}`);
    }
    chmodSync(keyFile, 0o400);
    await openWith(path, { keyFile });
  });

  it("is missed, and its text is never in the error", async () => {
    const keyFile = `${tempPath()}.key`;
    const path = await createWith({ keyFile });
    const text = readFileSync(keyFile, "utf8").trim();
    for (const wrong of [
      "",
      text.slice(0, -1),
      `${text}A`,
      text.replace("env-root-1.", ""),
      text.replace("env-root-1", "env-root-2"),
      `${text}\n\n`,
      ` ${text}`,
      `${text}=`,
      "x".repeat(1000),
    ]) {
      writeFileSync(keyFile, wrong);
      const error = await rejection(openKeystore(path, { root: { keyFile } }));
      expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_ROOT_KEY" });
      expect(error.message).not.toContain(text.slice(11, 20));
    }
    for (const right of [text, `${text}\n`, `${text}\r\n`]) {
      writeFileSync(keyFile, right);
      await openWith(path, { keyFile });
    }
    writeFileSync(keyFile, generateRootKey());
    expect(await code(openKeystore(path, { root: { keyFile } }))).toBe(
      "ERR_ENVELOPE_KEYSTORE_ROOT_KEY",
    );
    rmSync(keyFile);
    const error = await rejection(openKeystore(path, { root: { keyFile } }));
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_ROOT_KEY" });
    expect(error.message).toContain("ENOENT");
  });
});

describe("an environment variable", () => {
  it("opens with the same text, and says when it is not set", async () => {
    onTestFinished(() => void vi.unstubAllEnvs());
    vi.stubEnv("KMS_TEST_ROOT", generateRootKey());
    const root = { environment: "KMS_TEST_ROOT" };
    const path = await createWith(root);
    await openWith(path, root);
    vi.stubEnv("KMS_TEST_ROOT", generateRootKey());
    expect(await code(openKeystore(path, { root }))).toBe("ERR_ENVELOPE_KEYSTORE_ROOT_KEY");
    vi.stubEnv("KMS_TEST_ROOT", undefined);
    const error = await rejection(openKeystore(path, { root }));
    expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_ROOT_KEY" });
    expect(error.message).toContain("KMS_TEST_ROOT is not set");
  });
});

describe("a passphrase", () => {
  it("opens as text in any normal form, as bytes, or from a function", async () => {
    const path = await createWith({ ...PASSPHRASE, passphrase: "caf\u00e9" });
    await openWith(path, { passphrase: "cafe\u0301" });
    await openWith(path, { passphrase: new TextEncoder().encode("caf\u00e9") });
    await openWith(path, { passphrase: async () => "caf\u00e9" });
    expect(await code(openKeystore(path, { root: { passphrase: "cafe" } }))).toBe(
      "ERR_ENVELOPE_KEYSTORE_ROOT_KEY",
    );
  });

  it("must not be empty", async () => {
    expect(await code(createWith({ passphrase: "" }))).toBe("ERR_ENVELOPE_KEYSTORE_ROOT_KEY");
    expect(await code(createWith({ passphrase: new Uint8Array(0) }))).toBe(
      "ERR_ENVELOPE_KEYSTORE_ROOT_KEY",
    );
  });

  it("does not wipe the caller's bytes", async () => {
    const passphrase = Uint8Array.of(1, 2, 3);
    await createWith({ ...PASSPHRASE, passphrase });
    expect(passphrase).toEqual(Uint8Array.of(1, 2, 3));
  });

  // Requirements: F13
  it("takes only N from 2^15 to 2^20, before any memory is spent", async () => {
    for (const scryptN of [2 ** 14, 2 ** 21, 2 ** 15 + 1, 0, -1, Number.NaN, Infinity]) {
      expect(await code(createWith({ passphrase: "x", scryptN }))).toBe("RangeError");
      const facts = { kind: "passphrase", n: scryptN, salt: "AAAA" } as const;
      const passphrase = vi.fn<() => Promise<string>>(async () => "x");
      const call = sourceKey({ passphrase }, facts, keystoreId);
      expect(await code(call)).toBe("ERR_ENVELOPE_KEYSTORE_ROOT_KEY");
      expect(passphrase).not.toHaveBeenCalled();
    }
  });

  it("uses N = 2^17 by default", async () => {
    const { facts } = await newSourceKey({ passphrase: "x" }, keystoreId);
    expect(facts).toMatchObject({ kind: "passphrase", n: 2 ** 17 });
  });

  it("derives with scrypt, r = 8 and p = 1", async () => {
    const salt = Buffer.from("AAECAwQFBgcICQoLDA0ODw", "base64url");
    const { scryptSync } = await import("node:crypto");
    const options = { N: 2 ** 15, r: 8, p: 1, maxmem: 2 ** 26 };
    const facts = { kind: "passphrase", n: 2 ** 15, salt: salt.toString("base64url") } as const;
    const key = await sourceKey({ passphrase: "secret" }, facts, keystoreId);
    expect(key.export()).toEqual(scryptSync("secret", salt, 32, options));
  });
});

describe("a CMK", () => {
  const kms = new MemoryKms();
  const id = kms.createKey();

  it("wraps the root key bound to this keystore, and unwraps it", async () => {
    const contexts: unknown[] = [];
    const inner = kms.driver(id);
    const driver: CmkDriver = {
      ...inner,
      unwrap: (request) => {
        contexts.push({ ...request.context.map });
        return inner.unwrap(request);
      },
    };
    const cmk = new Cmk(driver);
    const path = await createWith({ cmk });
    await openWith(path, { cmk });
    expect(contexts).toEqual([
      {
        purpose: "keystore root key",
        keystore: expect.stringMatching(/^[0-9a-f-]{36}$/),
        "env:format": "1",
      },
    ]);
  });

  it("must be the one it was made with", async () => {
    const path = await createWith({ cmk: new Cmk(kms.driver(id)) });
    const other = new Cmk(kms.driver(kms.createKey()));
    expect(await code(openKeystore(path, { root: { cmk: other } }))).toBe(
      "ERR_ENVELOPE_KEYSTORE_ROOT_KEY",
    );
  });

  it("passes on why it could not answer", async () => {
    const own = kms.createKey();
    const cmk = new Cmk(kms.driver(own));
    const path = await createWith({ cmk });
    kms.fail(own, "ERR_ENVELOPE_KMS_UNAVAILABLE");
    expect(await code(openKeystore(path, { root: { cmk } }))).toBe("ERR_ENVELOPE_KMS_UNAVAILABLE");
    kms.fail(own, "ERR_ENVELOPE_KMS_ACCESS_DENIED");
    expect(await code(openKeystore(path, { root: { cmk } }))).toBe(
      "ERR_ENVELOPE_KMS_ACCESS_DENIED",
    );
  });
});

it("asks for the kind of source that the keystore was made with", async () => {
  const keyFile = `${tempPath()}.key`;
  const path = await createWith({ keyFile });
  const error = await rejection(openKeystore(path, { root: { passphrase: "x" } }));
  expect(error).toMatchObject({ code: "ERR_ENVELOPE_KEYSTORE_ROOT_KEY" });
  expect(error.message).toContain("key-file");
});

it("takes no other kinds", async () => {
  for (const root of [undefined, null, {}, { keyFile: 5 }, "dev.key"]) {
    const call = createKeystore(tempPath(), { root: root as unknown as RootKeySource });
    expect(await code(call)).toBe("TypeError");
  }
});

it("makes root keys that differ", () => {
  expect(generateRootKey()).toMatch(/^env-root-1\.[A-Za-z0-9_-]{43}$/);
  expect(generateRootKey()).not.toBe(generateRootKey());
});
