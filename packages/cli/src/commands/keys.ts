/**
 * `envelope keys`: the CMKs of a local keystore. Other KMSs come with tools of their own.
 *
 * A key may be named by its id, its ARN or an alias everywhere, also where the KMS itself takes no alias.
 *
 * @module
 */
import { KmsError, type KeyMetadata, type KeyRotation, type KmsClient } from "@env/kms";
import { usageError } from "../errors.ts";
import type { Program } from "../program.ts";
import { withKeystore, type GlobalOptions } from "../providers.ts";
import { printableLine, table } from "../text.ts";
import type { Ui } from "../ui.ts";

export function addKeys(program: Program, ui: Ui): void {
  const keys = program
    .command("keys")
    .description("Manage the CMKs of a local keystore.")
    .helpCommand(false)
    .option("--keystore <path>", "the keystore (default: that of the configuration)");

  const run = (
    globals: GlobalOptions & { readonly keystore?: string | undefined },
    use: (client: KmsClient) => Promise<void>,
  ): Promise<void> => withKeystore(ui, globals, globals.keystore, (keystore) => use(keystore.as()));

  keys
    .command("create")
    .description("Make a CMK.")
    .option("--alias <name>", "give it this alias")
    .option("--description <text>", "what it is for")
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
    .description("List the CMKs.")
    .action((_, command) =>
      run(command.optsWithGlobals(), async (client) => {
        const aliases = await allAliases(client);
        const found: { metadata: KeyMetadata; aliases: string[]; versions: number }[] = [];
        for (const KeyId of await allKeys(client)) {
          const { KeyMetadata } = await client.describeKey({ KeyId });
          const versions = await versionsOf(client, KeyMetadata);
          const names = aliases.get(KeyId) ?? [];
          found.push({ metadata: KeyMetadata, aliases: names, versions: versions.length });
        }
        const rows = found.map(({ metadata, aliases: names, versions }) => [
          metadata.KeyId,
          names.join(", ") || "-",
          stateOf(metadata),
          String(versions || "-"),
          day(metadata.CreationDate),
          metadata.Description,
        ]);
        const head = ["KEY", "ALIAS", "STATE", "VERSIONS", "CREATED", "DESCRIPTION"];
        await ui.answer(
          table(head, rows),
          found.map((one) =>
            toJson(one.metadata, { aliases: one.aliases, versions: one.versions }),
          ),
        );
      }),
    );

  keys
    .command("show")
    .description("Show one CMK and its versions.")
    .argument("<key>", "key id, ARN or alias")
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
    .description("Names for CMKs. Aliases can move, ids cannot.")
    .helpCommand(false);
  alias
    .command("set")
    .description("Point an alias at a CMK; make it where there is none.")
    .argument("<alias>", "alias/name")
    .argument("<key>", "key id, ARN or alias")
    .action((name, key, _, command) =>
      run(command.optsWithGlobals(), async (client) => {
        const target = await idOf(client, key);
        const previous = await aliasTarget(client, name);
        const request = { AliasName: name, TargetKeyId: target };
        if (previous === undefined) await client.createAlias(request);
        else await client.updateAlias(request);
        const moved = previous !== undefined && previous !== target;
        const note = moved
          ? `\nwhat ${previous} wrapped still needs it: envelope rewrap --from 'local-file:<keystore>?key=${previous}'`
          : "";
        await ui.result(`${name} -> ${target}${note}`, { alias: name, keyId: target, previous });
      }),
    );
  alias
    .command("delete")
    .description("Delete an alias; the CMK stays.")
    .argument("<alias>", "alias/name")
    .action((name, _, command) =>
      run(command.optsWithGlobals(), async (client) => {
        await client.deleteAlias({ AliasName: name });
        await ui.result(`deleted ${name}`, { alias: name, deleted: true });
      }),
    );

  keys
    .command("rotate")
    .description("Give a CMK a new version, which wraps from now on. Old versions still unwrap.")
    .argument("<key>", "key id, ARN or alias")
    .action((key, _, command) =>
      run(command.optsWithGlobals(), async (client) => {
        const keyId = await idOf(client, key);
        await client.rotateKeyOnDemand({ KeyId: keyId });
        const { KeyMetadata } = await client.describeKey({ KeyId: keyId });
        const version = (await versionsOf(client, KeyMetadata)).length;
        await ui.result(
          `${keyId} is at version ${version}; envelope rewrap moves existing messages to it`,
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
      "Disable a CMK: it neither wraps nor unwraps.",
      (client, KeyId) => client.disableKey({ KeyId }),
    ],
    [
      "cancel-deletion",
      "Keep a CMK that is scheduled for deletion. It is disabled then.",
      (client, KeyId) => client.cancelKeyDeletion({ KeyId }),
    ],
  ];
  for (const [name, description, change] of changes) {
    keys
      .command(name)
      .description(description)
      .argument("<key>", "key id, ARN or alias")
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
      "Delete a CMK for good after a waiting time. All that it alone wrapped is lost then.",
    )
    .argument("<key>", "key id, ARN or alias")
    .option("--days <number>", "the waiting time, 7 to 30", parseDays, 30)
    .action((key, { days }, command) =>
      run(command.optsWithGlobals(), async (client) => {
        const KeyId = await idOf(client, key);
        await client.scheduleKeyDeletion({ KeyId, PendingWindowInDays: days });
        await showState(ui, client, key);
      }),
    );
}

async function showState(ui: Ui, client: KmsClient, key: string): Promise<void> {
  const { KeyMetadata } = await client.describeKey({ KeyId: key });
  await ui.result(`${KeyMetadata.KeyId} ${stateOf(KeyMetadata)}`, toJson(KeyMetadata));
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

function stateOf({ KeyState, DeletionDate }: KeyMetadata): string {
  if (DeletionDate === undefined) return KeyState.toLowerCase();
  return `deleted on ${day(DeletionDate)} unless envelope keys cancel-deletion`;
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
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

/** By key id. */
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

function parseDays(text: string): number {
  const days = Number(text);
  if (/^[0-9]+$/.test(text) && days >= 7 && days <= 30) return days;
  throw usageError("--days must be 7 to 30");
}
