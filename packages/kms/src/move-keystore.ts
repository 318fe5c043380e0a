/**
 * Moving a keystore between a file and PostgreSQL.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { Keystore, verifyOpen } from "./keystore.ts";
import { createFile, openFile, type OpenFileOptions } from "./store/keystore-file.ts";
import {
  createInPostgres,
  isInPostgres,
  isPostgresUrl,
  openInPostgres,
  withoutPassword,
} from "./store/keystore-database.ts";
import { cancelMove, move, type MoveProgress, type MoveReport, type Target } from "./store/move.ts";
import type { OpenKeystore } from "./store/open-keystore.ts";
import { removeAbandoned } from "./store/partial-file.ts";
import type { RootKeySource } from "./store/root-key.ts";

export interface MoveKeystoreOptions extends Omit<OpenFileOptions, "readOnly"> {
  /** Seals the root key under another source at the other place. A key file is made. Default: `root`. */
  readonly targetRoot?: RootKeySource;
  /** Ends the move. Then the keystore stays where it is, and can be used again. */
  readonly signal?: AbortSignal;
  /** Called at each step and after each page of one. */
  readonly onProgress?: (progress: MoveProgress) => void;
}

/**
 * Moves a keystore to another place: a file to PostgreSQL, back, or to a file or schema of another name. Everything goes with
 * it: keys, principals and their access keys, the audit log, with the same ids and root key. Tokens, anchors and ciphertexts stay valid.
 *
 * The keystore is verified first. From then on it takes no changes until the move has ended, and the other place is not a
 * keystore before everything there was read back, compared and verified. Afterwards, the first place only says where the keystore is. After
 * a crash, call it again with the same arguments.
 *
 * @param from - Path or URL of the keystore.
 * @param to - Path or URL of a place where there is none.
 * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_MOVED` if it was moved before; `ERR_ENVELOPE_KEYSTORE_FORMAT` if it does not
 * verify; `ERR_ENVELOPE_KEYSTORE_IO` if `to` is taken; what {@link openKeystore} and {@link createKeystore} throw. Then it
 * stays where it is.
 */
export async function moveKeystore(
  from: string,
  to: string,
  options: MoveKeystoreOptions,
): Promise<MoveReport> {
  const { root, targetRoot, signal, onProgress, ...rest } = options;
  const atTarget = { ...rest, root: targetRoot ?? root };
  const open = await openForMove(from, { ...rest, root });
  // Opened as a service: what expires meanwhile is deleted and recorded as ever.
  using keystore = new Keystore(open, {});
  const report = await move(open, targetOf(to, atTarget), {
    root: targetRoot,
    signal,
    onProgress,
    verify: verifyOpen,
    forget: () => {
      if (targetRoot !== undefined && "keyFile" in targetRoot) removeAbandoned(targetRoot.keyFile);
    },
  });
  keystore.close();
  return report;
}

/**
 * Lets a keystore be used again whose move was interrupted. What is left at the other place cannot be used, and can be removed.
 *
 * @param options - `force`: also after a move that is complete, if the other place was lost. Both are keystores of their own from then
 * on: changes at the other place are not here.
 * @returns Where the move went; `undefined` if there was none.
 * @throws EnvelopeError `ERR_ENVELOPE_KEYSTORE_MOVED` if the move is complete; what {@link openKeystore} throws.
 */
export async function cancelKeystoreMove(
  path: string,
  options: Omit<OpenFileOptions, "readOnly"> & { readonly force?: boolean },
): Promise<string | undefined> {
  const { force = false, ...rest } = options;
  const open = await openForMove(path, rest);
  using keystore = new Keystore(open, {});
  const canceled = await cancelMove(open, force);
  keystore.close();
  return canceled?.place;
}

function openForMove(path: string, options: OpenFileOptions): Promise<OpenKeystore> {
  return isPostgresUrl(path) ? openInPostgres(path, options, true) : openFile(path, options, true);
}

function targetOf(to: string, options: OpenFileOptions): Target {
  const open = (): Promise<OpenKeystore> => openForMove(to, options);
  if (isPostgresUrl(to)) {
    return {
      place: withoutPassword(to),
      isTaken: () => isInPostgres(to, options),
      open,
      create: (make, prepare) => createInPostgres(to, options, prepare, make),
    };
  }
  return {
    place: resolve(to),
    isTaken: () => Promise.resolve(existsSync(to)),
    open,
    create: (make, prepare) => createFile(to, options, prepare, make),
  };
}
