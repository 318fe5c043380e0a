/**
 * `envelope encrypt`.
 *
 * @module
 */
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";
import type { Envelope, EncryptOptions } from "@env/core";
import { encodeText, EnvelopeError } from "@env/core";
import { encryptFile, encryptStream } from "@env/node-stream";
import { collectPair, contextToWrite, noContextOption, readAad } from "../context.ts";
import { usageError } from "../errors.ts";
import {
  betweenFiles,
  BUFFER_BYTES,
  readPieces,
  readSource,
  streamInto,
  writeAll,
  writeOutput,
  type Reason,
  type Write,
} from "../files.ts";
import {
  excludeOption,
  EXTENSION,
  forEachInput,
  formOf,
  gather,
  isNamedMessage,
  listInputs,
  readStdin,
  requireAllDone,
  STANDARD,
  type Input,
} from "../inputs.ts";
import { Outputs } from "../outputs.ts";
import { keystoreFile } from "../own-files.ts";
import { asOption, examples, type Program } from "../program.ts";
import type { Progress } from "../progress.ts";
import { withEnvelope } from "../providers.ts";
import { formatBytes, printableLine } from "../text.ts";
import type { Ui } from "../ui.ts";

/** The text form holds 1 MiB of message, so no more plaintext than that can fit. */
const MAX_TEXT_PLAINTEXT_BYTES = 2 ** 20;
/** Room for a later rewrap in place, for a message from a pipe; `encryptFile` does the same by itself. */
const HEADER_ALIGNMENT = 4096;

export function addEncrypt(program: Program, ui: Ui): void {
  program
    .command("encrypt")
    .summary("Encrypt files: x becomes x.envelope, and x stays.")
    .description(
      "Encrypt files: x becomes x.envelope, and x stays. - reads stdin and writes stdout. In folders, messages, keystores, root keys and the configuration are left alone.",
    )
    .argument("<paths...>", "files, folders with --recursive, or - for stdin")
    .option("-o, --output <path>", "where to write: a file, a folder, or - for stdout")
    .option("--context <key=value>", "who may open it and what it is for; repeatable", collectPair)
    .addOption(noContextOption())
    .option("--context-file <file>", "the context as a JSON object of strings")
    .option("--aad <key=value>", "binds it to its place; not stored; repeatable", collectPair)
    .option("--aad-file <file>", "the AAD as the bytes of a file")
    .option("--store-context", "store the context in the message, unencrypted")
    .option("--text", "write the text form, env1.… (up to 1 MiB)")
    .option("-r, --recursive", "all files in folders")
    .addOption(excludeOption())
    .option("--skip-existing", "leave inputs alone whose output exists")
    .option("--force", "replace existing outputs")
    .addOption(asOption())
    .addHelpText(
      "after",
      examples(
        "envelope encrypt --context tenant=acme report.pdf",
        "envelope encrypt --context tenant=acme -r photos -o encrypted --exclude '*.tmp'",
        "pg_dump app | envelope encrypt --context purpose=backup - -o app.sql.envelope",
      ),
    )
    .action(async (paths, options, command) => {
      const { recursive = false, text = false, force = false, storeContext = false } = options;
      const context = await contextToWrite(options);
      const aad = await readAad(options);
      const { signal } = ui.host;
      const outputs = await Outputs.of(paths, options);
      if (outputs.toStdout) requireFreeStdout(ui, text);
      const { exclude } = options;
      const inputs = await listInputs(paths, { recursive, exclude, output: outputs.folder });
      const job: Job = { context, aad, storeContext, signal, text, force };

      await withEnvelope(ui, command.optsWithGlobals(), async ({ envelope, own, wrapping }) => {
        const totals = await forEachInput(ui, inputs, own, async (input, progress) => {
          const { path } = input;
          const left = input.folder === undefined ? undefined : await notToEncrypt(path);
          if (left !== undefined) return left;
          const target = await outputs.target(input, () => withExtension(path), own);
          if (target === undefined) return "its output exists";
          const sizes = await encryptInput(ui, envelope, input, target, job, progress);
          const done = { ...sizes, ...wrapping.take(target) };
          if (outputs.toStdout) return undefined;
          progress.clear();
          const { plaintextBytes, messageBytes } = done;
          const size = `${formatBytes(plaintextBytes)}, ${formatBytes(messageBytes)} encrypted`;
          await ui.result(`${printableLine(`${path} -> ${target}`)}  (${size})`, done);
          return undefined;
        });
        if (totals.files === 0) ui.note("nothing to encrypt");
        requireAllDone(totals);
      });
    });
}

/**
 * Why a file in a folder is left alone: a second run must not encrypt what the first one wrote, and nobody wants
 * to lock up a keystore.
 *
 * @throws EnvelopeError `ERR_ENVELOPE_FORMAT` for a damaged message. Encrypted as plaintext it would be left
 * alone by every later command.
 */
async function notToEncrypt(path: string): Promise<Reason | undefined> {
  if ((await formOf(path)) !== undefined) return "a message already";
  const reason = await keystoreFile(path);
  if (reason === undefined && isNamedMessage(path)) {
    const problem =
      "it has the name of a message but is not one: restore it, or rename it if it is plaintext";
    throw new EnvelopeError("ERR_ENVELOPE_FORMAT", problem);
  }
  return reason;
}

/** @throws CommandError `ERR_CLI_USAGE` for a name that has the extension already. */
function withExtension(path: string): string {
  if (!isNamedMessage(path)) return `${basename(path)}${EXTENSION}`;
  throw usageError(
    `${path}: its name already ends in ${EXTENSION}`,
    "to encrypt it all the same, name the result with -o, or rename it",
  );
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
      "--text takes at most 1 MiB of plaintext",
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

function requireFreeStdout(ui: Ui, text: boolean): void {
  if (ui.json)
    throw usageError("--json needs stdout, and so does the message", "name a file with -o");
  if (!text && ui.host.stdout.isTTY === true) {
    throw usageError(
      "a message is binary, and stdout is a terminal",
      "name a file with -o, redirect, or add --text",
    );
  }
}
