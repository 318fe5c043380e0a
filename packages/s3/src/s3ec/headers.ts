/**
 * The headers of an encrypted object: user metadata that says how its data key is wrapped and its content encrypted.
 *
 * There are three versions of the format. The complete set of headers decides which one an object has; a set that
 * is incomplete, or has a header of another version, is refused. A reader that let one header decide was
 * led to skip the check of the commitment (amazon-s3-encryption-client-dotnet, issue 174).
 *
 * Source: Amazon S3 Encryption Client specification, "Content metadata" and "Algorithm suites"
 *
 * @module
 */
import { EnvelopeError } from "@env/core";
import {
  decodeBase64,
  decodeHeaderText,
  malformed,
  parseTextMap,
  writeTextMap,
  type TextMap,
} from "./text.ts";

/** The version of the format: of these, only `V3` has a key commitment, and `V1` is not authenticated. */
type FormatVersion = "V1" | "V2" | "V3";

/** How data keys are wrapped. The legacy ones are never written. */
export type WrapAlgorithm = "kms+context" | "AES/GCM" | "RSA-OAEP-SHA1";
type LegacyWrapAlgorithm =
  | "kms"
  | "AESWrap"
  | "AES"
  | "RSA"
  | "RSA/ECB/OAEPWithSHA-256AndMGF1Padding";

/** How content is encrypted, in the words that the wrap of the data key binds: `115` is V3's suite. */
export type ContentAlgorithm = "115" | "AES/GCM/NoPadding" | "AES/CBC/PKCS5Padding";

/** Where the wrapped data key is. */
type HeaderPlacement = "metadata" | "instruction-file";

/** The checked headers of one object. */
export interface ObjectHeaders {
  readonly version: FormatVersion;
  readonly placement: HeaderPlacement;
  readonly wrapAlgorithm: WrapAlgorithm | LegacyWrapAlgorithm;
  readonly contentAlgorithm: ContentAlgorithm;
  readonly wrappedKey: Buffer;
  /** The encryption context with a wrap by KMS, otherwise the material description, which nothing authenticates. */
  readonly description: TextMap;
  /** V3: the message id, 28 bytes. Otherwise the IV: 12 bytes with GCM, 16 with CBC. */
  readonly iv: Buffer;
  /** V3: 28 bytes. */
  readonly commitment: Buffer | undefined;
}

/** The part of V3's headers that stays in the object's metadata when the others are in an instruction file. */
interface ContentHeaders {
  readonly [I]: string;
  readonly [D]: string;
}

const KEY_V1 = "x-amz-key";
const KEY_V2 = "x-amz-key-v2";
const IV = "x-amz-iv";
const WRAP_ALG = "x-amz-wrap-alg";
const CEK_ALG = "x-amz-cek-alg";
const TAG_LEN = "x-amz-tag-len";
const MATDESC = "x-amz-matdesc";
const C = "x-amz-c";
const D = "x-amz-d";
const I = "x-amz-i";
const KEY_V3 = "x-amz-3";
const W = "x-amz-w";
const T = "x-amz-t";
const M = "x-amz-m";
/** A mark of instruction files, in their own metadata. */
export const INSTRUCTION_FILE_MARK = "x-amz-crypto-instr-file";
/** A hint that some clients write. It is not authenticated, so nothing here relies on it. */
const PLAINTEXT_LENGTH = "x-amz-unencrypted-content-length";

const CONTENT_V3: readonly string[] = [C, D, I];
const KEY_SET_V3: readonly string[] = [KEY_V3, W];
const names: Readonly<Record<FormatVersion, ReadonlySet<string>>> = {
  V1: new Set([KEY_V1, IV, MATDESC]),
  V2: new Set([KEY_V2, IV, WRAP_ALG, CEK_ALG, TAG_LEN, MATDESC]),
  V3: new Set([...CONTENT_V3, ...KEY_SET_V3, T, M]),
};
const required: Readonly<Record<FormatVersion, readonly string[]>> = {
  V1: [KEY_V1, IV],
  V2: [KEY_V2, IV, WRAP_ALG, CEK_ALG],
  V3: [...CONTENT_V3, ...KEY_SET_V3],
};
const all: ReadonlySet<string> = new Set([...names.V1, ...names.V2, ...names.V3]);

