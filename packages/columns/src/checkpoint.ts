/**
 * How far a pass is, in the database itself: a run that was killed or stopped is taken up from there, by whichever
 * machine.
 *
 * @module
 */
import { EnvelopeError } from "@env/core";
import type { SqlClient } from "./sql.ts";
import type { SweepState } from "./sweep.ts";

/** What a pass has done. */
export interface PassState {
  /** Milliseconds since 1970, when the pass began: keys that were active until then are its concern. */
  readonly begun: number;
  /** Milliseconds since 1970, when it began to go over the tables, for the first time or again; before that, 0. */
  readonly round: number;
  /** The state of each table by its name. */
  readonly tables: Readonly<Record<string, SweepState & { readonly done: boolean }>>;
}

/** Reads the state of a pass; `undefined` if it has not begun. */
export async function readPass(client: SqlClient, name: string): Promise<PassState | undefined> {
  const [row] = await client.query("SELECT state FROM envelope_passes WHERE name = $1", [name]);
  if (row === undefined) return undefined;
  try {
    const state: unknown = JSON.parse(String(row["state"]));
    if (isState(state)) return state;
  } catch {
    // Not JSON.
  }
  throw new EnvelopeError(
    "ERR_ENVELOPE_FORMAT",
    `the state of the pass in envelope_passes is malformed: delete its row, and the pass begins again`,
  );
}

export async function writePass(client: SqlClient, name: string, state: PassState): Promise<void> {
  await client.query(
    `INSERT INTO envelope_passes (name, state, updated) VALUES ($1, $2, $3)
     ON CONFLICT (name) DO UPDATE SET state = excluded.state, updated = excluded.updated`,
    [name, JSON.stringify(state), Date.now()],
  );
}

export async function endPass(client: SqlClient, name: string): Promise<void> {
  await client.query("DELETE FROM envelope_passes WHERE name = $1", [name]);
}

function isState(value: unknown): value is PassState {
  return typeof value === "object" && value !== null && "begun" in value && "tables" in value;
}
