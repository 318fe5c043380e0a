/**
 * Files of records that were cut off: CloudTrail log files with one record per line, and with what is needed to verify them.
 *
 *     {"digest":"…","first":1,"format":"env-audit-archive-1","keystoreId":"…","last":2,"previous":"…","Records":[
 *     {…},
 *     {…}
 *     ]}
 *
 * The lines are the canonical bytes that were hashed. They are not encrypted, and show who called and the contexts. The
 * same records always result in the same file, so two processes that write it write the same bytes.
 *
 * Source: spec/audit-v1.md#archive
 *
 * @module
 */
import { closeSync, createReadStream, fsyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { EnvelopeError, isEnvelopeError } from "@env/core";
import { removeAbandonedIn, PartialFile } from "../store/partial-file.ts";
import { DIGEST_BYTES, type Chain, type Link } from "./chain.ts";
import { MAX_RECORD_BYTES } from "./record.ts";

const FORMAT = "env-audit-archive-1";
const ARCHIVE = /^audit-[0-9]{16}-[0-9]{16}\.json$/;

export interface ArchiveReport {
  /** Every record is present and as it was in the log. */
  readonly intact: boolean;
  readonly first: number;
  readonly last: number;
  /** Digest of the record before `first`: the `digest` of the archive before this one. */
  readonly previous: string;
  /** Digest of `last`: the `base` of the log, or the `previous` of the archive after this one. */
  readonly digest: string;
}

interface Header extends Omit<ArchiveReport, "intact"> {
  readonly format: string;
  readonly keystoreId: string;
}

/** Writes one file. Nothing is left of a file that was not finished. */
export class ArchiveWriter {
  readonly #path: string;
  readonly #partial: PartialFile;
  readonly #file: number;
  #separator = "\n";

  /**
   * @param folder - Must exist. The file is named after the records, `audit-…1-…2.json`, mode 0600.
   * @param previous - The place before the first record.
   * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_IO`; the methods also.
   */
  constructor(folder: string, keystoreId: string, previous: Link, last: Link) {
    const first = previous.sequence + 1;
    const name = `audit-${digits(first)}-${digits(last.sequence)}.json`;
    this.#path = join(folder, name);
    removeAbandonedIn(folder, (target) => ARCHIVE.test(target));
    this.#partial = new PartialFile(this.#path);
    this.#file = this.#try(() => openSync(this.#partial.path, "wx", 0o600));
    const header = {
      digest: hex(last.digest),
      first,
      format: FORMAT,
      keystoreId,
      last: last.sequence,
      previous: hex(previous.digest),
    };
    this.#write(`${JSON.stringify(header).slice(0, -1)},"Records":[`);
  }

  /** @param record - Canonical JSON, which holds no line break. */
  add(record: Uint8Array): void {
    this.#write(Buffer.concat([Buffer.from(this.#separator), record]));
    this.#separator = ",\n";
  }

  /** Finishes the file, and returns its path once it is on disk under its name. */
  finish(): string {
    this.#write("\n]}\n");
    return this.#try(() => {
      fsyncSync(this.#file);
      closeSync(this.#file);
      // A file that a crash has left has the same bytes.
      this.#partial.replace();
      return this.#path;
    });
  }

  /** Removes what was written, unless it was finished. */
  abandon(): void {
    try {
      closeSync(this.#file);
    } catch {
      // It is closed already.
    }
    this.#partial.discard();
  }

  #write(bytes: string | Uint8Array): void {
    const all = typeof bytes === "string" ? Buffer.from(bytes) : bytes;
    this.#try(() => {
      for (let done = 0; done < all.length;) done += writeSync(this.#file, all, done);
    });
  }

  #try<T>(fn: () => T): T {
    try {
      return fn();
    } catch (error) {
      throw new EnvelopeError(
        "ERR_ENVELOPE_KEYSTORE_IO",
        `audit archive ${this.#path}: it cannot be written (${codeOf(error)}); nothing was cut off. Check the folder and its disk`,
        { cause: error },
      );
    }
  }
}

/**
 * Reads an archive and recomputes its chain.
 *
 * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_IO` if it cannot be read, `ERR_ENVELOPE_KEYSTORE_FORMAT` if it is not an archive.
 */
export async function verifyArchive(path: string, chain: Chain): Promise<ArchiveReport> {
  let header: Header | undefined;
  let link: Link | undefined;
  let isEnded = false;
  for await (const line of linesOf(path)) {
    if (header === undefined || link === undefined) {
      header = parseHeader(line);
      if (header === undefined) break;
      link = { sequence: header.first - 1, digest: Buffer.from(header.previous, "hex") };
    } else if (isEnded) {
      throw noArchive(path, "it continues after its end");
    } else if (line === "]}") {
      isEnded = true;
    } else {
      link = chain.next(link, Buffer.from(line.replace(/,$/, "")));
    }
  }
  if (header === undefined || link === undefined) {
    throw noArchive(path, "it does not begin as an archive of an audit log");
  }
  const { first, last, previous, digest } = header;
  const intact = isEnded && link.sequence === last && hex(link.digest) === digest;
  return { intact, first, last, previous, digest };
}

async function* linesOf(path: string): AsyncGenerator<string, void, undefined> {
  let rest = "";
  try {
    for await (const chunk of createReadStream(path, { encoding: "utf8" })) {
      const lines = `${rest}${String(chunk)}`.split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > MAX_RECORD_BYTES) throw noArchive(path, "a line is longer than any record");
      yield* lines;
    }
  } catch (error) {
    if (isEnvelopeError(error)) throw error;
    throw new EnvelopeError(
      "ERR_ENVELOPE_KEYSTORE_IO",
      `audit archive ${path}: it cannot be read (${codeOf(error)}). Check the path`,
      { cause: error },
    );
  }
  if (rest !== "") yield rest;
}

function noArchive(path: string, problem: string): EnvelopeError {
  return new EnvelopeError(
    "ERR_ENVELOPE_KEYSTORE_FORMAT",
    `audit archive ${path}: ${problem}. Check the path, or restore the file from a backup`,
  );
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown error";
}

function parseHeader(line: string): Header | undefined {
  try {
    const value: unknown = JSON.parse(`${line}]}`);
    return isHeader(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isHeader(value: unknown): value is Header {
  if (typeof value !== "object" || value === null) return false;
  const { format, first, last, previous, digest }: Partial<Record<string, unknown>> = { ...value };
  return (
    format === FORMAT &&
    Number.isSafeInteger(first) &&
    Number.isSafeInteger(last) &&
    isDigest(previous) &&
    isDigest(digest)
  );
}

function isDigest(value: unknown): boolean {
  return (
    typeof value === "string" && value.length === 2 * DIGEST_BYTES && /^[0-9a-f]*$/.test(value)
  );
}

/** Padded, so that names sort by number. */
function digits(sequence: number): string {
  return String(sequence).padStart(16, "0");
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
