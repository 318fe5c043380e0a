/**
 * `envelope encrypt`.
 *
 * @module
 */
import { pipeline } from "node:stream/promises";
import type { Envelope, EncryptOptions } from "@env/core";
import { encodeText } from "@env/core";
import { encryptFile, encryptStream } from "@env/node-stream";
import { collectPair, contextToWrite, noContextOption, readAad } from "../context.ts";
import { usageError } from "../errors.ts";
import {
  betweenFiles,
  BUFFER_BYTES,
  readPieces,
  readSource,
  requireOtherFile,
  streamInto,
  writeAll,
  writeOutput,
  type Write,
} from "../files.ts";
import {
  EXTENSION,
  forEachInput,
  formOf,
  gather,
  listInputs,
  noteSkipped,
  readStdin,
  requireAllDone,
  STANDARD,
  type Input,
} from "../inputs.ts";
import type { Program } from "../program.ts";
import type { Progress } from "../progress.ts";
import { withEnvelope } from "../providers.ts";
import { formatBytes, printableLine } from "../text.ts";
import type { Ui } from "../ui.ts";

/** The text form holds 1 MiB of message, so no more plaintext than that can fit. */
const MAX_TEXT_PLAINTEXT_BYTES = 2 ** 20;
/** Of what comes from a pipe to a file; `encryptFile` does as much by itself. */
const HEADER_ALIGNMENT = 4096;

export function addEncrypt(program: Program, ui: Ui): void {
  program
    .command("encrypt")
    .description(
      "Encrypt files: x becomes x.envelope, and x stays. - reads stdin and writes stdout.",
    )
    .argument("<paths...>", "files, folders with --recursive, or - for stdin")
    .option("-o, --output <path>", "where to write; - for stdout (one input only)")
    .option("--context <key=value>", "who may open it and what it is for; repeatable", collectPair)
    .addOption(noContextOption())
    .option("--context-file <file>", "the context as a JSON object of strings")
    .option("--aad <key=value>", "binds it to its place, stored nowhere; repeatable", collectPair)
    .option("--aad-file <file>", "the aad as the bytes of a file")
    .option("--store-context", "store the context in the message, in clear")
    .option("--text", "write the text form, env1.… (up to 1 MiB)")
    .option("-r, --recursive", "all files in folders, each beside its original")
    .option("--force", "replace existing files")
    .action(async (paths, options, command) => {
      const globals = command.optsWithGlobals();
      const { output, recursive = false, text = false, force = false } = options;
      const context = await contextToWrite(options);
      const aad = await readAad(options);
      const { signal } = ui.host;
      const storeContext = options.storeContext ?? false;
      const job: Job = { context, aad, storeContext, signal, text, force };
      const inputs = await listInputs(paths, recursive);
      requireOneInput(output, paths, recursive);
      const toStdout = output === STANDARD || (output === undefined && paths[0] === STANDARD);
      if (toStdout) requireFreeStdout(ui, text);

      await withEnvelope(ui, globals, async (envelope) => {
        const totals = await forEachInput(ui, inputs, async (input, progress) => {
          // A second run over a folder must not encrypt what the first one wrote.
          if (input.found && (await formOf(input.path)) !== undefined) return "skipped";
          const target = toStdout ? STANDARD : (output ?? `${input.path}${EXTENSION}`);
          const done = await encryptInput(ui, envelope, input, target, job, progress);
          if (!toStdout) {
            progress.clear();
            const sizes = `${formatBytes(done.plaintextBytes)}, ${formatBytes(done.messageBytes)} encrypted`;
            await ui.result(`${printableLine(`${input.path} -> ${target}`)}  (${sizes})`, done);
          }
          return "done";
        });
        noteSkipped(ui, totals, "encrypt");
        requireAllDone(totals);
      });
    });
}

interface Job extends EncryptOptions {
  readonly text: boolean;
  readonly force: boolean;
}

