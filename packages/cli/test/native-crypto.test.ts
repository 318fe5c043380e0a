import { EnvelopeError } from "@env/core";
import { cryptoBackend } from "@env/core/crypto";
import { expect, it } from "vitest";
import { cryptoInUse, useNativeCrypto } from "../src/native-crypto.ts";
import { project } from "./support/command.ts";

it("uses the backend that is installed", async () => {
  expect(await useNativeCrypto(async () => ({ default: cryptoBackend() }))).toBeUndefined();
  expect(cryptoInUse()).toBe(`node (OpenSSL ${process.versions.openssl})`);
});

it("says nothing where the package is not installed", async () => {
  const missing = (name: string) => async (): Promise<never> => {
    throw Object.assign(new Error(`Cannot find package '${name}' imported from here`), {
      code: "ERR_MODULE_NOT_FOUND",
    });
  };
  expect(await useNativeCrypto(missing("@env/native"))).toBeUndefined();
  expect(await useNativeCrypto(missing("a-part-of-it"))).toContain("a-part-of-it");
});

it("says nothing where there is no addon for the platform", async () => {
  const failing = (cause: string) => async (): Promise<never> => {
    throw new EnvelopeError("ERR_ENVELOPE_UNSUPPORTED", "no addon", {
      cause: Object.assign(new Error(), { code: cause }),
    });
  };
  expect(await useNativeCrypto(failing("MODULE_NOT_FOUND"))).toBeUndefined();
  expect(await useNativeCrypto(failing("ERR_DLOPEN_FAILED"))).toBe("no addon");
});

it("is said once on stderr and by config check where it does not load", async () => {
  const problem = await useNativeCrypto(async () => {
    throw new Error("libc is too old");
  });
  expect(problem).toBe("libc is too old");
  const { run } = await project();
  const { code, stdout, stderr } = await run(["config", "check"], { cryptoProblem: problem });
  const inUse = `node (OpenSSL ${process.versions.openssl})`;
  expect(code).toBe(0);
  expect(stdout.toString()).toContain(
    `\ncrypto: ${inUse}; @env/native does not load: libc is too old\n`,
  );
  expect(stderr).toBe(
    `warning: @env/native is installed but does not load, so ${inUse} is used: libc is too old\n`,
  );
});
