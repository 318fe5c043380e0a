/**
 * A keystore in PostgreSQL: making and opening it.
 *
 * Source: spec/kms-store-v1.md#postgresql
 *
 * @module
 */
import { readDescriptor, type Descriptor } from "./descriptor.ts";
import {
  requireBusyTimeout,
  type CreateFileOptions,
  type OpenFileOptions,
} from "./keystore-file.ts";
import { newKeystore, OpenKeystore, realmOf, type NewKeystore } from "./open-keystore.ts";
import { parsePostgresUrl } from "./postgres/address.ts";
import { Connection } from "./postgres/connection.ts";
import { findSchema } from "./postgres/schema.ts";
import { PostgresEngine } from "./postgres/postgres-engine.ts";

export { isPostgresUrl, withoutPassword } from "./postgres/address.ts";

/**
 * Makes the tables and everything in them in one transaction. A key file has its name before, and loses it if that fails.
 *
 * @param prepare - Fills the keystore. If it fails, the tables are removed again.
 * @param make - What to begin with. Default: a new keystore.
 */
export async function createInPostgres(
  url: string,
  options: CreateFileOptions,
  prepare?: (keystore: OpenKeystore) => Promise<void>,
  make?: () => Promise<NewKeystore>,
): Promise<OpenKeystore> {
  const realm = realmOf(options);
  const engine = engineOf(url, options);
  let made: NewKeystore | undefined;
  try {
    made = await (make === undefined ? newKeystore(options.root, realm) : make());
    made.keyFile?.publish();
    await engine.create(made.fill);
    if (prepare !== undefined) {
      try {
        using filled = await OpenKeystore.start(await engine.openAgain(), made);
        await prepare(filled);
      } catch (error) {
        await engine.destroy();
        throw error;
      }
    }
  } catch (error) {
    made?.keyFile?.withdraw();
    engine.close();
    throw engine.named(error);
  } finally {
    made?.keyFile?.discard();
  }
  return OpenKeystore.start(engine, made);
}

export async function openInPostgres(
  url: string,
  options: OpenFileOptions,
  isMover = false,
): Promise<OpenKeystore> {
  if (options.readOnly === true) {
    throw new TypeError(
      "readOnly is for files: a keystore in PostgreSQL records every call, and its nodes need a role that may write",
    );
  }
  return OpenKeystore.open(engineOf(url, options), options.root, isMover);
}

/** Whether there is a keystore. */
export async function isInPostgres(
  url: string,
  options: Pick<OpenFileOptions, "busyTimeout">,
): Promise<boolean> {
  const connection = connectionTo(url, options);
  try {
    return (await connection.patiently(() => findSchema(connection)))?.hasTables === true;
  } finally {
    await connection.close();
  }
}

/** Reads what a keystore says of itself, without its root key: nothing of it is authenticated. */
export async function inspectInPostgres(
  url: string,
  options: Pick<OpenFileOptions, "busyTimeout">,
): Promise<Descriptor> {
  const engine = engineOf(url, options);
  try {
    return (await engine.read(() => readDescriptor(engine))).descriptor;
  } finally {
    engine.close();
  }
}

function engineOf(url: string, options: Pick<OpenFileOptions, "busyTimeout">): PostgresEngine {
  return new PostgresEngine(connectionTo(url, options));
}

function connectionTo(
  url: string,
  { busyTimeout }: Pick<OpenFileOptions, "busyTimeout">,
): Connection {
  return new Connection(parsePostgresUrl(url), requireBusyTimeout(busyTimeout));
}
