/**
 * A new wrapped key for an object that keeps its own in an instruction file. The content is not read.
 *
 * @module
 */
import { EnvelopeError, type Context } from "@env/core";
import { readHeaders, writeHeaders } from "./headers.ts";
import {
  instructionFileOf,
  readInstructionFile,
  writeInstructionFile,
} from "./instruction-file.ts";
import type { S3Keyring } from "./keyrings.ts";
import { requireKeyring, type Settings } from "./options.ts";
import type { ObjectInput } from "../object-front.ts";
import { checkRead, head, withDataKey, type ReadOptions } from "./reading.ts";

export interface RewrapOptions extends ReadOptions {
  /** What wraps the data key from now on. */
  readonly to: S3Keyring;
  /** The suffix of the file to write. Default: that of the file that was read, which is replaced. */
  readonly toSuffix?: string | undefined;
  /** The encryption context for a KMS keyring in `to`. Default: `{}`. */
  readonly toContext?: Context | undefined;
}

/** {@link S3EncryptionClient.rewrap}. */
export async function rewrapObject(
  settings: Settings,
  input: ObjectInput,
  options: RewrapOptions,
): Promise<void> {
  checkRead(settings, input, options, ["to", "toSuffix", "toContext"]);
  const { to, toSuffix, toContext, signal, instructionFileSuffix: suffix } = options;
  requireKeyring(to);
  if (toContext !== undefined && !to.bindsContext) {
    throw new TypeError("toContext needs a KMS keyring: raw keyrings authenticate none");
  }
  const { client } = settings;
  const { Metadata } = await head(client, input, signal);
  const complete = readHeaders(Metadata ?? {});
  if (typeof complete !== "function") {
    throw unsupported("the wrapped key is in the object's metadata, not in an instruction file");
  }
  const place = instructionFileOf(input, suffix);
  const { fields, etag } = await readInstructionFile(client, place, signal);
  const headers = complete(fields);
  if (headers.contentAlgorithm === "AES/CBC/PKCS5Padding") {
    throw unsupported(
      "AES-CBC content is not given a new wrap, which would make it look authenticated",
    );
  }
  const { instructions = {} } = await withDataKey(settings, headers, options, async (dataKey) => {
    const wrapped = await to.wrap(headers.contentAlgorithm, toContext ?? {}, { signal, dataKey });
    return writeHeaders({ ...headers, ...wrapped });
  });
  const target = instructionFileOf(input, toSuffix ?? suffix);
  const IfMatch = target.Key === place.Key ? etag : undefined;
  await writeInstructionFile(client, target, instructions, { signal, IfMatch });
}

function unsupported(problem: string): EnvelopeError {
  return new EnvelopeError(
    "ERR_ENVELOPE_UNSUPPORTED",
    `${problem}: read the object and write it again`,
  );
}