const GCM = "AES/GCM/NoPadding";
const CBC = "AES/CBC/PKCS5Padding";
/** The decimal form of 0x0073. */
const SUITE_V3 = "115";
const wrapsV3: ReadonlyMap<string | undefined, WrapAlgorithm> = new Map([
  ["12", "kms+context"],
  ["02", "AES/GCM"],
  ["22", "RSA-OAEP-SHA1"],
]);
const modernWraps: ReadonlySet<string> = new Set<WrapAlgorithm>(wrapsV3.values());
const legacyWraps: ReadonlySet<string> = new Set<LegacyWrapAlgorithm>([
  "kms",
  "AESWrap",
  "AES",
  "RSA",
  "RSA/ECB/OAEPWithSHA-256AndMGF1Padding",
]);
/** V1 does not say how its data key is wrapped: AES-ECB gives at most this many bytes, RSA more. */
const MAX_AES_WRAPPED_V1 = 48;
const MESSAGE_ID_BYTES = 28;
const COMMITMENT_BYTES = 28;

/** Whether a name of user metadata belongs to the formats. */
export function isHeader(name: string): boolean {
  return all.has(name) || name === INSTRUCTION_FILE_MARK || name === PLAINTEXT_LENGTH;
}

/**
 * Reads the headers in an object's metadata.
 *
 * @returns A function for the fields of the instruction file where the wrapped key must be there: because the
 * metadata has no header at all, or only those of V3 that never leave the object.
 * @throws {@link EnvelopeError} `ERR_ENVELOPE_FORMAT` for an incomplete or mixed set and for malformed values.
 */
export function readHeaders(
  metadata: TextMap,
): ObjectHeaders | ((fields: TextMap) => ObjectHeaders) {
  if (INSTRUCTION_FILE_MARK in metadata) {
    throw malformed(`the object is an instruction file itself, as ${INSTRUCTION_FILE_MARK} says`);
  }
  const present = Object.fromEntries(Object.entries(metadata).filter(([name]) => all.has(name)));
  const found = Object.keys(present);
  if (found.length === 0) return readInstructions;
  if (isExactly(found, CONTENT_V3)) {
    const content = { [I]: present[I] ?? "", [D]: present[D] ?? "" };
    requireSuite(present[C]);
    return (fields) => readSplit(content, fields);
  }
  const decoded = { ...present };
  for (const name of [MATDESC, T, M]) {
    const text = present[name];
    if (text !== undefined) decoded[name] = decodeHeaderText(text);
  }
  return readSet(decoded, "metadata");
}

/** V1 and V2 have either all of their headers in the object's metadata or all in the instruction file. */
function readInstructions(fields: TextMap): ObjectHeaders {
  const content = CONTENT_V3.find((name) => name in fields);
  if (content !== undefined) {
    throw malformed(`the instruction file has ${content}, which belongs in the object's metadata`);
  }
  return readSet(fields, "instruction-file");
}

function readSplit(content: ContentHeaders, fields: TextMap): ObjectHeaders {
  const moved = CONTENT_V3.find((name) => name in fields);
  if (moved !== undefined) {
    throw malformed(
      `the instruction file has ${moved}, which belongs in the object's metadata alone`,
    );
  }
  return readSet({ ...fields, ...content, [C]: SUITE_V3 }, "instruction-file");
}

function readSet(fields: TextMap, placement: HeaderPlacement): ObjectHeaders {
  const version = versionOf(fields);
  const set = { placement, ...(version === "V3" ? readV3(fields) : readV1V2(version, fields)) };
  if (set.contentAlgorithm === CBC && modernWraps.has(set.wrapAlgorithm)) {
    // An attacker who knows 16 bytes of a GCM object can forge a CBC object under the same wrapped key.
    throw malformed(
      `${CEK_ALG} says ${CBC}, which no client writes with the wrap ${set.wrapAlgorithm}`,
    );
  }
  return set;
}

/** The one version that has all the names. */
function versionOf(fields: TextMap): FormatVersion {
  const found = Object.keys(fields);
  const version: FormatVersion | undefined =
    KEY_V3 in fields ? "V3" : KEY_V2 in fields ? "V2" : KEY_V1 in fields ? "V1" : undefined;
  if (version === undefined) {
    throw malformed(
      `the headers are incomplete: there is ${found[0] ?? "none"} but no wrapped key (${KEY_V3}, ${KEY_V2} or ${KEY_V1})`,
    );
  }
  const foreign = found.find((name) => !names[version].has(name));
  if (foreign !== undefined) {
    throw malformed(
      `the headers are mixed: ${all.has(foreign) ? foreign : "an unknown name"} does not belong to version ${version}`,
    );
  }
  const missing = required[version].find((name) => !(name in fields));
  if (missing !== undefined) {
    throw malformed(`the headers of version ${version} are incomplete: ${missing} is missing`);
  }
  return version;
}

type Contents = Omit<ObjectHeaders, "placement">;

