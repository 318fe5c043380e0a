/**
 * `envelope keys`: the CMKs of a local keystore. Other KMSs come with their own tools.
 *
 * A key may be named by its id, its ARN or an alias everywhere, even where the KMS itself does not take aliases.
 *
 * @module
 */
import {
  KmsError,
  type KeyMetadata,
  type KeyRotation,
  type Keystore,
  type KmsClient,
} from "@env/kms";
import { usageError } from "../errors.ts";
import { asOption, examples, type GlobalOptions, type Program } from "../program.ts";
import { withKeystore } from "../providers.ts";
import { formatDay, formatState, printableLine, table, widthOf, wrapLine } from "../text.ts";
import { daysParser } from "../time.ts";
import type { Ui } from "../ui.ts";

const KEY = "key id, ARN or alias";

export function addKeys(program: Program, ui: Ui): void {
  const keys = program
    .command("keys")
    .summary("Manage the CMKs of a local keystore.")
    .description(
      "Manage the CMKs of a local keystore. The keys of other KMSs are managed with their own tools.",
    )
    .helpCommand(false)
    .option("--keystore <path>", "the keystore (default: that of the configuration)")
    .addOption(asOption())
    .addHelpText(
      "after",
      examples(
        "envelope keys create --alias alias/orders",
        "envelope keys list",
        "envelope keys rotate alias/orders",
      ),
    );

  const run = (globals: Globals, use: (client: KmsClient) => Promise<void>): Promise<void> =>
    withKeystore(ui, globals, globals.keystore, (keystore) => use(clientOf(keystore, globals.as)));

  keys
    .command("create")
    .description("Create a CMK.")
    .option("--alias <name>", "give it this alias")
    .option("--description <text>", "what it is for")
    .addHelpText(
      "after",
      examples("envelope keys create --alias alias/orders --description 'orders of the shop'"),
    )
    .action((options, command) =>
      run(command.optsWithGlobals(), async (client) => {
        const { alias, description } = options;
        // Asked first, so that a name that is taken leaves no key without one.
        if (alias !== undefined) await requireFreeAlias(client, alias);
        const { KeyMetadata } = await client.createKey({ Description: description });
        const { KeyId } = KeyMetadata;
        if (alias !== undefined) {
          await client.createAlias({ AliasName: alias, TargetKeyId: KeyId });
        }
        const named = alias === undefined ? "" : ` (${alias})`;
        await ui.answer(
          `${KeyId}${named}`,
          toJson(KeyMetadata, { aliases: alias === undefined ? [] : [alias] }),
        );
      }),
    );

  keys
    .command("list")
    .description("List the CMKs with their aliases.")
    .addHelpText(
      "after",
      examples("envelope keys list", "envelope keys list --json | jq -r '.[].keyId'"),
    )
    .action((_, command) =>
      run(command.optsWithGlobals(), async (client) => {
        const aliases = await allAliases(client);
        const found: ListedKey[] = [];
        for (const KeyId of await allKeys(client)) {
          const { KeyMetadata } = await client.describeKey({ KeyId });
          const versions = await versionsOf(client, KeyMetadata);
          const names = aliases.get(KeyId) ?? [];
          found.push({ metadata: KeyMetadata, aliases: names, versions: versions.length });
        }
        await ui.answer(
          drawKeys(found, ui.columns),
          found.map((one) =>
            toJson(one.metadata, { aliases: one.aliases, versions: one.versions }),
          ),
        );
      }),
    );

  keys
    .command("show")
    .description("Show one CMK and its versions.")
    .argument("<key>", KEY)
    .addHelpText("after", examples("envelope keys show alias/orders"))
    .action((key, _, command) =>
      run(command.optsWithGlobals(), async (client) => {
        const { KeyMetadata } = await client.describeKey({ KeyId: key });
        const aliases = (await allAliases(client)).get(KeyMetadata.KeyId) ?? [];
        const versions = await versionsOf(client, KeyMetadata);
        const rows = [
          ["key", KeyMetadata.KeyId],
          ["arn", KeyMetadata.Arn],
          ["alias", aliases.join(", ") || "-"],
          ["state", stateOf(KeyMetadata)],
          ["created", KeyMetadata.CreationDate.toISOString()],
          ["description", KeyMetadata.Description || "-"],
          ...versions.map(({ version, created, current }) => [
            "version",
            `${version}  ${created.toISOString()}${current ? "  wraps" : "  unwraps only"}`,
          ]),
        ];
        const text = rows.map(
          ([label = "", value = ""]) => `${label.padEnd(13)}${printableLine(value)}`,
        );
        await ui.answer(text.join("\n"), toJson(KeyMetadata, { aliases, versions }));
      }),
    );

  const alias = keys
    .command("alias")
    .description("Name CMKs. An alias can move to another key; a key id is fixed.")
    .helpCommand(false)
    .addHelpText("after", examples("envelope keys alias set alias/orders alias/orders-2026"));
  alias
    .command("set")
    .description("Point an alias at a CMK. The alias is created if necessary.")
    .argument("<alias>", "alias/name")
    .argument("<key>", KEY)
    .addHelpText("after", examples("envelope keys alias set alias/orders alias/orders-2026"))
    .action((name, key, _, command) =>
      run(command.optsWithGlobals(), async (client) => {
        const target = await idOf(client, key);
        const previous = await aliasTarget(client, name);
        const request = { AliasName: name, TargetKeyId: target };
        if (previous === undefined) await client.createAlias(request);
        else await client.updateAlias(request);
        const moved = previous !== undefined && previous !== target;
        const note = moved
          ? `\nMessages wrapped by ${previous} still need it. To move them: envelope rewrap --from 'local-file:<keystore>?key=${previous}'`
          : "";
        await ui.result(`${name} -> ${target}${note}`, { alias: name, keyId: target, previous });
      }),
    );
  alias
    .command("delete")
    .description("Delete an alias. The CMK stays.")
    .argument("<alias>", "alias/name")
    .addHelpText("after", examples("envelope keys alias delete alias/orders"))
    .action((name, _, command) =>
      run(command.optsWithGlobals(), async (client) => {
        await client.deleteAlias({ AliasName: name });
        await ui.result(`deleted ${name}`, { alias: name, deleted: true });
      }),
    );

  keys
    .command("rotate")
    .description(
      "Create a new version of a CMK, which wraps from now on. Old versions still unwrap.",
    )
    .argument("<key>", KEY)
    .addHelpText(
      "after",
      examples("envelope keys rotate alias/orders && envelope rewrap --from-header -r /srv/data"),
    )
    .action((key, _, command) =>
      run(command.optsWithGlobals(), async (client) => {
        const keyId = await idOf(client, key);
        await client.rotateKeyOnDemand({ KeyId: keyId });
        const { KeyMetadata } = await client.describeKey({ KeyId: keyId });
        const version = (await versionsOf(client, KeyMetadata)).length;
        await ui.result(
          `${keyId} is now at version ${version}; \`envelope rewrap\` moves existing messages to it`,
          { keyId, version },
        );
      }),
    );

  const changes: readonly (readonly [
    name: string,
    description: string,
    change: (client: KmsClient, KeyId: string) => Promise<unknown>,
  ])[] = [
    ["enable", "Enable a CMK.", (client, KeyId) => client.enableKey({ KeyId })],
    [
      "disable",
      "Disable a CMK. It neither wraps nor unwraps until it is enabled again.",
      (client, KeyId) => client.disableKey({ KeyId }),
    ],
    [
      "cancel-deletion",
      "Cancel a scheduled deletion. The CMK stays disabled until you enable it.",
      (client, KeyId) => client.cancelKeyDeletion({ KeyId }),
    ],
  ];
  for (const [name, description, change] of changes) {
    keys
      .command(name)
      .description(description)
      .argument("<key>", KEY)
      .addHelpText("after", examples(`envelope keys ${name} alias/orders`))
      .action((key, _, command) =>
        run(command.optsWithGlobals(), async (client) => {
          await change(client, await idOf(client, key));
          await showState(ui, client, key);
        }),
      );
  }

  keys
    .command("schedule-deletion")
    .description(
      "Delete a CMK permanently after a waiting period. Data wrapped only by this CMK becomes permanently unreadable.",
    )
    .argument("<key>", KEY)
    .option("--days <number>", "the waiting period, 7 to 30", daysParser("--days", 7, 30), 30)
    .addHelpText("after", examples("envelope keys schedule-deletion alias/orders --days 7"))
    .action((key, { days }, command) =>
      run(command.optsWithGlobals(), async (client) => {
        const KeyId = await idOf(client, key);
        await client.scheduleKeyDeletion({ KeyId, PendingWindowInDays: days });
        await showState(ui, client, key);
      }),
    );
}

