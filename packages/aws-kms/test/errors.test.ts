import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { errorCodes } from "@env/core";
import type { KmsFailureCode } from "@env/core/driver";
import * as sdk from "@aws-sdk/client-kms";
import { describe, expect, it } from "vitest";
import { AwsKmsError, classify, codes, withoutSecrets } from "../src/errors.ts";

const arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const user =
  "User: arn:aws:sts::111122223333:assumed-role/app/me@example.org is not authorized to perform: kms:Decrypt";
const foreign =
  "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not allowed to access.";

const requestId = "0b4c1f00-0000-4000-8000-000000000001";

/** As the SDK makes them. */
function sdkError(name: string, message = "UnknownError", httpStatusCode = 400): Error {
  const $metadata = { httpStatusCode, requestId, attempts: 1 };
  return Object.assign(new Error(message), { name, $fault: "client", $metadata });
}

/** The README's table: every name in it, with its code. */
const documented = readFileSync(`${import.meta.dirname}/../README.md`, "utf8")
  .split("\n")
  .flatMap((line) => {
    const [, names, code] = /^\| (.*?) +\| `(ERR_ENVELOPE_KMS_[A-Z_]+)` +\|$/.exec(line) ?? [];
    const found =
      names?.match(
        /\b(?:[A-Z][A-Za-z]+)?(?:Exception|Error|Throttling|Exceeded|Failure|Unavailable|Timeout|Token|TokenId|Required|Answer)\b/g,
      ) ?? [];
    return found.map((name) => [name, code as KmsFailureCode] as const);
  });

describe("every error that the README names has the code it says", () => {
  it("and no other has one", () => {
    const named = documented.filter(([, code]) => code !== "ERR_ENVELOPE_KMS_ERROR");
    expect(Object.fromEntries(named)).toEqual(codes);
  });

  it.each(documented)("%s is %s", (name, code) => {
    expect(classify(sdkError(name))).toBe(code);
    expect(classify(withoutSecrets(sdkError(name), "Decrypt"))).toBe(code);
  });
});

it("names every error that the service model gives to the operations in use", () => {
  // Source: the service model of AWS KMS
  const modelled = [
    sdk.NotFoundException,
    sdk.DisabledException,
    sdk.InvalidArnException,
    sdk.InvalidCiphertextException,
    sdk.IncorrectKeyException,
    sdk.InvalidKeyUsageException,
    sdk.KeyUnavailableException,
    sdk.DependencyTimeoutException,
    sdk.InvalidGrantTokenException,
    sdk.KMSInternalException,
    sdk.KMSInvalidStateException,
  ];
  for (const Modelled of modelled) {
    const thrown = new Modelled({ $metadata: {}, message: "" });
    expect(classify(thrown), thrown.name).not.toBe("ERR_ENVELOPE_KMS_ERROR");
  }
});

it.each([
  ["ECONNREFUSED", "ERR_ENVELOPE_KMS_UNAVAILABLE"],
  ["ECONNRESET", "ERR_ENVELOPE_KMS_UNAVAILABLE"],
  ["ENOTFOUND", "ERR_ENVELOPE_KMS_UNAVAILABLE"],
  ["EAI_AGAIN", "ERR_ENVELOPE_KMS_UNAVAILABLE"],
  ["CERT_HAS_EXPIRED", "ERR_ENVELOPE_KMS_ERROR"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "ERR_ENVELOPE_KMS_ERROR"],
])("code %s is %s", (code, expected) => {
  const thrown = Object.assign(new Error("x"), { code });
  expect(classify(thrown)).toBe(expected);
  const error = withoutSecrets(thrown, "Decrypt");
  expect(classify(error)).toBe(expected);
  expect(error.message).toMatch(`Decrypt: Error (${code}); `);
  expect(error.hint).toContain(
    expected === "ERR_ENVELOPE_KMS_UNAVAILABLE"
      ? "or try again"
      : "the certificate is not accepted",
  );
});

