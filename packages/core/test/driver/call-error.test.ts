import { inspect } from "node:util";
import {
  failuresOf,
  hintIfDenied,
  codesOf,
  isTlsCode,
  keyBlockLimits,
  KmsCallError,
  networkCodes,
  type KmsCallFacts,
} from "@env/core/driver";
import { describe, expect, it, onTestFinished, vi } from "vitest";

interface Facts extends KmsCallFacts {
  readonly reason?: string;
}

class ExampleError extends KmsCallError<Facts> {
  readonly reason: string | undefined;

  constructor(name: string, facts: Facts) {
    super(name, facts, [facts.reason]);
    this.reason = facts.reason;
  }
}

it("takes the operation that failed, unless it names one", () => {
  const error = new ExampleError("Denied", { hint: "ask" }).during("Decrypt");
  expect(error.message).toBe("Decrypt: Denied; ask");
  expect(error.during("Encrypt")).toBe(error);
});

it("has a table from the names of each code to the code of each name", () => {
  const names = { ERR_ENVELOPE_KMS_REJECTED: ["A", "B"], ERR_ENVELOPE_KMS_ERROR: ["C"] } as const;
  expect(codesOf(names)).toEqual({
    A: "ERR_ENVELOPE_KMS_REJECTED",
    B: "ERR_ENVELOPE_KMS_REJECTED",
    C: "ERR_ENVELOPE_KMS_ERROR",
  });
});

it("says in its message what is known, and only that", () => {
  expect(new ExampleError("Denied", {}).message).toBe("Denied");
  const facts = {
    operation: "Decrypt",
    httpStatus: 403,
    code: "EPIPE",
    reason: "IAM",
    hint: "ask",
  };
  expect(new ExampleError("Denied", facts).message).toBe(
    "Decrypt: Denied (EPIPE, HTTP 403, IAM); ask",
  );
});

it("can be given more facts, and keeps its class and those it has", () => {
  const error = new ExampleError("Denied", { reason: "IAM", hint: "ask" }).with({
    operation: "Encrypt",
  });
  expect(error).toBeInstanceOf(ExampleError);
  expect(error).toMatchObject({ name: "Denied", operation: "Encrypt", reason: "IAM", hint: "ask" });
});

it("loses the hint of another name", () => {
  const error = new ExampleError("Denied", { hint: "ask", reason: "IAM" }).with({
    name: "LoginFailed",
  });
  expect(error).toMatchObject({ name: "LoginFailed", hint: undefined, reason: "IAM" });
});

it("shows each fact once", () => {
  expect(inspect(new ExampleError("Denied", { code: "EPIPE" })).match(/facts/g)).toBeNull();
});

it("knows Node's codes", () => {
  expect(networkCodes.has("ECONNREFUSED")).toBe(true);
  expect(networkCodes.has("CERT_HAS_EXPIRED")).toBe(false);
  expect(["CERT_HAS_EXPIRED", "EPROTO", "ERR_TLS_CERT_ALTNAME_INVALID"].every(isTlsCode)).toBe(
    true,
  );
  expect(isTlsCode("ECONNREFUSED")).toBe(false);
});

describe("the errors that every adapter creates", () => {
  class OwnError extends KmsCallError {}
  const failures = failuresOf(OwnError, "Example KMS");

  it("are of the adapter's class, and name the rule or the way around", () => {
    const invalid = failures.invalidAnswer("Decrypt", "it names no key");
    expect(invalid).toBeInstanceOf(OwnError);
    expect(invalid.message).toBe(
      "Decrypt: InvalidAnswer; not an answer of Example KMS: it names no key",
    );
    expect(failures.insecure("plain HTTP").message).toBe(
      "InsecureTransport; plain HTTP, or pass insecure: true",
    );
  });

  it("are thrown for an answer without a wrapped key that fits into an entry, or without a plaintext", () => {
    const bytes = Uint8Array.of(1, 2);
    for (const take of [failures.wrappedIn, failures.plaintextIn]) {
      const copy = take("Decrypt", bytes);
      expect(copy).toEqual(bytes);
      expect(copy.buffer).not.toBe(bytes.buffer);
    }
    const { wrappedBytes } = keyBlockLimits;
    for (const value of [undefined, "AQI=", new Uint8Array(0), new Uint8Array(wrappedBytes + 1)]) {
      expect(() => failures.wrappedIn("Encrypt", value)).toThrow(
        `Encrypt: InvalidAnswer; not an answer of Example KMS: a wrapped key has 1 to ${wrappedBytes} bytes`,
      );
    }
    expect(failures.wrappedIn("Encrypt", new Uint8Array(wrappedBytes))).toHaveLength(wrappedBytes);
    expect(() => failures.plaintextIn("Decrypt", "AQI=")).toThrow(
      "Decrypt: InvalidAnswer; not an answer of Example KMS: there is no plaintext in it",
    );
    const altered = new OwnError("InvalidAnswer", {});
    const refuse = (): never => {
      throw altered;
    };
    expect(() => failures.plaintextIn("Decrypt", bytes, refuse)).toThrow(altered);
  });

  it("include one for TLS that authenticates nobody", () => {
    failures.requireVerifiedTls();
    vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    onTestFinished(() => {
      vi.unstubAllEnvs();
    });
    expect(failures.requireVerifiedTls).toThrow(
      expect.objectContaining({ name: "InsecureTransport" }),
    );
  });
});

it("replaces the hint of a denied call, and of no other", () => {
  const denied = new KmsCallError("Denied", { operation: "Read", hint: "ask an administrator" });
  const allowing = hintIfDenied(
    (error) => (error === denied ? "ERR_ENVELOPE_KMS_ACCESS_DENIED" : "ERR_ENVELOPE_KMS_ERROR"),
    "name the key",
  );
  expect(() => allowing(denied)).toThrow("Read: Denied; name the key");
  const other = new KmsCallError("Broken", {});
  expect(() => allowing(other)).toThrow(other);
});
