/**
 * `envelope cat`: plaintext on stdout, all of it or a range, for the cost of that range.
 *
 * The final chunk is opened first: before a byte is written it is certain that the message has not been
 * cut. Each chunk is verified before it is written; what has not been reached yet may still turn out
 * to be altered, and the exit code tells. Who wants all or nothing uses `decrypt`.
 *
 * @module
 */
import { decodeText, type DecryptOptions, type Envelope } from "@env/core";
import { openEncrypted } from "@env/node-stream";
import { collectPair, contextToRead, noContextOption, readAad } from "../context.ts";
import { fileError, InputError, OutputClosed, usageError } from "../errors.ts";
import { readMessage, readPieces } from "../files.ts";
import { formOf, listInputs, STANDARD } from "../inputs.ts";
import type { Program } from "../program.ts";
import { withEnvelope } from "../providers.ts";
import { parseRange, resolveRange, type ByteRange } from "../range.ts";
import type { Ui } from "../ui.ts";
import { readText } from "./decrypt.ts";

export function addCat(program: Program, ui: Ui): void {
  program
    .command("cat")
    .summary("Write the plaintext of a message, or a range of it, to stdout.")
    .description(
      "Write the plaintext of a message, or a range of it, to stdout, for the cost of that range. A cut message is refused before the first byte, and every byte is verified before it is written; but what comes later may still turn out to be altered: check the exit code. decrypt writes all or nothing.",
    )
    .argument("<file>", "a message in a file")
    .option(
      "--range <range>",
      "bytes, counted from 0: 0-99 (the first 100), 100- (from there on), -100 (the last 100)",
      parseRange,
    )
    .option("--context <key=value>", "the context of the encryption; repeatable", collectPair)
    .addOption(noContextOption())
    .option("--context-file <file>", "the context as a JSON object of strings")
    .option("--from-header", "use the stored context; whoever wrote the message chose it")
    .option("--require <key=value>", "what the stored context must have; repeatable", collectPair)
    .option("--aad <key=value>", "the aad of the encryption; repeatable", collectPair)
    .option("--aad-file <file>", "the aad as the bytes of a file")
    .action(async (path, options, command) => {
      const globals = command.optsWithGlobals();
      if (path === STANDARD) {
        throw usageError(
          "cat works on files, not on stdin",
          "decrypt reads a pipe, with --stream as it comes",
        );
      }
      if (ui.json) {
        throw usageError("--json and a result on stdout exclude each other", "leave out --json");
      }
      const context = await contextToRead(options);
      const aad = await readAad(options);
      const { signal } = ui.host;

      await withEnvelope(ui, globals, async (envelope) => {
        try {
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
  const [input] = await listInputs([path], false);
  if (input?.error !== undefined) throw input.error;
  if (input?.size === undefined) throw usageError(`${path}: cat works on regular files`);
}