function readV3(fields: TextMap): Contents {
  requireSuite(fields[C]);
  const wrapAlgorithm = wrapsV3.get(fields[W]);
  if (wrapAlgorithm === undefined) throw unknown(W);
  const [name, other] = wrapAlgorithm === "kms+context" ? [T, M] : [M, T];
  if (other in fields) throw malformed(`${other} does not belong to the wrap ${wrapAlgorithm}`);
  return {
    version: "V3",
    wrapAlgorithm,
    contentAlgorithm: SUITE_V3,
    wrappedKey: wrapped(fields, KEY_V3),
    description: parseTextMap(fields[name] ?? "{}", name),
    iv: exactly(MESSAGE_ID_BYTES, fields, I),
    commitment: exactly(COMMITMENT_BYTES, fields, D),
  };
}

function readV1V2(version: "V1" | "V2", fields: TextMap): Contents {
  const contentAlgorithm = version === "V1" ? CBC : fields[CEK_ALG];
  if (contentAlgorithm !== GCM && contentAlgorithm !== CBC) throw unknown(CEK_ALG);
  const isGcm = contentAlgorithm === GCM;
  const tagLength = fields[TAG_LEN];
  if (tagLength !== undefined && !(isGcm && tagLength === "128")) {
    throw malformed(`${TAG_LEN} must be 128 with GCM, and is not written with CBC`);
  }
  const wrappedKey = wrapped(fields, version === "V1" ? KEY_V1 : KEY_V2);
  const wrapAlgorithm =
    fields[WRAP_ALG] ?? (wrappedKey.length > MAX_AES_WRAPPED_V1 ? "RSA" : "AES");
  if (!isWrap(wrapAlgorithm)) throw unknown(WRAP_ALG);
  return {
    version,
    wrapAlgorithm,
    contentAlgorithm,
    wrappedKey,
    description: parseTextMap(fields[MATDESC] ?? "{}", MATDESC),
    iv: exactly(isGcm ? 12 : 16, fields, IV),
    commitment: undefined,
  };
}

function isWrap(name: string): name is WrapAlgorithm | LegacyWrapAlgorithm {
  return modernWraps.has(name) || legacyWraps.has(name);
}

/** Whether the object was written by a mode that its writers have given up. SES still wraps with `kms`. */
export function isLegacy({ version, wrapAlgorithm, contentAlgorithm }: ObjectHeaders): boolean {
  return (
    version === "V1" ||
    contentAlgorithm === CBC ||
    (wrapAlgorithm !== "kms" && legacyWraps.has(wrapAlgorithm))
  );
}

function requireSuite(suite: string | undefined): void {
  if (suite !== SUITE_V3) throw unknown(C);
}

function wrapped(fields: TextMap, name: string): Buffer {
  const bytes = decodeBase64(fields[name] ?? "", name);
  if (bytes.length === 0) throw malformed(`${name} is empty`);
  return bytes;
}

function exactly(length: number, fields: TextMap, name: string): Buffer {
  const bytes = decodeBase64(fields[name] ?? "", name);
  if (bytes.length === length) return bytes;
  throw malformed(`${name} has ${bytes.length} bytes, it must have ${length}`);
}

function isExactly(found: readonly string[], expected: readonly string[]): boolean {
  return found.length === expected.length && expected.every((name) => found.includes(name));
}

function unknown(name: string): EnvelopeError {
  return new EnvelopeError(
    "ERR_ENVELOPE_UNSUPPORTED",
    `${name} names an algorithm that is not known here`,
  );
}

/** New headers: those that stay with the object, and those that may move to an instruction file. */
export interface WrittenHeaders {
  readonly metadata: TextMap;
  readonly instructions: TextMap | undefined;
}

function base64(bytes: Buffer = Buffer.alloc(0)): string {
  return bytes.toString("base64");
}

/** The headers of a new object, or of one with a new wrapped key. */
export function writeHeaders(headers: ObjectHeaders): WrittenHeaders {
  const { placement, version, description, contentAlgorithm, wrapAlgorithm } = headers;
  const inFile = placement === "instruction-file";
  if (version === "V3") {
    const isKms = wrapAlgorithm === "kms+context";
    const w = [...wrapsV3].find(([, name]) => name === wrapAlgorithm)?.[0] ?? "";
    const content = { [C]: SUITE_V3, [D]: base64(headers.commitment), [I]: base64(headers.iv) };
    const key = {
      [KEY_V3]: base64(headers.wrappedKey),
      [W]: w,
      [isKms ? T : M]: writeTextMap(description),
    };
    if (inFile) return { metadata: content, instructions: key };
    return { metadata: { ...content, ...key }, instructions: undefined };
  }
  const set = {
    [KEY_V2]: base64(headers.wrappedKey),
    [IV]: base64(headers.iv),
    [CEK_ALG]: contentAlgorithm,
    [WRAP_ALG]: wrapAlgorithm,
    [TAG_LEN]: "128",
    [MATDESC]: writeTextMap(description),
  };
  return inFile ? { metadata: {}, instructions: set } : { metadata: set, instructions: undefined };
}
