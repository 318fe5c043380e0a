/**
 * `envelope access-keys`: what callers of `envelope serve` sign their requests with.
 *
 * @module
 */
import { isKmsError, type AccessKey, type KmsErrorName, type Keystore } from "@env/kms";
import { shortPrincipal } from "../arn.ts";
import { HintedError } from "../errors.ts";
import { examples, type GlobalOptions, type Program } from "../program.ts";
import { withKeystore } from "../providers.ts";
import { table } from "../text.ts";
import type { Ui } from "../ui.ts";

const PRINCIPAL = "user/alice, root, or an ARN";

type Globals = GlobalOptions & { readonly keystore?: string | undefined };

export function addAccessKeys(program: Program, ui: Ui): void {
  const accessKeys = program
    .command("access-keys")
    .summary("Manage the access keys of a local keystore.")
    .description(
      "Manage the access keys of a local keystore, with which callers sign when it is served by `envelope serve --auth strict`. A user and the account's root can have two each. A server that is running takes changes over at once.",
    )
    .helpCommand(false)
    .option("--keystore <path>", "the keystore (default: that of the configuration)")
    .addHelpText(
      "after",
      examples(
        "envelope access-keys create user/alice",
        "envelope access-keys list",
        "envelope access-keys disable AKIAIOSFODNN7EXAMPLE",
      ),
    );

  const run = (globals: Globals, use: (keystore: Keystore) => Promise<void>): Promise<void> =>
    withKeystore(ui, globals, globals.keystore, (keystore) => withHints(() => use(keystore)));

  accessKeys
    .command("create")
    .summary("Create an access key, and print it as variables for a shell.")
    .description(
      "Create an access key, and print it as variables for a shell. Its secret is shown this once.",
    )
    .argument("[principal]", PRINCIPAL, "root")
    .addHelpText(
      "after",
      examples(
        "envelope access-keys create user/alice > alice.env",
        'eval "$(envelope access-keys create --quiet)"',
      ),
    )
    .action((principal, _, command) =>
      run(command.optsWithGlobals(), async ({ iam }) => {
        const created = await iam.accessKeys.create(principal);
        const { accessKeyId, secretAccessKey } = created;
        await ui.answer(
          `export AWS_ACCESS_KEY_ID=${accessKeyId}\nexport AWS_SECRET_ACCESS_KEY=${secretAccessKey}`,
          created,
        );
        ui.note("The secret cannot be shown again. Store it now.");
      }),
    );

  accessKeys
    .command("list")
    .description("List the access keys of a principal, or all of them. Secrets are not shown.")
    .argument("[principal]", PRINCIPAL)
    .addHelpText(
      "after",
      examples("envelope access-keys list", "envelope access-keys list user/alice --json"),
    )
    .action((principal, _, command) =>
      run(command.optsWithGlobals(), async ({ iam, facts }) => {
        const found = await iam.accessKeys.list(principal);
        const rows = found.map((one) => [
          one.accessKeyId,
          shortPrincipal(one.owner, facts),
          stateOf(one),
          one.created.toISOString(),
        ]);
        await ui.answer(table(["ACCESS KEY", "OWNER", "STATE", "CREATED"], rows), found);
      }),
    );

  for (const [name, active, description] of [
    ["enable", true, "Enable an access key."],
    ["disable", false, "Disable an access key. Requests signed with it are refused."],
  ] as const) {
    accessKeys
      .command(name)
      .description(description)
      .argument("<id>", "access key id")
      .addHelpText("after", examples(`envelope access-keys ${name} AKIAIOSFODNN7EXAMPLE`))
      .action((id, _, command) =>
        run(command.optsWithGlobals(), async ({ iam }) => {
          const changed = await iam.accessKeys.setActive(id, active);
          await ui.result(`${changed.accessKeyId} is ${stateOf(changed)}`, changed);
        }),
      );
  }

  accessKeys
    .command("delete")
    .description("Delete an access key. Requests signed with it are refused permanently.")
    .argument("<id>", "access key id")
    .addHelpText("after", examples("envelope access-keys delete AKIAIOSFODNN7EXAMPLE"))
    .action((accessKeyId, _, command) =>
      run(command.optsWithGlobals(), async ({ iam }) => {
        await iam.accessKeys.delete(accessKeyId);
        await ui.result(`deleted ${accessKeyId}`, { accessKeyId, deleted: true });
      }),
    );
}

function stateOf({ active }: AccessKey): string {
  return active ? "enabled" : "disabled";
}

/** The next steps where no CMK is in question. */
const hints: Readonly<Partial<Record<KmsErrorName, string>>> = {
  NotFoundException:
    "`envelope access-keys list` lists the access keys, `envelope kms export-config` the users",
  LimitExceededException: "`envelope access-keys delete` makes room for another one",
};

async function withHints(use: () => Promise<void>): Promise<void> {
  try {
    await use();
  } catch (error) {
    const hint = isKmsError(error) ? hints[error.name] : undefined;
    throw hint === undefined ? error : new HintedError(hint, error);
  }
}
