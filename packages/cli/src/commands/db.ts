/**
 * `envelope db`: the encrypted columns of a database.
 *
 * @module
 */
import { createPrivateKey, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Option, type Command } from "@commander-js/extra-typings";
import {
  reencrypt,
  reindex,
  report,
  rewrapKeys,
  schemaSql,
  SubjectKeys,
  type PassOptions,
  type PassProgress,
  type PassResult,
} from "@env/columns";
import {
  databaseOption,
  fencesOption,
  misuse,
  withColumns,
  withDatabase,
} from "../column-database.ts";
import { collectPair, type Pairs } from "../context.ts";
import { CommandError, usageError } from "../errors.ts";
import { collect, examples, type GlobalOptions, type Program } from "../program.ts";
import { withEnvelope } from "../providers.ts";
import { StatusLine } from "../status-line.ts";
import { count, formatDay, printableLine, table } from "../text.ts";
import type { Ui } from "../ui.ts";

export function addDb(program: Program, ui: Ui): void {
  const db = program
    .command("db")
    .summary("Report on encrypted columns of a database, rewrap, re-encrypt and shred them.")
    .description(
      "Work on the columns of PostgreSQL or SQLite that @env/columns encrypts. The definitions of tables are those of the application: a JSON file, or a module that exports them.",
    )
    .helpCommand(false)
    .addHelpText(
      "after",
      examples(
        "envelope db report --database app.db --tables tables.json",
        "envelope db reencrypt --help",
      ),
    );
  addSchema(db, ui);
  addReport(db, ui);
  addRewrap(db, ui);
  addReencrypt(db, ui);
  addIndex(db, ui);
  addShred(db, ui);
}

type Parent = Command<[], {}, GlobalOptions>;

const TABLES = [
  "--tables <file>",
  "definitions of tables: JSON, or a module that exports them",
] as const;

function addSchema(parent: Parent, ui: Ui): void {
  parent
    .command("schema")
    .summary("Print the statements that create the tables of this package, or run them.")
    .description(
      "Print the statements that create the tables of @env/columns, or run them. They may run again.",
    )
    .addOption(new Option("--dialect <dialect>", "print them for").choices(["postgres", "sqlite"]))
    .addOption(databaseOption())
    .addHelpText(
      "after",
      examples("envelope db schema --dialect postgres", "envelope db schema --database app.db"),
    )
    .action(async ({ dialect, database }) => {
      if (dialect !== undefined) {
        const statements = schemaSql(dialect === "postgres" ? "postgres" : "sqlite");
        return ui.answer(`${statements.join(";\n")};`, { statements });
      }
      await withDatabase({ database }, async (client) => {
        for (const statement of schemaSql(client.dialect)) await client.query(statement);
      });
      return ui.answer("the tables are there", {});
    });
}

function addReport(parent: Parent, ui: Ui): void {
  parent
    .command("report")
    .summary(
      "Count the values that depend on each data key and CMK, and those that are not encrypted.",
    )
    .description(
      "Count the values that depend on each data key and CMK, and those that are not encrypted. It calls no KMS. With --old, it ends with how many values depend on the old data keys or CMKs, and fails unless that is 0.",
    )
    .requiredOption(...TABLES)
    .addOption(databaseOption())
    .option("--scope <key=value>", "only this scope; repeatable", collectPair)
    .option("--table <table>", "only this table; repeatable", collect)
    .option(
      "--old <id>",
      "a data key, or the key id of a CMK, that nothing may depend on; repeatable",
      collect,
    )
    .addHelpText(
      "after",
      examples("envelope db report --database app.db --tables tables.json --old alias/before"),
    )
    .action(async (options, command) => {
      await withEnvelope(ui, command.optsWithGlobals(), ({ envelope }) =>
        withColumns(options, envelope, async (columns) => {
          const found = await misuse(() => report(columns, selection(options)));
          const { keys, cmks, plaintext, retired } = found;
          const columnRows = found.columns.map((one) => [
            `${one.table}.${one.column}`,
            String(one.encrypted),
            String(one.plaintext),
          ]);
          const keyRows = keys.map((key) => [
            key.id,
            key.purpose,
            key.state,
            key.created === undefined ? "" : formatDay(new Date(key.created)),
            String(key.values),
            printableLine(key.scope ?? "(shredded)"),
          ]);
          const cmkRows = cmks.map((cmk) => [
            cmk.provider,
            cmk.keyId,
            String(cmk.dataKeys),
            String(cmk.values),
          ]);
          const old = new Set(options.old ?? []);
          const depends = keys
            .filter(
              ({ id, cmks: by }) =>
                old.has(id) || by.some((label) => old.has(label.slice(label.indexOf(" ") + 1))),
            )
            .reduce((sum, { values }) => sum + values, 0);
          const last =
            old.size === 0
              ? `${count(plaintext, "value")} not encrypted, ${retired} under retired data keys`
              : `${depends} values depend on the old ${old.size === 1 ? "key" : "keys"}`;
          const text = [
            table(["COLUMN", "ENCRYPTED", "PLAINTEXT"], columnRows),
            table(["DATA KEY", "PURPOSE", "STATE", "CREATED", "VALUES", "SCOPE"], keyRows),
            table(["PROVIDER", "CMK", "DATA KEYS", "VALUES"], cmkRows),
            last,
          ].join("\n\n");
          await ui.answer(text, { ...found, ...(old.size > 0 && { dependOnOld: depends }) });
          if (depends > 0) throw new CommandError("ERR_CLI_SOME_FAILED", last);
        }),
      );
    });
}

