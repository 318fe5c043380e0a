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
import { PostgresEngine } from "./postgres/postgres-engine.ts";

export { isPostgresUrl } from "./postgres/address.ts";

/**
 * Makes the tables and everything in them in one transaction. A key file has its name before, and loses it if that fails.
 *
 * @param prepare - Fills the keystore. If it fails, the tables are removed again.
 */
export async function createInPostgres(
  url: string,
  options: CreateFileOptions,
  prepare?: (keystore: OpenKeystore) => Promise<void>,
): Promise<OpenKeystore> {
  const realm = realmOf(options);
  const engine = engineOf(url, options);
  let made: NewKeystore | undefined;
  try {
    made = await newKeystore(options.root, realm);
    made.keyFile?.publish();
    await engine.create(made.fill);
    if (prepare !== undefined) {
      const { root, keystoreId } = made;
      try {
        using filled = await OpenKeystore.start(await engine.openAgain(), root, keystoreId);
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
  return OpenKeystore.start(engine, made.root, made.keystoreId);
}

export async function openInPostgres(url: string, options: OpenFileOptions): Promise<OpenKeystore> {
  if (options.readOnly === true) {
    throw new TypeError(
      "readOnly is for files: a keystore in PostgreSQL records every call, and its nodes need a role that may write",
    );
  }
  return OpenKeystore.open(engineOf(url, options), options.root);
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

function engineOf(
  url: string,
  { busyTimeout }: Pick<OpenFileOptions, "busyTimeout">,
): PostgresEngine {
  const address = parsePostgresUrl(url);
  return new PostgresEngine(new Connection(address, requireBusyTimeout(busyTimeout)));
}
