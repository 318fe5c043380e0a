/**
 * `envelope decrypt`.
 *
 * Nothing unverified is ever shown, and nothing incomplete either: a file gets its name, and stdout its
 * first byte, once the whole message has verified. `--stream` gives up the second half of that.
 *
 * @module
 */
import { pipeline } from "node:stream/promises";
import { decodeText, EnvelopeError, type DecryptOptions, type Envelope } from "@env/core";
import { headerLength, MAX_HEADER_BYTES, plaintextLength } from "@env/core/message";
import { decryptFile, decryptStream } from "@env/node-stream";
import { collectPair, contextToRead, noContextOption, readAad } from "../context.ts";
import { usageError } from "../errors.ts";
import {
  betweenFiles,
  BUFFER_BYTES,
  readFront,
  readMessage,
  readPieces,
  requireOtherFile,
  streamInto,
  writeAll,
  writeOutput,
  type Source,
  type Write,
} from "../files.ts";
import {
  EXTENSION,
  forEachInput,
  formOf,
  formOfFront,
  gather,
  isNamedMessage,
  listInputs,
  noteSkipped,
  peek,
  readStdin,
  requireAllDone,
  STANDARD,
  type Input,
} from "../inputs.ts";
import type { Program } from "../program.ts";
import type { Progress } from "../progress.ts";
import { withEnvelope } from "../providers.ts";
import { Spool } from "../spool.ts";
import { formatBytes, printableLine } from "../text.ts";
import type { Ui } from "../ui.ts";
import { countBytes, requireOneInput } from "./encrypt.ts";

/** 1 MiB of message as text, and a line break. */
const MAX_TEXT_BYTES = 5 + Math.ceil((2 ** 20 * 4) / 3) + 2;

export function addDecrypt(program: Program, ui: Ui): void {
  program
    .command("decrypt")
    .description(
      "Decrypt files: x.envelope becomes x, and x.envelope stays. - reads stdin, writes stdout.",
    )
    .argument("<paths...>", "messages, folders with --recursive, or - for stdin")
    .option("-o, --output <path>", "where to write; - for stdout (one input only)")
    .option("--context <key=value>", "the context of the encryption; repeatable", collectPair)
    .addOption(noContextOption())
    .option("--context-file <file>", "the context as a JSON object of strings")
    .option("--from-header", "use the stored context; whoever wrote the message chose it")
    .option("--require <key=value>", "what the stored context must have; repeatable", collectPair)
    .option("--aad <key=value>", "the aad of the encryption; repeatable", collectPair)
    .option("--aad-file <file>", "the aad as the bytes of a file")
    .option(
      "--stream",
      "write to stdout while decrypting; every byte is authentic, but the end may still turn out to be missing: check the exit code",
    )
    .option("-r, --recursive", "all .envelope messages in folders, each beside its original")
    .option("--force", "replace existing files")
    .action(async (paths, options, command) => {
      const globals = command.optsWithGlobals();
      const { output, recursive = false, force = false } = options;
      const context = await contextToRead(options);
      const aad = await readAad(options);
      const { signal } = ui.host;
      const inputs = await listInputs(paths, recursive);
      requireOneInput(output, paths, recursive);
      const toStdout = output === STANDARD || (output === undefined && paths[0] === STANDARD);
      const stream = options.stream ?? false;
      if (stream && !toStdout) throw usageError("--stream is for output on stdout", "add -o -");
      if (toStdout && ui.json) {
        throw usageError("--json and a result on stdout exclude each other", "name a file with -o");
      }
      const job: Job = { context, aad, signal, stream, force };

      await withEnvelope(ui, globals, async (envelope) => {
        const totals = await forEachInput(ui, inputs, async (input, progress) => {
          if (input.found && !isNamedMessage(input.path)) return "skipped";
          const target = toStdout ? STANDARD : (output ?? withoutExtension(input.path));
          const done = await decryptInput(ui, envelope, input, target, job, progress);
          if (!toStdout) {
            progress.clear();
            await ui.result(
              `${printableLine(`${input.path} -> ${target}`)}  (${formatBytes(done.plaintextBytes)})`,
              done,
            );
          }
          return "done";
        });
        noteSkipped(ui, totals, "decrypt");
        requireAllDone(totals);
      });
    });
}