function addRewrap(parent: Parent, ui: Ui): void {
  parent
    .command("rewrap")
    .summary("Wrap the data keys under the current key versions. Values are not read.")
    .description(
      "Wrap the data keys of the key table under the current versions of the configured CMKs. Values are not read. Use it to retire a CMK or one of its versions; after a leak of a data key, use reencrypt.",
    )
    .requiredOption(...TABLES)
    .addOption(databaseOption())
    .option("--scope <key=value>", "only this scope; repeatable", collectPair)
    .option(
      "--from <uri>",
      "a CMK to leave: it may unwrap, and its entries go; repeatable",
      collect,
    )
    .option("--concurrency <number>", "data keys at a time", wholeNumber)
    .option("--dry-run", "make the same KMS calls, but store nothing")
    .addHelpText(
      "after",
      examples("envelope db rewrap --database app.db --tables tables.json --dry-run"),
    )
    .action(async (options, command) => {
      const { concurrency, dryRun = false } = options;
      const { scope } = selection(options);
      await withEnvelope(
        ui,
        command.optsWithGlobals(),
        ({ envelope, from }) =>
          withColumns(options, envelope, async (columns) => {
            const result = await rewrapKeys(columns, {
              from,
              scope,
              concurrency,
              dryRun,
              signal: ui.host.signal,
            });
            const rows = Object.entries(result.wrappedBy).map(([by, keys]) => [by, String(keys)]);
            const verb = dryRun ? "would be rewrapped" : "rewrapped";
            const summary = `${count(result.keys, "data key")}: ${result.rewrapped} ${verb}, ${result.failed} failed`;
            await ui.answer(`${table(["WRAPPED BY", "DATA KEYS"], rows)}\n\n${summary}`, {
              ...result,
            });
            if (result.failed > 0) throw new CommandError("ERR_CLI_SOME_FAILED", summary);
          }),
        options.from,
      );
    });
}

function addReencrypt(parent: Parent, ui: Ui): void {
  passCommand(parent, "reencrypt")
    .summary("Write values anew under new data keys, beside live writers.")
    .description(
      "Retire the data keys of a scope, and write their values anew under new ones: after a leak of a data key, or to encrypt the plaintext of columns that are being migrated. Live writers go on. A run that was stopped goes on with the same options.",
    )
    .option("--key <id>", "a data key to leave; repeatable (default: all of the scope)", collect)
    .option("--destroy", "destroy the old data keys at the end, if nothing depends on them")
    .option("--new-index-key", "also give blind indexes new keys")
    .addHelpText(
      "after",
      examples(
        "envelope db reencrypt --database app.db --tables tables.json --dry-run",
        "envelope db reencrypt --database app.db --tables tables.json --key 0a1b2c3d4e5f --destroy",
      ),
    )
    .action(async (options, command) => {
      const { key: keys, destroy = false, newIndexKey = false, dryRun = false } = options;
      await withEnvelope(ui, command.optsWithGlobals(), ({ envelope }) =>
        withColumns(options, envelope, async (columns) => {
          const result = await watched(ui, (watch) =>
            reencrypt(columns, {
              ...passOptions(options),
              ...watch,
              keys,
              destroy,
              newIndexKey,
              dryRun,
            }),
          );
          await answer(ui, result, dryRun);
        }),
      );
    });
}

function addIndex(parent: Parent, ui: Ui): void {
  passCommand(parent, "index")
    .summary("Compute blind indexes anew.")
    .description(
      "Compute the blind indexes of all rows anew: after the definition of one has changed, or with a new index key. Searches find rows by either key until the run ends.",
    )
    .option("--new-index-key", "use a new index key")
    .addHelpText(
      "after",
      examples("envelope db index --database app.db --tables tables.json --new-index-key"),
    )
    .action(async (options, command) => {
      const { newIndexKey = false, dryRun = false } = options;
      await withEnvelope(ui, command.optsWithGlobals(), ({ envelope }) =>
        withColumns(options, envelope, async (columns) => {
          const result = await watched(ui, (watch) =>
            reindex(columns, { ...passOptions(options), ...watch, newIndexKey, dryRun }),
          );
          await answer(ui, result, dryRun);
        }),
      );
    });
}

