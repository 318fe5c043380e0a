/**
 * `envelope kms move`: a keystore to another place, such as from a file to PostgreSQL, or back.
 *
 * @module
 */
import { Option, type Command, type OptionValues } from "@commander-js/extra-typings";
import {
  cancelKeystoreMove,
  inspectKeystore,
  isPostgresUrl,
  keystoreUri,
  moveKeystore,
  type MoveProgress,
  type RootKeySource,
} from "@env/kms";
import { keystorePath } from "@env/local-file";
import { usageError } from "../errors.ts";
import { describeRoot, newRoot, type Root } from "../new-keystore.ts";
import { examples, type GlobalOptions } from "../program.ts";
import { namedKeystore, rootOf } from "../providers.ts";
import { StatusLine } from "../status-line.ts";
import { count } from "../text.ts";
import type { Ui } from "../ui.ts";

const STEPS: Readonly<Record<MoveProgress["step"], string>> = {
  verify: "verifying the keystore",
  stop: "waiting for what is being written",
  copy: "copying the audit log",
  compare: "comparing what was copied",
  "verify copy": "verifying the copy",
  finish: "finishing",
};

export function addKmsMove(kms: Command<[], OptionValues, GlobalOptions>, ui: Ui): void {
  kms
    .command("move")
    .summary("Move a keystore to PostgreSQL, or back to a file.")
    .description(
      "Move a keystore with everything in it to another file, or to a schema of PostgreSQL. It takes no changes meanwhile, so calls of running servers are refused. It is verified before and afterwards, and every record is read back and compared. If the command is interrupted, the keystore stays where it is; if it was killed, run it again, or cancel it with --cancel. Afterwards, the first place only says where the keystore is.",
    )
    .option("--to <place>", "where to: a path, or postgres://user@host/database?schema=envelope")
    .option("--keystore <path>", "the keystore (default: that of the configuration)")
    .addOption(
      new Option(
        "--root <kind>",
        "where the root key is kept from now on (default: as it is, but environment instead of a key file for PostgreSQL)",
      ).choices(["key-file", "environment", "passphrase"] as const),
    )
    .option("--cancel", "make a keystore usable again whose move was interrupted")
    .option("--force", "with --cancel: also after a complete move, if the other place was lost")
    .addHelpText(
      "after",
      examples(
        "envelope kms move --keystore prod.kms --to postgres://kms@db1,db2/keys?sslmode=verify-full",
        "envelope kms move --keystore postgres://kms@db1,db2/keys --to prod.kms",
        "envelope kms move --keystore prod.kms --cancel",
      ),
    )
    .action(async ({ to, keystore, root, cancel = false, force = false }, command) => {
      if (cancel === (to !== undefined)) {
        throw usageError("give either --to or --cancel", "--to says where the keystore goes");
      }
      if (force && !cancel)
        throw usageError("--force is for --cancel: no move overwrites anything");
      const { path, options } = await namedKeystore(ui, command.optsWithGlobals(), keystore);
      const opened = { ...options, root: await rootOf(ui, path, options) };
      if (to === undefined) return cancelMove(ui, path, opened, force);
      const place = keystorePath(to, process.cwd());
      const chosen = root ?? rootFor(place, opened.root);
      const targetRoot = chosen && { targetRoot: newRoot(ui, chosen, place) };
      using line = progressLine(ui);
      const report = await moveKeystore(path, place, {
        ...opened,
        ...targetRoot,
        signal: ui.host.signal,
        onProgress: (progress) => line.show(progress),
      });
      line.clear();
      const { rootKind } = await inspectKeystore(place, options);
      const where = describeRoot(chosen === undefined ? path : place, rootKind);
      const { records, auditRecords } = report;
      await ui.result(
        [
          `keystore   ${place}`,
          `configure  ${keystoreUri(place, "alias/…")}`,
          `root key   ${where}`,
          `moved      ${count(records, "record")} and ${count(auditRecords, "audit record")}, compared and verified`,
        ].join("\n"),
        { ...report, from: path, to: place, root: rootKind },
      );
      ui.note(
        `${path} only says now where the keystore is; remove it once the new place is backed up`,
      );
    });
}

/** No key file is beside a database. `undefined`: the root key is kept where it is. */
function rootFor(place: string, root: RootKeySource): Root | undefined {
  return isPostgresUrl(place) && "keyFile" in root ? "environment" : undefined;
}

async function cancelMove(
  ui: Ui,
  path: string,
  options: Parameters<typeof cancelKeystoreMove>[1],
  force: boolean,
): Promise<void> {
  const to = await cancelKeystoreMove(path, { ...options, force });
  await ui.result(to === undefined ? `${path} is not being moved` : `${path} can be used again`, {
    keystore: path,
    canceled: to !== undefined,
    ...(to === undefined ? {} : { to }),
  });
  if (to !== undefined) ui.note(`remove what is left at ${to}`);
}

interface MoveLine extends Disposable {
  show(progress: MoveProgress): void;
  clear(): void;
}

/** How far the move is, on a terminal. */
function progressLine(ui: Ui): MoveLine {
  const { stderr } = ui.host;
  let shown: MoveProgress | undefined;
  const text = (): string => {
    if (shown === undefined) return "";
    const { step, records } = shown;
    return records === 0 ? STEPS[step] : `${STEPS[step]}: ${count(records, "record")}`;
  };
  const line =
    stderr.isTTY === true && !ui.quiet && !ui.json ? new StatusLine(stderr, text) : undefined;
  return {
    show: (progress) => void (shown = progress),
    clear: () => line?.clear(),
    [Symbol.dispose]: () => line?.[Symbol.dispose](),
  };
}
