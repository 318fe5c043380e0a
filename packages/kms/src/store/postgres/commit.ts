/**
 * The statement that ends a transaction: one, so that it is one round trip, and either everything in it happens or nothing.
 *
 * It changes something only if the state has the revision that the transaction has seen, and the chain is still this
 * process's. Where only calls were recorded, the state is read and not locked, so that processes do not wait for each other.
 *
 * @module
 */
import { MARK_BYTES } from "../row-sealer.ts";
import { CHAIN_NUMBERS, type AuditRow } from "../store.ts";
import { KEPT_CHANGES, keyOf } from "./source.ts";
import type { TableChanges } from "./replica.ts";
import type { Row } from "../tables.ts";
import type { LogChanges } from "./shared-log.ts";
import { changeTable, Parameters, selectRows } from "./sql.ts";

export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
  /** The name of its plan, which PostgreSQL keeps if the statement is run again and again. */
  readonly name?: string;
}

interface Expected {
  readonly revision: number;
  readonly mark: Uint8Array;
  readonly chain: number;
  readonly owner: string;
  readonly commits: number;
}

const auditColumns = [
  { name: "seq", type: "INTEGER" },
  { name: "time", type: "INTEGER" },
  { name: "sealed", type: "BLOB" },
] as const;

/** Its result is one row, whose `done` is 1 if it has changed something, and 0 if not. */
export function commitStatement(
  schema: string,
  expected: Expected,
  changes: readonly TableChanges[],
  log: LogChanges,
): Statement {
  const parameters = new Parameters();
  const { revision, mark, chain, owner, commits } = expected;
  const add = (value: unknown, type: string): string => parameters.add(value, type);
  const isCurrent = `state.revision = ${add(revision, "bigint")} AND substring(state.sealed FROM 2 FOR ${MARK_BYTES}) = ${add(mark, "bytea")}`;
  const written = `UPDATE ${schema}.chain SET commits = commits + 1, touched = now(), sealed = ${add(log.sealed, "bytea")}`;
  const isOwn = `chain.number = ${add(chain, "bigint")} AND chain.owner = ${add(owner, "text")} AND chain.commits = ${add(commits, "bigint")}`;
  const parts: string[] = [];
  const condition = "EXISTS (SELECT 1 FROM chained)";
  const state = changes.find(({ table }) => table.name === "state")?.written[0];

  if (state === undefined) {
    parts.push(
      `chained AS (${written} FROM ${schema}.state WHERE ${isOwn} AND ${isCurrent} RETURNING 1)`,
    );
  } else {
    const next = stateOf(state);
    parts.push(
      `stated AS (UPDATE ${schema}.state SET revision = ${add(next.revision, "bigint")}, sealed = ${add(next.sealed, "bytea")} WHERE ${isCurrent} RETURNING 1)`,
      `chained AS (${written} WHERE ${isOwn} AND EXISTS (SELECT 1 FROM stated) RETURNING 1)`,
    );
  }
  const others = changes.filter(({ table }) => table.name !== "state");
  for (const [i, one] of others.entries()) {
    for (const [j, statement] of changeTable(schema, one, parameters, condition).entries()) {
      parts.push(`changed_${i}_${j} AS (${statement})`);
    }
  }
  if (state !== undefined) {
    const next = add(stateOf(state).revision, "bigint");
    const keys = add(keysOf(changes), "text");
    parts.push(
      `noted AS (INSERT INTO ${schema}.change (revision, keys) SELECT ${next}, ${keys} WHERE ${condition})`,
      `forgotten AS (DELETE FROM ${schema}.change WHERE revision <= ${next} - ${KEPT_CHANGES} AND ${condition})`,
    );
  }
  if (log.rows.length > 0) {
    parts.push(`recorded AS (${insertRows(schema, log.rows, parameters)} WHERE ${condition})`);
  }
  if (log.cut !== undefined) {
    const range = `seq > ${add(chain * CHAIN_NUMBERS, "bigint")} AND seq <= ${add(log.cut, "bigint")}`;
    parts.push(`cut AS (DELETE FROM ${schema}.audit WHERE ${range} AND ${condition})`);
  }
  // A chain that was lost after the state was changed divides by zero, and so takes the change back.
  const outcome =
    state === undefined
      ? "SELECT count(*) AS done FROM chained"
      : "SELECT CASE WHEN EXISTS (SELECT 1 FROM stated) THEN 1 / (SELECT count(*) FROM chained) ELSE 0 END AS done";
  const text = `WITH ${parts.join(", ")} ${outcome}`;
  const isUsual = changes.length === 0 && log.cut === undefined && log.rows.length > 0;
  return { text, values: parameters.values, ...(isUsual ? { name: "envelope-record" } : {}) };
}

/** Adds rows of the audit log that are not there. */
export function auditStatement(schema: string, rows: readonly AuditRow[]): Statement {
  const parameters = new Parameters();
  const text = `${insertRows(schema, rows, parameters)} ON CONFLICT DO NOTHING`;
  return { text, values: parameters.values };
}

function insertRows(schema: string, rows: readonly AuditRow[], parameters: Parameters): string {
  const values = rows.map(({ sequence, time, sealed }) => [sequence, time, sealed]);
  return `INSERT INTO ${schema}.audit (seq, time, sealed) ${selectRows(auditColumns, values, parameters)}`;
}

/** The columns of the state, whose first one is always 1. */
function stateOf([, revision, sealed]: Row): {
  readonly revision: unknown;
  readonly sealed: unknown;
} {
  return { revision, sealed };
}

/** What others have to read again, as the table `change` has it. */
function keysOf(changes: readonly TableChanges[]): string {
  return JSON.stringify(
    Object.fromEntries(
      changes.map(({ table, written, deleted }) => [
        table.name,
        [...written.map((row) => keyOf(table, row)), ...deleted],
      ]),
    ),
  );
}
