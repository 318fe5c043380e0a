/**
 * Copies a keystore from a file to PostgreSQL: every row as it is, since records are sealed in the same way under the same
 * names. What is not a row of the same table is the end of the audit log, which becomes the first chain.
 *
 * Source: spec/kms-store-v1.md#moving
 *
 * @module
 */
import { Database } from "./database.ts";
import {
  databaseOptions,
  openFile,
  requireBusyTimeout,
  type OpenFileOptions,
} from "./keystore-file.ts";
import { parsePostgresUrl } from "./postgres/address.ts";
import { Connection } from "./postgres/connection.ts";
import { PostgresEngine } from "./postgres/postgres-engine.ts";
import { HEADS } from "./postgres/shared-log.ts";
import { RowSealer } from "./row-sealer.ts";
import { SqliteStore } from "./sqlite-store.ts";
import type { AuditRow } from "./store.ts";

/** Records of the audit log in one statement. */
const PAGE = 500;

export type MoveOptions = Omit<OpenFileOptions, "readOnly">;

/**
 * Copies the tables in one transaction: what is interrupted leaves nothing. Nobody can write the file until `verify` has
 * settled.
 *
 * @param verify - Checks the copy. If it throws, the copy is removed.
 */
export async function copyToPostgres(
  path: string,
  url: string,
  options: MoveOptions,
  verify: () => Promise<void>,
): Promise<void> {
  const connection = new Connection(parsePostgresUrl(url), requireBusyTimeout(options.busyTimeout));
  using source = await openFile(path, options);
  const { root, descriptor } = source;
  const database = await Database.open(path, databaseOptions(options));
  const engine = new PostgresEngine(connection);
  try {
    database.lock();
    const store = new SqliteStore(database, root, descriptor.keystoreId);
    store.freshness.refresh();
    const heads = new Map(
      HEADS.flatMap((name) => {
        const bytes = store.freshness.head(name);
        return bytes === undefined ? [] : [[name, bytes] as const];
      }),
    );
    const fill = (): void => {
      engine.openLog(new RowSealer(root, descriptor.keystoreId), () => undefined);
      engine.copyFrom(database);
    };
    await engine.create(fill, heads, pagesOf(store));
    try {
      await verify();
    } catch (error) {
      await engine.destroy();
      throw error;
    }
  } catch (error) {
    throw engine.named(error);
  } finally {
    engine.close();
    database.close();
  }
}

/** @yields All rows of the audit log, in the order of their numbers. */
function* pagesOf({ auditRows }: SqliteStore): Generator<readonly AuditRow[], void, undefined> {
  for (let last = -1; ;) {
    const page = auditRows.after(last, Number.MAX_SAFE_INTEGER, PAGE);
    if (page.length === 0) return;
    yield page;
    last = page.at(-1)?.sequence ?? last;
  }
}