function addShred(parent: Parent, ui: Ui): void {
  parent
    .command("shred")
    .summary("Destroy the data keys of a scope for good, and sign a receipt.")
    .description(
      "Destroy the data keys of a scope for good, and print a signed receipt. A fence is written first: no restored backup that the fences survive opens the values again. The same command goes on where it was killed.",
    )
    .requiredOption(...TABLES)
    .requiredOption("--scope <key=value>", "whose data; repeatable", collectPair)
    .requiredOption(
      "--signing-key <file>",
      "an Ed25519 private key in PEM, which signs the receipt",
    )
    .addOption(databaseOption())
    .addOption(fencesOption())
    .addHelpText(
      "after",
      examples(
        "envelope db shred --database app.db --tables tables.json --scope subject=42 --signing-key receipts.pem",
      ),
    )
    .action(async (options, command) => {
      const scope = Object.fromEntries(options.scope);
      const signingKey = await readKey(options.signingKey);
      await withEnvelope(ui, command.optsWithGlobals(), ({ envelope }) =>
        withColumns(options, envelope, async (columns) => {
          const subjects = await misuse(() => new SubjectKeys({ columns, signingKey }));
          const receipt = await subjects.shred(scope);
          await ui.answer(`${receipt.text}\n${receipt.signature}`, { ...receipt });
        }),
      );
    });
}

/** The options that all passes have. */
function passCommand(parent: Parent, name: string) {
  return parent
    .command(name)
    .requiredOption(...TABLES)
    .addOption(databaseOption())
    .addOption(fencesOption())
    .option("--scope <key=value>", "only this scope; repeatable", collectPair)
    .option("--table <table>", "only this table; repeatable", collect)
    .option("--batch <rows>", "rows that are read and changed at once", wholeNumber)
    .option("--concurrency <number>", "batches at a time", wholeNumber)
    .option("--rate <rows>", "the most rows per second", wholeNumber)
    .option(
      "--write-lease <ms>",
      "the longest writeLease of the processes that write (default: 60000)",
      wholeNumber,
    )
    .option("--dry-run", "count what would change, and change nothing");
}

function selection({
  scope,
  table: tables,
}: {
  readonly scope?: Pairs | undefined;
  readonly table?: readonly string[] | undefined;
}): Pick<PassOptions, "scope" | "tables"> {
  return { scope: scope && Object.fromEntries(scope), tables };
}

function passOptions(
  options: Parameters<typeof selection>[0] & {
    readonly batch?: number | undefined;
    readonly concurrency?: number | undefined;
    readonly rate?: number | undefined;
  },
): PassOptions {
  const { batch, concurrency, rate: rowsPerSecond } = options;
  return { ...selection(options), batch, concurrency, rowsPerSecond };
}

/** Shows how far a pass is. */
async function watched(
  ui: Ui,
  run: (watch: Pick<PassOptions, "onProgress" | "signal">) => Promise<PassResult>,
): Promise<PassResult> {
  const { stderr, signal } = ui.host;
  let now: PassProgress | undefined;
  const line = (): string => {
    if (now === undefined) return "";
    const { rows, changed, failed } = now.counts;
    return printableLine(
      `${now.table}  ${count(rows, "row")}, ${changed} changed, ${failed} failed`,
    );
  };
  using _ =
    stderr.isTTY === true && !ui.quiet ? new StatusLine(stderr, line) : { [Symbol.dispose]() {} };
  return await misuse(() => run({ onProgress: (progress) => (now = progress), signal }));
}

/** @throws CommandError `ERR_CLI_SOME_FAILED` where some rows failed. */
async function answer(ui: Ui, result: PassResult, dryRun: boolean): Promise<void> {
  const { tables, remaining, destroyed } = result;
  const rows = Object.entries(tables).map(([name, counts]) => [
    name,
    String(counts.rows),
    String(counts.changed),
    String(counts.failed),
  ]);
  const summary = dryRun
    ? `${count(remaining, "value")} would be written anew`
    : `${remaining} values depend on the old keys${destroyed.length > 0 ? `, and ${count(destroyed.length, "data key")} destroyed` : ""}`;
  await ui.answer(`${table(["TABLE", "ROWS", "CHANGED", "FAILED"], rows)}\n\n${summary}`, {
    ...result,
  });
  if (!dryRun && (remaining > 0 || Object.values(tables).some(({ failed }) => failed > 0))) {
    throw new CommandError("ERR_CLI_SOME_FAILED", summary);
  }
}

async function readKey(path: string): Promise<KeyObject> {
  const pem = await readFile(path);
  try {
    return createPrivateKey(pem);
  } catch {
    throw usageError(
      `--signing-key: ${path} is not a private key in PEM`,
      "openssl genpkey -algorithm ed25519",
    );
  }
}

function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw usageError(`${JSON.stringify(text)} is not a whole number above 0`);
}
