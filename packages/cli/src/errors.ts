/**
 * What the command says when something goes wrong, and the exit code it ends with.
 *
 * Scripts act on the exit code or on `code` of the JSON form; people read `error:` and `hint:`. The
 * tables below are the source of `envelope help exit-codes`, of the README and of the tests.
 *
 * @module
 */
import { resolve } from "node:path";
import {
  errorCodes,
  isEnvelopeError,
  type Attempt,
  type EnvelopeError,
  type EnvelopeErrorCode,
} from "@env/core";
import { isKmsError, type KmsErrorName } from "@env/kms";

/** What each exit code means. */
export const exitCodes = {
  0: "Done.",
  1: "An unexpected error: a bug here or in a CMK driver.",
  2: "The command line is wrong, or asks for what cannot be done.",
  3: "The data was refused: not a message, cut, altered, or another context or aad.",
  4: "No key: no configured CMK fits, or its KMS denies access, or the key is disabled or gone.",
  5: "The KMS cannot be reached, sheds load, is locked or failed; trying again may help.",
  6: "The configuration or the keystore is missing, malformed or cannot be opened.",
  7: "A file exists already, or cannot be read or written.",
  8: "Some of several files failed; each is named.",
  9: "The answer is no: access denied, a faulty policy, an unmet expectation, an altered audit log, a keystore that differs from its seed, a CMK that lacks something.",
  130: "Interrupted; nothing half-written is left.",
} as const;

export type ExitCode = keyof typeof exitCodes;

const byCode = {
  ERR_ENVELOPE_FORMAT: 3,
  ERR_ENVELOPE_UNSUPPORTED: 3,
  ERR_ENVELOPE_TRUNCATED: 3,
  ERR_ENVELOPE_DECRYPT: 3,
  ERR_ENVELOPE_INVALID_CONTEXT: 3,
  ERR_ENVELOPE_LIMIT: 3,
  ERR_ENVELOPE_KMS_REJECTED: 3,
  ERR_ENVELOPE_NO_KEY: 4,
  ERR_ENVELOPE_KMS_KEY_NOT_FOUND: 4,
  ERR_ENVELOPE_KMS_KEY_STATE: 4,
  ERR_ENVELOPE_KMS_ACCESS_DENIED: 4,
  ERR_ENVELOPE_KMS_THROTTLED: 5,
  ERR_ENVELOPE_KMS_UNAVAILABLE: 5,
  ERR_ENVELOPE_KMS_ERROR: 5,
  ERR_ENVELOPE_KEYSTORE_BUSY: 5,
  ERR_ENVELOPE_CONFIG: 6,
  ERR_ENVELOPE_KEYSTORE_FORMAT: 6,
  ERR_ENVELOPE_KEYSTORE_ROOT_KEY: 6,
  ERR_ENVELOPE_KEYSTORE_IO: 6,
  ERR_ENVELOPE_KEYSTORE_SQLITE: 6,
  ERR_ENVELOPE_NOT_HELD: 1,
  ERR_ENVELOPE_DRIVER: 1,
  ERR_ENVELOPE_CLOSED: 1,
} as const satisfies Record<EnvelopeErrorCode, ExitCode>;

const byKmsName: Readonly<Partial<Record<KmsErrorName, ExitCode>>> = {
  AccessDeniedException: 4,
  DisabledException: 4,
  KMSInvalidStateException: 4,
  NotAuthorizedException: 4,
  NotFoundException: 4,
};

/** The exit code of an error code of core. */
export function exitCodeOf(code: EnvelopeErrorCode): ExitCode {
  return byCode[code];
}

export type CommandErrorCode =
  | "ERR_CLI_USAGE"
  | "ERR_CLI_FILE"
  | "ERR_CLI_RANGE"
  | "ERR_CLI_SOME_FAILED"
  | "ERR_CLI_INTERRUPTED";

const byCommandCode: Readonly<Record<CommandErrorCode, ExitCode>> = {
  ERR_CLI_USAGE: 2,
  ERR_CLI_FILE: 7,
  ERR_CLI_RANGE: 2,
  ERR_CLI_SOME_FAILED: 8,
  ERR_CLI_INTERRUPTED: 130,
};

/** What goes wrong in the command itself. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  readonly code: CommandErrorCode;
  readonly hint: string | undefined;

  constructor(code: CommandErrorCode, message: string, hint?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
  }
}

export function usageError(message: string, hint?: string): CommandError {
  return new CommandError("ERR_CLI_USAGE", message, hint);
}

export function interrupted(): CommandError {
  return new CommandError("ERR_CLI_INTERRUPTED", "interrupted");
}

/** The reader of our output is gone, as with `| head`: no error, just the end. */
export class OutputClosed extends Error {
  override readonly name = "OutputClosed";
}

/**
 * Nothing went wrong: what was asked has been answered on stdout, and the answer is no. Exit code 9, so that
 * it is told from a question that could not be answered.
 */
export class NegativeAnswer extends Error {
  override readonly name = "NegativeAnswer";
}

/** What went wrong with one of the inputs. */
export class InputError extends Error {
  override readonly name = "InputError";
  readonly path: string;
  /** `:3:5`, or nothing. */
  readonly position: string;

  constructor(path: string, cause: unknown, position = "") {
    super(path, { cause });
    this.path = path;
    this.position = position;
  }
}

