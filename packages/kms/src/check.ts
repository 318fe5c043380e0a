/**
 * Shapes of requests, checked before anything else: AWS's constraints and wording.
 *
 * Callers may be JavaScript or a wire protocol, so types are not believed. Values are echoed where AWS
 * echoes them, which is never for bytes.
 *
 * @module
 */
import { inspect } from "node:util";
import type { Context } from "@env/core";
import { MAX_PLAINTEXT_BYTES } from "./blob.ts";
import { KmsError } from "./errors.ts";
import type { CreateKeyRequest } from "./shapes.ts";

const ALIAS_NAME = /^[a-zA-Z0-9:/_-]+$/;
/** Lengths in the canonical encoding are two bytes. */
const MAX_U16 = 0xff_ff;

/**
 * Refuses members that this KMS would have to ignore: nothing a caller asked for is dropped silently.
 *
 * @throws {@link KmsError} `UnsupportedOperationException`
 */
export function requireMembers<T extends object>(request: T, known: readonly (keyof T)[]): void {
  if (typeof request !== "object" || request === null) {
    throw new TypeError("the request must be an object");
  }
  const names: readonly PropertyKey[] = known;
  for (const [member, value] of Object.entries(request)) {
    if (value !== undefined && !names.includes(member)) {
      throw new KmsError("UnsupportedOperationException", `${member} is not supported by this KMS`);
    }
  }
}

/** A member that must be there: 1 to 2048 characters. */
export function requireKeyId(value: unknown, field = "keyId"): string {
  return text(value, field, 1, 2048);
}

export function optionalKeyId(value: unknown, field = "keyId"): string | undefined {
  return value === undefined ? undefined : requireKeyId(value, field);
}

export function description(value: unknown): string {
  return text(value, "description", 0, 8192);
}

/** An alias that may be created, changed or deleted. */
export function aliasName(value: unknown): string {
  const name = text(value, "aliasName", 1, 256);
  if (!ALIAS_NAME.test(name)) {
    throw constraint("aliasName", "satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$", name);
  }
  if (!name.startsWith("alias/")) {
    throw new KmsError(
      "ValidationException",
      'Alias must start with the prefix "alias/". Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html',
    );
  }
  if (name.startsWith("alias/aws/")) {
    throw new KmsError("NotAuthorizedException", "aliases under alias/aws/ are reserved");
  }
  if (name.length === "alias/".length || name.includes(":")) {
    throw new KmsError(
      "InvalidAliasNameException",
      "an alias is alias/ and letters, digits, slashes, underscores and dashes",
    );
  }
  return name;
}

export function integer(value: unknown, field: string, min: number, max: number): number {
  if (typeof value !== "number" || !Number.isInteger(value)) {
    throw constraint(field, "be an integer");
  }
  if (value < min) throw constraint(field, `have value greater than or equal to ${min}`, value);
  if (value > max) throw constraint(field, `have value less than or equal to ${max}`, value);
  return value;
}

/** A value out of `allowed`, or the first of them where none is given. */
export function oneOf<T extends string>(
  value: unknown,
  field: string,
  allowed: readonly [T, ...T[]],
): T {
  if (value === undefined) return allowed[0];
  const found = allowed.find((one) => one === value);
  if (found === undefined) {
    throw constraint(field, `satisfy enum value set: [${allowed.join(", ")}]`, value);
  }
  return found;
}

function bytes(value: unknown, field: string, max: number): Uint8Array {
  if (value === undefined || value === null) throw missing(field);
  if (!(value instanceof Uint8Array)) throw constraint(field, "be bytes");
  if (value.length < 1) throw constraint(field, "have length greater than or equal to 1");
  if (value.length > max) throw constraint(field, `have length less than or equal to ${max}`);
  return value;
}

export function plaintext(value: unknown): Uint8Array {
  return bytes(value, "plaintext", MAX_PLAINTEXT_BYTES);
}

export function ciphertextBlob(value: unknown): Uint8Array {
  return bytes(value, "ciphertextBlob", 6144);
}

