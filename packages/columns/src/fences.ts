/**
 * Where fences are kept: what was shredded stays shredded, whatever is restored into the database.
 *
 * Source: spec/columns-v1.md#shredding
 *
 * @module
 */
import { open, readFile, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { EnvelopeError } from "@env/core";
import type { SqlClient } from "./sql.ts";

/** A place for fences. A place that a restore of the database does not touch is worth having. */
export interface FenceStore {
  /** Whether the scope with this hash is fenced. Must not answer from before a fence that it has acknowledged. */
  has(scopeHash: string): Promise<boolean>;
  /** Writes a fence durably before it returns. Idempotent. */
  add(scopeHash: string): Promise<void>;
  /** All fences. */
  all(): Promise<readonly string[]>;
}

/** Keeps fences in a database, such as one other than that of the values. */
export function sqlFences(client: SqlClient): FenceStore {
  return {
    has: async (hash) =>
      (await client.query("SELECT 1 AS found FROM envelope_fences WHERE scope_hash = $1", [hash]))
        .length > 0,
    async add(hash) {
      await client.query(
        "INSERT INTO envelope_fences (scope_hash, fenced) VALUES ($1, $2) ON CONFLICT (scope_hash) DO NOTHING",
        [hash, Date.now()],
      );
    },
    all: async () =>
      (await client.query("SELECT scope_hash FROM envelope_fences")).map((row) =>
        String(row["scope_hash"]),
      ),
  };
}

const HASH = /^[0-9a-f]{64}$/;
/** What a crash left of a line, which was therefore never acknowledged. */
const CUT_OFF = /^[0-9a-f]{0,63}$/;

/** Keeps fences in a file, one hash a line, which is only ever appended to. Each is on disk before it counts. */
export function fileFences(path: string): FenceStore {
  let known: { readonly size: number; readonly hashes: ReadonlySet<string> } | undefined;
  const read = async (): Promise<ReadonlySet<string>> => {
    const size = (await stat(path).catch(unlessMissing))?.size ?? 0;
    if (known?.size !== size) {
      const lines = size === 0 ? [] : (await readFile(path, "utf8")).split("\n");
      const wrong = lines.findIndex((line) => !HASH.test(line) && !CUT_OFF.test(line));
      if (wrong !== -1) {
        const problem = `line ${wrong + 1} of the file of fences is malformed`;
        throw new EnvelopeError("ERR_ENVELOPE_FORMAT", problem);
      }
      known = { size, hashes: new Set(lines.filter((line) => HASH.test(line))) };
    }
    return known.hashes;
  };
  return {
    has: async (hash) => (await read()).has(hash),
    async add(hash) {
      if ((await read()).has(hash)) return;
      const file = await open(path, "a", 0o600);
      try {
        await file.appendFile(`\n${hash}\n`);
        await file.sync();
      } finally {
        await file.close();
      }
      await syncFolder(dirname(path));
    },
    all: async () => [...(await read())],
  };
}

/** A new file is there after a crash only if its folder was written as well. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

function unlessMissing(error: unknown): undefined {
  if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
}