it.each([
  [200, "ERR_ENVELOPE_KMS_ERROR"],
  [302, "ERR_ENVELOPE_KMS_UNAVAILABLE"],
  [400, "ERR_ENVELOPE_KMS_ERROR"],
  [403, "ERR_ENVELOPE_KMS_ERROR"],
  [429, "ERR_ENVELOPE_KMS_THROTTLED"],
  [500, "ERR_ENVELOPE_KMS_UNAVAILABLE"],
  [503, "ERR_ENVELOPE_KMS_UNAVAILABLE"],
])("an error without a name of AWS and with status %i is %s", (status, code) => {
  const thrown = sdkError("Unknown", "UnknownError", status);
  expect(classify(thrown)).toBe(code);
  expect(classify(withoutSecrets(thrown, "Decrypt"))).toBe(code);
});

it.each([
  ["pending deletion", "ERR_ENVELOPE_KMS_KEY_STATE"],
  ["pending import", "ERR_ENVELOPE_KMS_KEY_STATE"],
  ["unavailable", "ERR_ENVELOPE_KMS_KEY_STATE"],
  ["creating", "ERR_ENVELOPE_KMS_UNAVAILABLE"],
  ["updating", "ERR_ENVELOPE_KMS_UNAVAILABLE"],
])("a key that is %s is %s", (state, code) => {
  const thrown = sdkError("KMSInvalidStateException", `${arn} is ${state}.`);
  expect(classify(thrown)).toBe(code);
  const error = withoutSecrets(thrown, "Decrypt");
  expect(classify(error)).toBe(code);
  expect(error.keyState).toBe(state);
  expect(errorCodes[classify(error)].retryable ?? false).toBe(
    code === "ERR_ENVELOPE_KMS_UNAVAILABLE",
  );
});

it("takes a denial that is about the bytes for what it is", () => {
  for (const message of [foreign, `${foreign} `, `${user} ${foreign.toLowerCase()}`, "denied"]) {
    const thrown = sdkError("AccessDeniedException", message);
    const code =
      message === foreign ? "ERR_ENVELOPE_KMS_REJECTED" : "ERR_ENVELOPE_KMS_ACCESS_DENIED";
    expect(classify(thrown), message).toBe(code);
    expect(classify(withoutSecrets(thrown, "Decrypt")), message).toBe(code);
  }
});