/** How long a data key is to be. */
export function dataKeyBytes(keySpec: unknown, numberOfBytes: unknown): number {
  if ((keySpec === undefined) === (numberOfBytes === undefined)) {
    throw new KmsError("ValidationException", "Please specify either number of bytes or key spec.");
  }
  if (numberOfBytes !== undefined) return integer(numberOfBytes, "numberOfBytes", 1, 1024);
  return oneOf(keySpec, "keySpec", ["AES_256", "AES_128"]) === "AES_256" ? 32 : 16;
}

/** Only symmetric keys exist, hence one algorithm. */
export function algorithm(value: unknown): "SYMMETRIC_DEFAULT" {
  if (value === undefined || value === "SYMMETRIC_DEFAULT") return "SYMMETRIC_DEFAULT";
  throw new KmsError(
    "InvalidKeyUsageException",
    `Algorithm ${echo(value)} is incompatible with key spec SYMMETRIC_DEFAULT.`,
  );
}

/** A copy of an encryption context that the canonical encoding can tell from every other. */
export function encryptionContext(value: unknown): Context {
  // Without a prototype: __proto__ is a key like any other.
  const copy: Record<string, string> = Object.create(null);
  if (value === undefined || value === null) return copy;
  if (typeof value !== "object") throw constraint("encryptionContext", "be a map");
  const entries: [string, unknown][] = Object.entries(value);
  const fits = (one: string): boolean => one.isWellFormed() && Buffer.byteLength(one) <= MAX_U16;
  if (entries.length > MAX_U16) throw constraint("encryptionContext", "have at most 65535 pairs");
  for (const [key, one] of entries) {
    if (typeof one !== "string") {
      throw constraint("encryptionContext", "be a map of strings to strings");
    }
    if (!fits(key) || !fits(one)) {
      throw constraint(
        "encryptionContext",
        "have keys and values of well-formed text, at most 65535 bytes each",
      );
    }
    copy[key] = one;
  }
  return copy;
}

/** The one kind of key there is: symmetric, made here, in one region. */
export function requireSymmetric(request: CreateKeyRequest): void {
  const { KeySpec, CustomerMasterKeySpec, KeyUsage, Origin, MultiRegion } = request;
  if (KeySpec !== undefined && CustomerMasterKeySpec !== undefined) {
    throw new KmsError(
      "ValidationException",
      "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.",
    );
  }
  const spec = KeySpec ?? CustomerMasterKeySpec ?? "SYMMETRIC_DEFAULT";
  if (spec !== "SYMMETRIC_DEFAULT") throw unsupported(`KeySpec ${spec}`);
  if ((KeyUsage ?? "ENCRYPT_DECRYPT") !== "ENCRYPT_DECRYPT")
    throw unsupported(`KeyUsage ${KeyUsage}`);
  if ((Origin ?? "AWS_KMS") !== "AWS_KMS") throw unsupported(`Origin ${Origin}`);
  if (MultiRegion === true) throw unsupported("MultiRegion");
}

function missing(field: string): KmsError {
  return violation(
    `Value null at '${field}' failed to satisfy constraint: Member must not be null`,
  );
}

function text(value: unknown, field: string, min: number, max: number): string {
  if (value === undefined || value === null) throw missing(field);
  if (typeof value !== "string" || !value.isWellFormed()) {
    throw constraint(field, "be well-formed text");
  }
  const { length } = value;
  if (length < min) throw constraint(field, `have length greater than or equal to ${min}`, value);
  if (length > max) throw constraint(field, `have length less than or equal to ${max}`, value);
  return value;
}

function constraint(field: string, must: string, value?: unknown): KmsError {
  const echoed = value === undefined ? "" : ` '${echo(value)}'`;
  return violation(
    `Value${echoed} at '${field}' failed to satisfy constraint: Member must ${must}`,
  );
}

function violation(problem: string): KmsError {
  return new KmsError("ValidationException", `1 validation error detected: ${problem}`);
}

function unsupported(what: string): KmsError {
  return new KmsError(
    "UnsupportedOperationException",
    `${what} is not supported by this KMS: keys are symmetric, made here, in one region`,
  );
}

function echo(value: unknown): string {
  return typeof value === "string" ? value : inspect(value, { depth: 0, breakLength: Infinity });
}