type Globals = GlobalOptions & {
  readonly keystore?: string | undefined;
  readonly as?: string | undefined;
};

function clientOf(keystore: Keystore, principal: string | undefined): KmsClient {
  try {
    return keystore.as(principal);
  } catch (error) {
    throw error instanceof TypeError ? usageError(`--as: ${error.message}`) : error;
  }
}

interface ListedKey {
  readonly metadata: KeyMetadata;
  readonly aliases: readonly string[];
  readonly versions: number;
}

const HEAD = ["KEY", "STATE", "VERSIONS", "CREATED", "ALIAS", "DESCRIPTION"];

/** A table; if it is too wide, aliases, description and the date of deletion are below each key. */
function drawKeys(keys: readonly ListedKey[], columns: number | undefined): string {
  const cellsOf = ({ metadata, versions }: ListedKey, state: string): string[] => [
    metadata.KeyId,
    state,
    String(versions || "-"),
    formatDay(metadata.CreationDate),
  ];
  const whole = table(
    HEAD,
    keys.map((key) => [
      ...cellsOf(key, stateOf(key.metadata)),
      key.aliases.join(", ") || "-",
      key.metadata.Description,
    ]),
  );
  if (columns === undefined || whole.split("\n").every((line) => widthOf(line) <= columns)) {
    return whole;
  }
  const [head = "", ...lines] = table(
    HEAD.slice(0, 4),
    keys.map((key) => cellsOf(key, formatState(key.metadata.KeyState))),
  ).split("\n");
  const blocks = keys.map(({ metadata, aliases }, at) => {
    const { Description, DeletionDate } = metadata;
    const deletion =
      DeletionDate === undefined ? "" : `to be deleted on ${formatDay(DeletionDate)}`;
    const below = [...aliases, Description, deletion].filter((text) => text !== "");
    return [
      lines[at] ?? "",
      ...below.map((text) => wrapLine(`  ${printableLine(text)}`, columns, 4)),
    ].join("\n");
  });
  return [head, blocks].flat().join("\n");
}

