/**
 * What the command prints when something goes wrong, and its exit code.
 *
 * Scripts act on the exit code or on `code` in the JSON form; people read `error:` and `hint:`. The
 * tables below are the source of `envelope help exit-codes`, of the README and of the tests.
 *
 * @module
 */
import { resolve } from "node:path";
import {
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
  2: "The command line is wrong, or asks for something impossible.",
  3: "The data was refused: it is not a message, was truncated or altered, or needs another context or AAD.",
  4: "No usable key: no configured CMK fits, its KMS denies access, or the key is disabled or deleted.",
  5: "The KMS is unreachable, throttling, locked or failing. Trying again may help.",
  6: "The configuration or the keystore is missing, malformed or cannot be opened.",
  7: "A file already exists, or a file or an object cannot be read or written.",
  8: "Some of several files failed. Each is named.",
  9: "The answer is no: access denied, a faulty policy, a failed expectation, an altered audit log, a keystore that differs from its seed, or a CMK that lacks a permission.",
  130: "Interrupted. No partial output is left behind.",
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
  ERR_ENVELOPE_KEY_UNUSABLE: 4,
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
  ERR_ENVELOPE_KEYSTORE_UNKNOWN_OUTCOME: 6,
  ERR_ENVELOPE_KEYSTORE_MOVED: 6,
  ERR_ENVELOPE_KEYSTORE_SQLITE: 6,
  ERR_ENVELOPE_NOT_HELD: 1,
  ERR_ENVELOPE_SHREDDED: 1,
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
  | "ERR_CLI_S3"
  | "ERR_CLI_SOME_FAILED"
  | "ERR_CLI_INTERRUPTED";

const byCommandCode: Readonly<Record<CommandErrorCode, ExitCode>> = {
  ERR_CLI_USAGE: 2,
  ERR_CLI_FILE: 7,
  ERR_CLI_RANGE: 2,
  ERR_CLI_S3: 7,
  ERR_CLI_SOME_FAILED: 8,
  ERR_CLI_INTERRUPTED: 130,
};

/** An error of the command itself. */
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

/** The reader of our output is gone, as with `| head`. This is not an error, just the end. */
export class OutputClosed extends Error {
  override readonly name = "OutputClosed";
}

/**
 * Nothing went wrong: the question was answered on stdout, and the answer is no. Exit code 9 distinguishes it from
 * a question that could not be answered.
 */
export class NegativeAnswer extends Error {
  override readonly name = "NegativeAnswer";
}

/** An error with one of the inputs. */
export class InputError extends Error {
  override readonly name = "InputError";
  readonly path: string;
  /** Line and column as `:3:5`, or empty. */
  readonly position: string;

  constructor(path: string, cause: unknown, position = "") {
    super(path, { cause });
    this.path = path;
    this.position = position;
  }
}

/** An error whose next step the command knows better than the error's code tells it. */
export class HintedError extends Error {
  override readonly name = "HintedError";
  readonly hint: string;

  constructor(hint: string, cause: unknown) {
    super(hint, { cause });
    this.hint = hint;
  }
}

/** What a failed call to the file system means, by `errno`. Node's own words are never shown. */
const fileProblems: Readonly<Record<string, readonly [problem: string, hint?: string]>> = {
  ENOENT: ["there is no such file or folder"],
  ENOTDIR: ["a part of the path is not a folder"],
  EISDIR: ["it is a folder"],
  EACCES: ["permission denied", "check the permissions of the file and of its folder"],
  EPERM: ["permission denied", "check the permissions of the file and of its folder"],
  EROFS: ["the file system is read-only"],
  ENOSPC: ["no space is left on the device", "free some space, or write elsewhere with -o"],
  EDQUOT: ["the disk quota is used up", "free some space, or write elsewhere with -o"],
  EFBIG: ["the file is too large for this file system"],
  ENAMETOOLONG: ["the name is too long", "choose a shorter one with -o"],
  ELOOP: ["too many symbolic links"],
  EMFILE: ["too many files are open"],
  EIO: ["the device reports an error"],
};

/** What node-stream means when it refuses a file itself, without a failed call to the file system. */
const refusals: Readonly<Record<string, readonly [problem: string, hint: string]>> = {
  EEXIST: ["it already exists", "add --force to replace it, or choose another name with -o"],
  ELOOP: ["it is a symbolic link", "choose another name"],
  EISDIR: ["it is a folder", "choose another name"],
  EINVAL: ["it is not a regular file", "choose another name"],
  EBUSY: ["something else is writing to it", "try again once nothing does"],
};

/**
 * An error of the file system, or of node-stream when it refuses a file. Other errors are returned as
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
  // A refusal of another file, such as a lock in the way, names that file and says what to do.
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

/** The report of anything that was thrown. */
export function reportOf(error: unknown): ErrorReport {
  if (error instanceof InputError) {
    const { path, position, cause } = error;
    const report = reportOf(cause);
    // Errors of the command name the file they are about, which may be the output.
    const message =
      cause instanceof CommandError ? cause.message : `${path}${position}: ${report.message}`;
    return { ...report, message, path };
  }
  if (error instanceof HintedError) return { ...reportOf(error.cause), hint: error.hint };
  if (error instanceof CommandError) {
    const { code, message, hint } = error;
    return { code, message, hint, attempts: [], exitCode: byCommandCode[code] };
  }
  if (isEnvelopeError(error)) {
    const { code, message, attempts } = error;
    return { code, message, hint: hintOf(error), attempts, exitCode: exitCodeOf(code) };
  }
  if (isKmsError(error)) {
    const { name, message } = error;
    const known: Readonly<Partial<Record<KmsErrorName, string>>> = kmsHints;
    return {
      code: name,
      message,
      hint: known[name],
      attempts: [],
      exitCode: byKmsName[name] ?? 2,
    };
  }
  return {
    code: "ERR_CLI_UNEXPECTED",
    message: `unexpected: ${error instanceof Error ? error.message : String(error)}`,
    hint: "set ENVELOPE_DEBUG=1 to see the stack, and please report this",
    attempts: [],
    exitCode: 1,
  };
}

const kmsHints = {
  NotFoundException: "`envelope keys list` lists the keys and their aliases",
  AccessDeniedException: "`envelope policy explain` shows what is missing",
} as const satisfies Partial<Record<KmsErrorName, string>>;

/**
 * The next step, for those codes whose messages do not say it. All other messages do, and a second piece of
 * advice would repeat or contradict them.
 */
const hints: Readonly<Partial<Record<EnvelopeErrorCode, string>>> = {
  ERR_ENVELOPE_DECRYPT: "check --context and --aad: they must be those of the encryption",
  ERR_ENVELOPE_TRUNCATED: "fetch or copy the message again",
  ERR_ENVELOPE_NO_KEY: "configure one of those CMKs, or pass it with --cmk",
  ERR_ENVELOPE_KEY_UNUSABLE:
    "enable the key, or cancel its deletion; what is deleted opens nothing again",
  ERR_ENVELOPE_KMS_REJECTED: "check --context: it must be that of the encryption",
  ERR_ENVELOPE_KMS_KEY_NOT_FOUND: "check the key's name, region and account",
  ERR_ENVELOPE_KMS_KEY_STATE: "enable the key, or cancel its deletion",
  ERR_ENVELOPE_KMS_ACCESS_DENIED: "check the credentials, and the key's policy for this principal",
  ERR_ENVELOPE_KMS_THROTTLED: "try again later; a data-key cache lowers the number of calls",
  ERR_ENVELOPE_KMS_UNAVAILABLE: "try again",
  ERR_ENVELOPE_KMS_ERROR: "set ENVELOPE_DEBUG=1 to see the cause",
  ERR_ENVELOPE_KEYSTORE_SQLITE: "for a SQLite that is patched, set ENVELOPE_PATCHED_SQLITE=1",
};

/** The same for keystores, whose tool is this command. */
const keystoreHints: typeof hints = {
  ERR_ENVELOPE_KEY_UNUSABLE: "use `envelope keys enable`, or `envelope keys cancel-deletion`",
  ERR_ENVELOPE_KMS_KEY_NOT_FOUND: kmsHints.NotFoundException,
  ERR_ENVELOPE_KMS_KEY_STATE: "use `envelope keys enable`, or `envelope keys cancel-deletion`",
  ERR_ENVELOPE_KMS_ACCESS_DENIED: kmsHints.AccessDeniedException,
};

function hintOf({ code, attempts }: EnvelopeError): string | undefined {
  // No CMK refused: the data key fits, so context and AAD are right and the bytes are not.
  if (code === "ERR_ENVELOPE_DECRYPT" && attempts.length === 0) return undefined;
  const local = attempts.length > 0 && attempts.every(({ provider }) => provider === "local-file");
  return (local ? keystoreHints[code] : undefined) ?? hints[code];
}