/** What a failed call to the file system means, by `errno`; elsewhere Node's own words are not shown. */
const fileProblems: Readonly<Record<string, readonly [problem: string, hint?: string]>> = {
  ENOENT: ["there is no such file or folder"],
  ENOTDIR: ["a part of the path is not a folder"],
  EISDIR: ["it is a folder"],
  EACCES: ["permission denied", "check the permissions of the file and of its folder"],
  EPERM: ["permission denied", "check the permissions of the file and of its folder"],
  EROFS: ["the file system is read-only"],
  ENOSPC: ["no space is left on the device", "free some space, or write elsewhere with -o"],
  EDQUOT: ["the disk quota is used up", "free some space, or write elsewhere with -o"],
  EFBIG: ["the file system does not take files of this size"],
  ENAMETOOLONG: ["the name is too long", "choose a shorter one with -o"],
  ELOOP: ["too many symbolic links"],
  EMFILE: ["too many files are open"],
  EIO: ["the device reports an error"],
};

/** What node-stream means where it refuses a file by itself, with no call to the file system that failed. */
const refusals: Readonly<Record<string, readonly [problem: string, hint: string]>> = {
  EEXIST: ["it exists already", "add --force to replace it, or choose another name with -o"],
  ELOOP: ["it is a symbolic link", "choose another name"],
  EISDIR: ["it is a folder", "choose another name"],
  EINVAL: ["it is not a regular file", "choose another name"],
  EBUSY: ["something else is writing to it", "try again once nothing does"],
};

/**
 * An error of the file system, or of node-stream as it refuses a file. Other errors are returned as
 * they are.
 *
 * @param path - The file it is about.
 */
export function fileError(path: string, error: unknown): unknown {
  if (!(error instanceof Error) || !("code" in error)) return error;
  const code = String(error.code);
  const name = path === "" ? '""' : path;
  if ("syscall" in error) {
    const [problem, hint] = fileProblems[code] ?? [`it cannot be read or written (${code})`];
    return new CommandError("ERR_CLI_FILE", `${name}: ${problem}`, hint, error);
  }
  if (!/^E[A-Z0-9]+$/.test(code)) return error;
  const about = "path" in error ? resolve(String(error.path)) : undefined;
  const refusal = about === resolve(path) ? refusals[code] : undefined;
  // What is about another file, such as a lock in the way, names it and says what to do.
  const [message, hint] =
    refusal === undefined
      ? [error.message.replace(`${code}: `, ""), undefined]
      : [`${name}: ${refusal[0]}`, refusal[1]];
  return new CommandError("ERR_CLI_FILE", message, hint, error);
}

/** One error, as it is reported. Nothing in it is secret. */
export interface ErrorReport {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  readonly attempts: readonly Attempt[];
  readonly exitCode: ExitCode;
  /** The input it is about, where there is one. */
  readonly path?: string;
}

/** What to report of anything that was thrown. */
export function reportOf(error: unknown): ErrorReport {
  if (error instanceof InputError) {
    const { path, position, cause } = error;
    const report = reportOf(cause);
    // Errors of the command name the file they are about, which may be the output.
    const message =
      cause instanceof CommandError ? cause.message : `${path}${position}: ${report.message}`;
    return { ...report, message, path };
  }
  if (error instanceof CommandError) {
    const { code, message, hint } = error;
    return { code, message, hint, attempts: [], exitCode: byCommandCode[code] };
  }
  if (isEnvelopeError(error)) {
    const { code, message, attempts } = error;
    const cause = causeOf(error);
    return { code, message, hint: hintOf(cause), attempts, exitCode: exitCodeOf(cause) };
  }
  if (isKmsError(error)) {
    const { name, message } = error;
    const exitCode = byKmsName[name] ?? 2;
    const hint =
      name === "NotFoundException" ? "`envelope keys list` shows what there is" : undefined;
    return { code: name, message, hint, attempts: [], exitCode };
  }
  return {
    code: "ERR_CLI_UNEXPECTED",
    message: `unexpected: ${error instanceof Error ? error.message : String(error)}`,
    hint: "set ENVELOPE_DEBUG=1 for the stack, and please report this",
    attempts: [],
    exitCode: 1,
  };
}

/** Core's next step, in the command's words where core speaks of code. */
function hintOf(code: EnvelopeErrorCode): string {
  const { next } = errorCodes[code];
  return hints[code] ?? `${next.charAt(0).toLowerCase()}${next.slice(1).replace(/\.$/, "")}`;
}

const hints: Readonly<Partial<Record<EnvelopeErrorCode, string>>> = {
  ERR_ENVELOPE_NO_KEY:
    "`envelope inspect` lists the keys; configure one of them, or give it with --cmk",
  ERR_ENVELOPE_DECRYPT: "check --context and --aad first: they must be those of the encryption",
  ERR_ENVELOPE_KMS_REJECTED: "check --context first: it must be that of the encryption",
  ERR_ENVELOPE_INVALID_CONTEXT:
    "give --context key=value as for the encryption, within the limits, or --no-context for none",
  ERR_ENVELOPE_KMS_UNAVAILABLE: "try again",
  ERR_ENVELOPE_KMS_ERROR: "set ENVELOPE_DEBUG=1 for the cause",
};

/**
 * The code to act on. Core answers `ERR_ENVELOPE_DECRYPT` also where every CMK that was called is disabled or
 * gone; whoever runs a command can do something about that.
 */
function causeOf({ code, attempts }: EnvelopeError): EnvelopeErrorCode {
  const [first] = attempts;
  if (code !== "ERR_ENVELOPE_DECRYPT" || first === undefined) return code;
  const alike = attempts.every((attempt) => attempt.code === first.code);
  return alike && exitCodeOf(first.code) === 4 ? first.code : code;
}