async function showState(ui: Ui, client: KmsClient, key: string): Promise<void> {
  const { KeyMetadata } = await client.describeKey({ KeyId: key });
  await ui.result(`${KeyMetadata.KeyId}: ${stateOf(KeyMetadata)}`, toJson(KeyMetadata));
}

function toJson(metadata: KeyMetadata, more: object = {}): object {
  return {
    keyId: metadata.KeyId,
    arn: metadata.Arn,
    state: metadata.KeyState,
    created: metadata.CreationDate,
    deletionDate: metadata.DeletionDate,
    description: metadata.Description,
    ...more,
  };
}

function stateOf(metadata: KeyMetadata): string {
  const { DeletionDate, KeyState } = metadata;
  const name = formatState(KeyState);
  return DeletionDate === undefined ? name : `${name} (${formatDay(DeletionDate)})`;
}

async function idOf(client: KmsClient, key: string): Promise<string> {
  return (await client.describeKey({ KeyId: key })).KeyMetadata.KeyId;
}

async function allKeys(client: KmsClient): Promise<string[]> {
  const ids: string[] = [];
  for (let Marker: string | undefined; ;) {
    const { Keys, NextMarker } = await client.listKeys({ Marker });
    ids.push(...Keys.map(({ KeyId }) => KeyId));
    if (NextMarker === undefined) return ids;
    Marker = NextMarker;
  }
}

/** Aliases by key id. */
async function allAliases(client: KmsClient): Promise<Map<string, string[]>> {
  const names = new Map<string, string[]>();
  for (let Marker: string | undefined; ;) {
    const { Aliases, NextMarker } = await client.listAliases({ Marker });
    for (const { AliasName, TargetKeyId } of Aliases) {
      // AWS's own aliases are listed before they have a key.
      if (TargetKeyId === undefined) continue;
      names.set(TargetKeyId, [...(names.get(TargetKeyId) ?? []), AliasName]);
    }
    if (NextMarker === undefined) return names;
    Marker = NextMarker;
  }
}

async function aliasTarget(client: KmsClient, name: string): Promise<string | undefined> {
  for (const [keyId, names] of await allAliases(client)) if (names.includes(name)) return keyId;
  return undefined;
}

async function requireFreeAlias(client: KmsClient, name: string): Promise<void> {
  const target = await aliasTarget(client, name);
  if (target === undefined) return;
  throw new KmsError("AlreadyExistsException", `alias ${name} exists: it names ${target}`);
}

interface Version {
  readonly version: number;
  readonly created: Date;
  readonly current: boolean;
}

async function versionsOf(
  client: KmsClient,
  { KeyId, KeySpec, CreationDate }: KeyMetadata,
): Promise<Version[]> {
  // Keys of other kinds have no versions, and the KMS says so with an error.
  if (KeySpec !== "SYMMETRIC_DEFAULT") return [];
  const rotations: KeyRotation[] = [];
  for (let Marker: string | undefined; ;) {
    const IncludeKeyMaterial = "ALL_KEY_MATERIAL";
    const page = await client.listKeyRotations({ KeyId, IncludeKeyMaterial, Marker });
    rotations.push(...page.Rotations);
    if (page.NextMarker === undefined) break;
    Marker = page.NextMarker;
  }
  return rotations.map(({ RotationDate, KeyMaterialState }, i) => ({
    version: i + 1,
    created: RotationDate ?? CreationDate,
    current: KeyMaterialState === "CURRENT",
  }));
}
