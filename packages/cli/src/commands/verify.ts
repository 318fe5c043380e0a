/**
 * `envelope verify`: decrypts and throws the plaintext away. The exit codes are those of `decrypt`.
 *
 * @module
 */
import type { DecryptOptions, Envelope } from "@env/core";
import { verifyFile } from "@env/node-stream";
import { contextToRead, readAad, withMessageOptions } from "../context.ts";
import { betweenFiles, readMessage, readPieces } from "../files.ts";
import {
  excludeOption,
  forEachInput,
  formOf,
  isNamedMessage,
  listInputs,
  readStdin,
  requireAllDone,
  STANDARD,
  type Input,
} from "../inputs.ts";
import { examples, type Program } from "../program.ts";
import type { Progress } from "../progress.ts";
import { withEnvelope } from "../providers.ts";
import { formatBytes, printableLine } from "../text.ts";
import type { Ui } from "../ui.ts";
import { decryptPieces } from "./decrypt.ts";
import { countBytes } from "./encrypt.ts";

export function addVerify(program: Program, ui: Ui): void {
  withMessageOptions(program.command("verify"))
    .summary("Check that messages can be decrypted. Writes nothing.")
    .description(
      "Decrypt messages without writing the plaintext anywhere: whether they are complete and unaltered, and whether the context, the AAD and the CMKs fit. The exit codes are those of decrypt.",
    )
    .argument("<paths...>", "messages, folders with --recursive, or - for stdin")
    .option("-r, --recursive", "all .envelope files in folders")
    .addOption(excludeOption())
    .addHelpText(
      "after",
      examples(
        "envelope verify --context tenant=acme report.pdf.envelope",
        "envelope verify --from-header --require tenant=acme -r /srv/data --quiet && echo fine",
      ),
    )
    .action(async (paths, options, command) => {
      const { recursive = false, exclude } = options;
      const context = await contextToRead(options);
      const aad = await readAad(options);
      const inputs = await listInputs(paths, { recursive, exclude });
      const job = { context, aad, signal: ui.host.signal };

      await withEnvelope(ui, command.optsWithGlobals(), async ({ envelope, own }) => {
        const totals = await forEachInput(ui, inputs, own, async (input, progress) => {
          const { path } = input;
          if (input.folder !== undefined && !isNamedMessage(path)) return "not a message";
          const plaintextBytes = await verifyInput(ui, envelope, input, job, progress);
          progress.clear();
          await ui.result(printableLine(`ok  ${path}  (${formatBytes(plaintextBytes)})`), {
            path,
            plaintextBytes,
          });
          return undefined;
        });
        if (totals.files === 0) ui.note("nothing to verify");
        requireAllDone(totals);
      });
    });
}

/** @returns The bytes of the plaintext. */
async function verifyInput(
  ui: Ui,
  envelope: Envelope,
  { path, size }: Input,
  options: DecryptOptions,
  progress: Progress,
): Promise<number> {
  if (size !== undefined && (await formOf(path)) !== "text") {
    const onProgress = progress.follow(size);
    const { plaintextBytes } = await betweenFiles(path, path, () =>
      verifyFile(envelope, path, { ...options, onProgress }),
    );
    return plaintextBytes;
  }
  let plaintextBytes = 0;
  const verify = (pieces: AsyncGenerator<Uint8Array, void>): Promise<void> =>
    decryptPieces(
      envelope,
      countBytes(pieces, (bytes) => progress.add(bytes)),
      options,
      async (plaintext) => {
        for (const piece of plaintext) {
          plaintextBytes += piece.length;
          piece.fill(0);
        }
      },
    );
  if (path === STANDARD) await verify(readStdin(ui.host));
  else await readMessage(path, (source) => verify(readPieces(source, options)));
  return plaintextBytes;
}
