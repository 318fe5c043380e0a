import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { classify, codes, nameOf, VaultTransitError, withoutSecrets } from "../src/errors.ts";

const secret = "s3cr3t t0k3n";
const leaky = fc.tuple(fc.string(), fc.string()).map(([a, b]) => `${a}${secret}${b}`);

it("shows nothing of an error's texts, wherever they stand", () => {
  const error = fc.record(
    {
      name: leaky,
      message: leaky,
      code: fc.oneof(leaky, fc.constant("ECONNRESET")),
      config: fc.record({ headers: fc.record({ "X-Vault-Token": leaky }), data: leaky }),
      response: fc.record(
        {
          statusCode: fc.oneof(fc.integer(), leaky),
          body: fc.oneof(leaky, fc.record({ errors: fc.array(leaky), data: leaky })),
        },
        { requiredKeys: [] },
      ),
      cause: leaky,
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(error, (thrown) => {
      const shown = withoutSecrets(Object.assign(new Error(secret), thrown), "decrypt");
      expect(inspect(shown, { showHidden: true, depth: 10 })).not.toContain(secret);
      expect(classify(shown)).toBe(classify(thrown));
    }),
  );
});

it("names whatever is thrown", () => {
  fc.assert(
    fc.property(fc.anything(), (thrown) => {
      expect(classify(thrown)).toMatch(/^ERR_ENVELOPE_KMS_/);
    }),
  );
});

it("knows an error by its text alone where that says more than the status", () => {
  const multi = "1 error occurred:\n\t* refusing to use soft-deleted key\n\n";
  expect(nameOf(500, { errors: [multi] })).toBe("KeyDisabled");
  expect(nameOf(404, { errors: [] })).toBe("KeyNotFound");
  expect(nameOf(404, { errors: ["1 error occurred:\n\t* unsupported path\n\n"] })).toBe(
    "InvalidRequest",
  );
  expect(nameOf(412, { errors: [] })).toBe("Inconsistent");
  expect(nameOf(400, "<html>")).toBe("UnreadableAnswer");
});

describe("VaultTransitError", () => {
  it("says the operation, the status and the next step", () => {
    expect(new VaultTransitError("Sealed", { operation: "decrypt", httpStatus: 503 }).message).toBe(
      "decrypt: Sealed (HTTP 503); an operator has to unseal it",
    );
  });

  it("gets another name with that name's hint", () => {
    const error = new VaultTransitError("AccessDenied", { httpStatus: 400 });
    expect(error.with({ name: "LoginFailed" }).message).toBe(
      "LoginFailed (HTTP 400); check role and secret of the login",
    );
  });
});

it("is listed in the README, every name beside its code", () => {
  const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const listed = new Map(
    [...readme.matchAll(/^\| (.*?) +\| `(ERR_ENVELOPE_KMS_\w+)` +\|$/gm)].flatMap(
      ([, names = "", code]) =>
        [...names.matchAll(/\b[A-Z][a-z]+(?:[A-Z][a-z]+)*\b(?=:|,|;|$)/g)].map(([name]) => [
          name,
          code,
        ]),
    ),
  );
  for (const [name, code] of Object.entries(codes))
    expect([name, listed.get(name)]).toEqual([name, code]);
});