interface Job extends DecryptOptions {
  readonly stream: boolean;
  readonly force: boolean;
}

interface Decrypted {
  readonly input: string;
  readonly output: string;
  readonly plaintextBytes: number;
}

async function decryptInput(
  ui: Ui,
  envelope: Envelope,
  { path: input, size }: Input,
  output: string,
  { stream, force, ...options }: Job,
  progress: Progress,
): Promise<Decrypted> {
  const { signal } = ui.host;
  if (input !== STANDARD && output !== STANDARD) await requireOtherFile(input, output);
  if (size !== undefined && output !== STANDARD && (await formOf(input)) !== "text") {
    const onProgress = progress.follow(size);
    const whole = { ...options, overwrite: force, preserve: true, onProgress };
    const { plaintextBytes } = await betweenFiles(input, output, () =>
      decryptFile(envelope, input, output, whole),
    );
    return { input, output, plaintextBytes };
  }

  let plaintextBytes = 0;
  const decrypt = async (source: Source | undefined, write: Write): Promise<void> => {
    if (source !== undefined) await requirePossibleLength(source);
    const pieces = source === undefined ? readStdin(ui.host) : readPieces(source, { signal });
    const counted = countBytes(pieces, (bytes) => progress.add(bytes));
    await decryptPieces(envelope, counted, options, async (plaintext) => {
      for (const { length } of plaintext) plaintextBytes += length;
      await write(plaintext);
    });
  };
  const toTarget = async (source: Source | undefined): Promise<void> => {
    if (output !== STANDARD) {
      const like = source?.size === undefined ? undefined : source.stats;
      await writeOutput(output, { overwrite: force, like, signal }, (file) =>
        decrypt(source, (plaintext) => writeAll(file, plaintext)),
      );
    } else if (stream) {
      await decrypt(source, (plaintext) => ui.writeOut(...plaintext));
    } else {
      await using spool = new Spool();
      await decrypt(source, (plaintext) => spool.write(plaintext));
      progress.clear();
      for await (const bytes of spool.read()) await ui.writeOut(bytes);
    }
  };

  if (input === STANDARD) await toTarget(undefined);
  else await readMessage(input, toTarget);
  return { input, output, plaintextBytes };
}

/** Decrypts either form of a message. */
async function decryptPieces(
  envelope: Envelope,
  pieces: AsyncGenerator<Uint8Array, void>,
  options: DecryptOptions,
  write: Write,
): Promise<void> {
  const { front, pieces: all } = await peek(pieces, 5);
  if (formOfFront(front) === "text") {
    const text = await readText(all);
    await write([await envelope.decrypt(decodeText(text), options)]);
    return;
  }
  const stream = decryptStream(envelope, { ...options, highWaterMark: BUFFER_BYTES });
  await pipeline(all, stream, streamInto(write));
}

/** A message in text form, without the line break that editors and `echo` put behind it. */
export async function readText(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const bytes = await gather(pieces, MAX_TEXT_BYTES);
  if (bytes === undefined) {
    throw new EnvelopeError("ERR_ENVELOPE_FORMAT", "the text form holds messages of at most 1 MiB");
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    .toString("latin1")
    .replace(/\r?\n$/, "");
}

/** Where the length is known, an impossible one is refused before a KMS is called. */
async function requirePossibleLength(source: Source): Promise<void> {
  if (source.size === undefined) return;
  const front = await readFront(source, Math.min(source.size, MAX_HEADER_BYTES));
  if (formOfFront(front) !== "binary") return;
  const length = headerLength(front);
  if (length !== undefined && length <= source.size) plaintextLength(source.size - length);
}

function withoutExtension(path: string): string {
  if (isNamedMessage(path)) return path.slice(0, -EXTENSION.length);
  throw usageError(`${path}: its name does not end in ${EXTENSION}`, "name the result with -o");
}