describe("what remains of an error", () => {
  it.each([
    `${user} on resource: ${arn} because no identity-based policy allows the kms:Decrypt action`,
    `${user} on resource: ${arn} because no resource-based policy allows the kms:Decrypt action`,
    `${user} on resource: ${arn} with an explicit deny in a resource-based policy`,
    `${user} on resource: ${arn} with an explicit deny in an identity-based policy: arn:aws:iam::111122223333:policy/no`,
    `${user} on resource: ${arn} because no permissions boundary allows the kms:Decrypt action`,
    `${user} on this resource because the resource does not exist in this Region, no resource-based policies allow access, or a resource-based policy explicitly denies access`,
  ])("is who may not do what: %s", (message) => {
    const error = withoutSecrets(sdkError("AccessDeniedException", message), "Decrypt");
    expect(error.message).toBe(
      `Decrypt: AccessDeniedException (HTTP 400, request ${requestId}); ${message.replace(/ on (?:resource: \S+|this resource)/, "").replace(/: arn:\S+$/, "")}`,
    );
  });

  it.each([
    "SECRET",
    `${user} on resource: ${arn} because of {"tenant":"SECRET"}`,
    `${user} on resource: ${arn} because no SECRET policy allows the kms:Decrypt action`,
    `${user.replace("role/app", `role/${"SECRET".repeat(11)}`)} on resource: ${arn} with an explicit deny in a session policy`,
    `${user} on resource: ${arn} because SECRET\nSECRET`,
    `SECRET ${user} on resource: ${arn} because no policy allows it`,
    `${user} on resource: ${arn} because ${"SECRET ".repeat(200)}`,
  ])("is none of the server's other words: %j", (message) => {
    const error = withoutSecrets(sdkError("AccessDeniedException", message), "Decrypt");
    expect(error.message).toBe(`Decrypt: AccessDeniedException (HTTP 400, request ${requestId})`);
    expect(inspect(error, { showHidden: true, depth: 10 })).not.toContain("SECRET");
  });

  it("is nothing of the HTTP exchange", () => {
    const $response = { headers: { authorization: "SECRET" }, body: "SECRET" };
    const thrown = Object.assign(sdkError("ThrottlingException", "SECRET"), {
      $response,
      $responseBodyText: "SECRET",
      cause: new Error("SECRET"),
      code: "SECRET SECRET",
      __type: "SECRET",
    });
    Object.assign(thrown, {
      $metadata: { httpStatusCode: 400, requestId: "SECRET\n", attempts: 3 },
    });
    const error = withoutSecrets(thrown, "GenerateDataKey");
    expect(error).toBeInstanceOf(AwsKmsError);
    expect(error).toMatchObject({
      name: "ThrottlingException",
      message: "GenerateDataKey: ThrottlingException (HTTP 400, 3 attempts)",
      operation: "GenerateDataKey",
      httpStatus: 400,
      attempts: 3,
      requestId: undefined,
      code: undefined,
    });
    expect(inspect(error, { showHidden: true, depth: 10 })).not.toContain("SECRET");
  });

  it("shows no name, code or id that a server made up", () => {
    const madeUp = Buffer.alloc(32, 7).toString("base64url");
    const thrown = Object.assign(sdkError(madeUp), { code: madeUp });
    Object.assign(thrown, { $metadata: { httpStatusCode: 400, requestId: madeUp } });
    const error = withoutSecrets(thrown, "Decrypt");
    expect(error.message).toBe("Decrypt: UnknownError (HTTP 400)");
    expect(inspect(error, { showHidden: true, depth: 10 })).not.toContain(madeUp);
    for (const name of ["ValidationException", "DryRunOperationException"]) {
      expect(withoutSecrets(sdkError(name), "Decrypt").name).toBe(name);
    }
  });

  it("does not show a name that could be a message", () => {
    for (const name of ["SECRET SECRET", "S".repeat(64), "", 1, undefined]) {
      const error = withoutSecrets({ name }, "Decrypt");
      expect(error.name).toBe("UnknownError");
    }
  });

  it.each([undefined, null, "SECRET", 1, Symbol("SECRET"), Object.create(null)])(
    "is an error, also of %o",
    (thrown) => {
      const error = withoutSecrets(thrown, "Decrypt");
      expect(error.message).toBe("Decrypt: UnknownError");
      expect(classify(error)).toBe("ERR_ENVELOPE_KMS_ERROR");
    },
  );

  it("says of an answer that cannot be parsed only that", () => {
    for (const name of ["SyntaxError", "TypeError", "RangeError"]) {
      const error = withoutSecrets(sdkError(name, "Unexpected SECRET", 200), "Decrypt");
      expect(error.name).toBe("UnreadableAnswer");
      expect(error.message).not.toContain("SECRET");
      expect(classify(error)).toBe("ERR_ENVELOPE_KMS_UNAVAILABLE");
      // Without an answer it is a bug, ours or the SDK's.
      const bug = withoutSecrets(Object.assign(new Error("x"), { name }), "Decrypt");
      expect(classify(bug)).toBe("ERR_ENVELOPE_KMS_ERROR");
    }
  });

  it("stays what it is, and gets the operation where it had none", () => {
    const error = new AwsKmsError("SdkMissing", { hint: "install it" });
    const named = withoutSecrets(error, "Decrypt");
    expect(named.message).toBe("Decrypt: SdkMissing; install it");
    expect(withoutSecrets(named, "Encrypt")).toBe(named);
  });
});

it.each([undefined, null, "NotFoundException", new Error("x"), { name: "toString" }, { name: 1 }])(
  "has no name for %o",
  (error) => {
    expect(classify(error)).toBe("ERR_ENVELOPE_KMS_ERROR");
  },
);