interface Encrypted {
  readonly input: string;
  readonly output: string;
  readonly plaintextBytes: number;
  readonly messageBytes: number;
}

async function encryptInput(
  ui: Ui,
  envelope: Envelope,
  { path: input, size }: Input,
  output: string,
  { text, force, ...options }: Job,
  progress: Progress,
): Promise<Encrypted> {
  const { signal } = ui.host;
  if (input !== STANDARD && output !== STANDARD) await requireOtherFile(input, output);
  if (size !== undefined && output !== STANDARD && !text) {
    const onProgress = progress.follow(size);
    const whole = { ...options, overwrite: force, preserve: true, onProgress };
    const sizes = await betweenFiles(input, output, () =>
      encryptFile(envelope, input, output, whole),
    );
    return { input, output, ...sizes };
  }

  let plaintextBytes = 0;
  let messageBytes = 0;
  const encrypt = async (
    pieces: AsyncIterable<Uint8Array>,
    expected: number | undefined,
    write: Write,
  ): Promise<void> => {
    const counted = countBytes(pieces, (bytes) => {
      plaintextBytes += bytes;
      progress.add(bytes);
    });
    const counting: Write = async (message) => {
      for (const { length } of message) messageBytes += length;
      await write(message);
    };
    if (text) {
      return counting([Buffer.from(`${await encryptText(envelope, counted, options)}\n`)]);
    }
    const stream = encryptStream(envelope, {
      ...options,
      plaintextBytes: expected,
      headerAlignment: output === STANDARD ? undefined : HEADER_ALIGNMENT,
      highWaterMark: BUFFER_BYTES,
    });
    await pipeline(counted, stream, streamInto(counting));
  };
  const toStdout: Write = (message) => ui.writeOut(...message);

  if (input === STANDARD) {
    const pieces = readStdin(ui.host);
    if (output === STANDARD) await encrypt(pieces, undefined, toStdout);
    else {
      await writeOutput(output, { overwrite: force, signal }, (file) =>
        encrypt(pieces, undefined, (message) => writeAll(file, message)),
      );
    }
  } else {
    await readSource(input, async (source) => {
      const pieces = readPieces(source, { signal });
      if (output === STANDARD) {
        return encrypt(pieces, source.size, toStdout);
      }
      const like = source.size === undefined ? undefined : source.stats;
      await writeOutput(output, { overwrite: force, like, signal }, (file) =>
        encrypt(pieces, source.size, (message) => writeAll(file, message)),
      );
    });
  }
  return { input, output, plaintextBytes, messageBytes };
}

async function encryptText(
  envelope: Envelope,
  pieces: AsyncIterable<Uint8Array>,
  options: EncryptOptions,
): Promise<string> {
  const plaintext = await gather(pieces, MAX_TEXT_PLAINTEXT_BYTES);
  if (plaintext === undefined)
    throw usageError(
      "--text is for inputs of up to 1 MiB",
      "leave it out: messages in binary form may have any size",
    );
  return encodeText(await envelope.encrypt(plaintext, options));
}

/**
 * Tells how many bytes pass.
 *
 * @yields The pieces as they are.
 */
export async function* countBytes(
  pieces: AsyncIterable<Uint8Array>,
  add: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void> {
  for await (const piece of pieces) {
    add(piece.length);
    yield piece;
  }
}

/** `-o` is one name. */
export function requireOneInput(
  output: string | undefined,
  paths: readonly string[],
  recursive: boolean,
): void {
  if (output === undefined || (paths.length === 1 && !recursive)) return;
  throw usageError("-o takes one input", "leave it out: each result is written beside its input");
}

function requireFreeStdout(ui: Ui, text: boolean): void {
  if (ui.json)
    throw usageError("--json and a result on stdout exclude each other", "name a file with -o");
  if (!text && ui.host.stdout.isTTY === true) {
    throw usageError(
      "a message is binary, and stdout is a terminal",
      "name a file with -o, redirect, or add --text",
    );
  }
}
