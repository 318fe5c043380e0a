import { EnvelopeError, errorCodes, type EnvelopeErrorCode } from "@env/core";
import { KmsError } from "@env/kms";
import { describe, expect, it } from "vitest";
import {
  exitCodeOf,
  exitCodes,
  fileError,
  HintedError,
  InputError,
  reportOf,
} from "../src/errors.ts";
import { exitCodesText } from "../src/commands/help.ts";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

const codes = Object.keys(errorCodes) as EnvelopeErrorCode[];

describe("exit codes", () => {
  it.each(codes)("%s has one that is documented", (code) => {
    expect(Object.keys(exitCodes)).toContain(String(exitCodeOf(code)));
    expect(exitCodeOf(code)).not.toBe(0);
  });

  it("retryable codes are those that end in 5, whatever failed otherwise aside", () => {
    const retryable = codes.filter((code) => errorCodes[code].retryable);
    expect(retryable.length).toBeGreaterThan(2);
    for (const code of retryable) expect(exitCodeOf(code)).toBe(5);
    expect(codes.filter((code) => exitCodeOf(code) === 5 && !errorCodes[code].retryable)).toEqual([
      "ERR_ENVELOPE_KMS_ERROR",
    ]);
  });

  it("are written in the README as in the table", () => {
    const readme = readFileSync(`${import.meta.dirname}/../README.md`, "utf8");
    for (const [code, meaning] of Object.entries(exitCodes)) {
      expect(readme).toMatch(
        new RegExp(`^\\| ${code} +\\| ${meaning.replaceAll(".", "\\.")} +\\|$`, "m"),
      );
    }
    expect(exitCodesText().split("\n")).toHaveLength(Object.keys(exitCodes).length);
  });
});

describe("reportOf", () => {
  const attempt = (
    code: EnvelopeErrorCode,
  ): { provider: string; keyId: string; code: typeof code } => ({
    provider: "local-file",
    keyId: "alias/app",
    code,
  });

  it("names the input in front of what core says", () => {
    const report = reportOf(
      new InputError("a.envelope", new EnvelopeError("ERR_ENVELOPE_FORMAT", "no")),
    );
    expect(report).toMatchObject({
      code: "ERR_ENVELOPE_FORMAT",
      message: "a.envelope: no",
      path: "a.envelope",
      exitCode: 3,
    });
  });

  it("gives the advice of the command in place of the code's", () => {
    const error = new KmsError("NotFoundException", "There is no principal user/x");
    const report = reportOf(new HintedError("list the users", error));
    expect(report).toEqual({ ...reportOf(error), hint: "list the users" });
    expect(report.exitCode).toBe(4);
  });

  it("advises to check the context only where the key did not fit", () => {
    const hintOf = (code: EnvelopeErrorCode, attempts: ReturnType<typeof attempt>[]): unknown =>
      reportOf(new EnvelopeError(code, "no", { attempts })).hint;
    expect(hintOf("ERR_ENVELOPE_DECRYPT", [attempt("ERR_ENVELOPE_DECRYPT")])).toMatch(/--context/);
    expect(hintOf("ERR_ENVELOPE_DECRYPT", [])).toBeUndefined();
  });

  it("adds no advice to messages that hold it already", () => {
    for (const code of ["ERR_ENVELOPE_CONFIG", "ERR_ENVELOPE_KEYSTORE_IO", "ERR_ENVELOPE_FORMAT"]) {
      const error = new EnvelopeError(code as EnvelopeErrorCode, "wrong; do this");
      expect(reportOf(error).hint).toBeUndefined();
    }
  });

  it("speaks of the command's own tools for a local keystore, and of no others for other KMSs", () => {
    const hintFor = (provider: string): unknown => {
      const attempts = [{ provider, keyId: "k", code: "ERR_ENVELOPE_KMS_KEY_NOT_FOUND" as const }];
      return reportOf(new EnvelopeError("ERR_ENVELOPE_KMS_KEY_NOT_FOUND", "no", { attempts })).hint;
    };
    expect(hintFor("local-file")).toMatch(/envelope keys list/);
    expect(hintFor("aws-kms")).toMatch(/region and account/);
  });

  it("has exit code 4 for keys that are disabled or gone: the data is in order", () => {
    const attempts = [attempt("ERR_ENVELOPE_KMS_KEY_STATE"), attempt("ERR_ENVELOPE_KMS_REJECTED")];
    const error = new EnvelopeError("ERR_ENVELOPE_KEY_UNUSABLE", "no", { attempts });
    expect(reportOf(error)).toMatchObject({
      code: "ERR_ENVELOPE_KEY_UNUSABLE",
      exitCode: 4,
      hint: expect.stringContaining("keys enable"),
    });
  });

  it.each([
    ["NotFoundException", 4],
    ["AccessDeniedException", 4],
    ["ValidationException", 2],
  ] as const)("gives %s of the KMS exit code %i", (name, exitCode) => {
    expect(reportOf(new KmsError(name, "no"))).toMatchObject({ code: name, exitCode });
  });

  it("shows a short line for what nobody foresaw", () => {
    expect(reportOf(new RangeError("odd"))).toMatchObject({
      code: "ERR_CLI_UNEXPECTED",
      message: "unexpected: odd",
      exitCode: 1,
    });
    expect(reportOf("odd").message).toBe("unexpected: odd");
  });
});

describe("fileError", () => {
  it("names the path and the problem, and keeps the cause", () => {
    const cause = Object.assign(new Error("ENOSPC: no space"), {
      code: "ENOSPC",
      syscall: "write",
    });
    const error = fileError("x", cause);
    expect(error).toMatchObject({
      code: "ERR_CLI_FILE",
      message: "x: no space is left on the device",
      cause,
    });
  });

  it("tells in the words of the command what node-stream refuses, and of what else as it says", () => {
    const refused = (code: string, path: string): Error =>
      Object.assign(new Error(`${code}: as the library says it`), { code, path });
    expect(fileError("x", refused("EEXIST", "x"))).toMatchObject({
      code: "ERR_CLI_FILE",
      message: "x: it already exists",
      hint: expect.stringContaining("--force"),
    });
    expect(fileError("./x", refused("EBUSY", resolve("x")))).toMatchObject({
      message: "./x: something else is writing to it",
    });
    for (const error of [refused("EEXIST", ".x.envelope-lock"), refused("ENOTSUP", "x")]) {
      expect(fileError("x", error)).toMatchObject({
        message: "as the library says it",
        hint: undefined,
      });
    }
  });

  it("leaves other errors alone", () => {
    const others = [
      new EnvelopeError("ERR_ENVELOPE_DECRYPT", "no"),
      new Error("no"),
      Object.assign(new Error("no"), { code: "ERR_INVALID_ARG_TYPE", path: "x" }),
    ];
    for (const error of others) expect(fileError("x", error)).toBe(error);
  });
});
