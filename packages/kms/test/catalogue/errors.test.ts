import { expect, it } from "vitest";
import { isKmsError, KmsError, kmsErrors } from "../../src/index.ts";

it("carries AWS's name, which is what is shown", () => {
  const error = new KmsError("DisabledException", "it is disabled");
  expect(error.name).toBe("DisabledException");
  expect(String(error)).toBe("DisabledException: it is disabled");
});

it("is recognised across copies of the package, also by name", () => {
  const error = new KmsError("NotFoundException", "");
  const foreign = Object.assign(new Error("copy"), { [Symbol.for("@env/kms:error")]: true });
  expect(isKmsError(error)).toBe(true);
  expect(isKmsError(foreign)).toBe(true);
  expect(isKmsError(error, "NotFoundException")).toBe(true);
  expect(isKmsError(error, "DisabledException")).toBe(false);
  expect(isKmsError(new Error("NotFoundException"))).toBe(false);
  expect(isKmsError(undefined)).toBe(false);
});

it("has a meaning for every name", () => {
  for (const [name, meaning] of Object.entries(kmsErrors)) {
    expect(name).toMatch(/^[A-Z]\w+Exception$/);
    expect(meaning).toMatch(/\.$/);
  }
});
