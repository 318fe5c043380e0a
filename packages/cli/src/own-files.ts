/**
 * The files that the command itself lives on: keystores, their companions and root keys, and the configuration.
 *
 * They are never encrypted, replaced, or opened as plain files. A keystore that is encrypted under a key in it
 * cannot be opened again. And on POSIX, closing any descriptor of a file drops all locks that the process has on
 * it, those of an open SQLite connection among them; so what is a keystore of ours is told by its identity,
 * without opening it.
 *
 * @module
 */
import { realpath } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { isPostgresUrl } from "@env/kms";
import { isKeystoreUri, keystorePath, parseLocalFileUri } from "@env/local-file";
import { usageError } from "./errors.ts";
import { identityOf, readFront, readSource, type Reason } from "./files.ts";

/** What SQLite keeps beside a database. */
export const companions: readonly string[] = ["-wal", "-shm", "-journal"];

/** Where the root key of a keystore is, by convention; the same as `openLocalFile`'s. */
export function keyFileOf(keystore: string): string {
  return `${keystore}.key`;
}

export class OwnFiles {
  readonly #reasons = new Map<string, Reason>();

  /**
   * Must be called once the keystores are open, since SQLite creates their companions on opening.
   *
   * @param config - The configuration file; `undefined` with `--cmk`.
   * @param open - The URIs of all CMKs that are open, by the folder at which their paths start.
   */
  static async of(
    config: string | undefined,
    open: readonly { readonly uris: readonly string[]; readonly baseDirectory: string }[],
  ): Promise<OwnFiles> {
    const own = new OwnFiles();
    if (config !== undefined) await own.#add(config, "the configuration");
    const keystores = open.flatMap(({ uris, baseDirectory }) =>
      uris
        .filter(isKeystoreUri)
        .map((uri) => keystorePath(parseLocalFileUri(uri).path, baseDirectory))
        .filter((path) => !isPostgresUrl(path)),
    );
    for (const path of new Set(keystores)) {
      await own.#add(path, "a keystore");
      await own.#add(keyFileOf(path), "a root key");
      // SQLite puts them beside the file itself, not beside a link to it.
      const file = await realpath(path).catch(() => path);
      for (const suffix of companions) await own.#add(file + suffix, "a keystore");
    }
    return own;
  }

  /** Adds a file by its name, which it may get later, and by its identity, which hard links share. */
  async #add(path: string, reason: Reason): Promise<void> {
    this.#reasons.set(await realName(path), reason);
    const found = await identityOf(path);
    if (found !== undefined) this.#reasons.set(found, reason);
  }

  /** What of ours a path leads to. Opens nothing. */
  async reason(path: string): Promise<Reason | undefined> {
    const found = await identityOf(path);
    return (
      (found === undefined ? undefined : this.#reasons.get(found)) ??
      this.#reasons.get(await realName(path))
    );
  }

  /**
   * Refuses a file that was named on the command line, for reading or writing.
   *
   * @throws CommandError `ERR_CLI_USAGE` for a file of ours.
   */
  async refuse(path: string): Promise<void> {
    const reason = await this.reason(path);
    if (reason === undefined) return;
    throw usageError(`${path}: it is ${reason} that this command is using`);
  }
}

/** A path without symbolic links in its folders, whether there is such a file or not. */
async function realName(path: string): Promise<string> {
  const absolute = resolve(path);
  const folder = dirname(absolute);
  return join(await realpath(folder).catch(() => folder), basename(absolute));
}

const SQLITE_MAGIC = Buffer.from("SQLite format 3\0").toString("latin1");
/** The `application_id` in the header of SQLite. Source: spec/kms-store-v1.md */
const APPLICATION_ID = "EnvK";
const HEADER_BYTES = 72;
const ROOT_KEY_PREFIX = "env-root-1.";

/**
 * Recognises a keystore and a root key by their first bytes, and a companion by the keystore beside it. Only for
 * files that this process has no connection to.
 *
 * @param path - A regular file. It is opened and read.
 */
export async function keystoreFile(path: string): Promise<Reason | undefined> {
  const reason = await byContent(path);
  if (reason !== undefined) return reason;
  const suffix = [...companions, ".key"].find((one) => path.endsWith(one));
  if (suffix === undefined) return undefined;
  const beside = await byContent(path.slice(0, -suffix.length)).catch(() => undefined);
  if (beside !== "a keystore") return undefined;
  return suffix === ".key" ? "a root key" : "a keystore";
}

async function byContent(path: string): Promise<Reason | undefined> {
  const front = await readSource(path, async (source) =>
    Buffer.from(await readFront(source, HEADER_BYTES)).toString("latin1"),
  );
  if (front.startsWith(SQLITE_MAGIC) && front.slice(68, 72) === APPLICATION_ID) return "a keystore";
  return front.startsWith(ROOT_KEY_PREFIX) ? "a root key" : undefined;
}
