/**
 * `envelope cat`: plaintext on stdout, all of it or a range, for the cost of that range.
 *
 * The final chunk is opened first, so that it is certain before the first byte that the message has not been
 * truncated. Each chunk is verified before it is written; later ones may still turn out to be altered, which the exit
 * code shows. `decrypt` writes all or nothing.
 *
 * @module
 */
import { decodeText, type DecryptOptions, type Envelope } from "@env/core";
import { openEncrypted } from "@env/node-stream";
import { contextToRead, readAad, withMessageOptions } from "../context.ts";
import { fileError, InputError, OutputClosed, usageError } from "../errors.ts";
import { readMessage, readPieces } from "../files.ts";
import { formOf, listInputs, STANDARD } from "../inputs.ts";
import { examples, type Program } from "../program.ts";
import { withEnvelope } from "../providers.ts";
import { parseRange, resolveRange, type ByteRange } from "../range.ts";
import type { Ui } from "../ui.ts";
import { readText } from "./decrypt.ts";

export function addCat(program: Program, ui: Ui): void {
  withMessageOptions(program.command("cat"))
    .summary("Write the plaintext of a message, or a range of it, to stdout.")
    .description(
      "Write the plaintext of a message, or a range of it, to stdout, and read no more of the file than that takes. A truncated message is refused before the first byte, and every byte is verified before it is written. A later part may still turn out to be altered, so check the exit code, or use decrypt, which writes all or nothing.",
    )
    .argument("<file>", "a message in a file")
    .option(
      "--range <range>",
      "bytes, counted from 0: 0-99 (the first 100), 100- (everything after them), -100 (the last 100)",
      parseRange,
    )
    .addHelpText(
      "after",
      examples(
        "envelope cat --context tenant=acme notes.txt.envelope",
        "envelope cat --context tenant=acme --range -1000 app.log.envelope",
      ),
    )
    .action(async (path, options, command) => {
      if (path === STANDARD) {
        throw usageError("cat works on files, not on stdin", "use decrypt --stream for a pipe");
      }
      if (ui.json) {
        throw usageError("--json needs stdout, and so does the plaintext", "leave out --json");
      }
      const context = await contextToRead(options);
      const aad = await readAad(options);
      const { signal } = ui.host;

      await withEnvelope(ui, command.optsWithGlobals(), async ({ envelope, own }) => {
        try {
          await own.refuse(path);
          await writeRange(ui, envelope, path, options.range, { context, aad, signal });
        } catch (error) {
          if (error instanceof OutputClosed) throw error;
          throw new InputError(path, fileError(path, error));
        }
      });
    });
}

const WHOLE: ByteRange = { first: undefined, last: Infinity, text: "0-" };

async function writeRange(
  ui: Ui,
  envelope: Envelope,
  path: string,
  range: ByteRange = WHOLE,
  options: DecryptOptions,
): Promise<void> {
  await requireRegular(path);
  if ((await formOf(path)) === "text") {
    const text = await readMessage(path, (source) => readText(readPieces(source)));
    const plaintext = await envelope.decrypt(decodeText(text), options);
    const { start, end } = resolveRange(range, plaintext.length, path);
    await ui.writeOut(plaintext.subarray(start, end));
    return;
  }
  const { signal } = ui.host;
  await using reader = await openEncrypted(envelope, path, options);
  const bytes = resolveRange(range, await reader.size({ signal }), path);
  for await (const piece of reader.createReadStream({ ...bytes, signal })) {
    await ui.writeOut(piece);
  }
}

async function requireRegular(path: string): Promise<void> {
  const [input] = await listInputs([path]);
  if (input?.error !== undefined) throw input.error;
  if (input?.size === undefined) throw usageError(`${path}: cat works on regular files`);
}
