/**
 * `envelope decrypt`.
 *
 * Nothing unverified is ever shown, and nothing incomplete either: a file gets its name, and stdout its
 * first byte, once the whole message has verified. `--stream` gives up the latter.
 *
 * @module
 */
import { basename } from "node:path";
import { pipeline } from "node:stream/promises";
import { decodeText, EnvelopeError, type DecryptOptions, type Envelope } from "@env/core";
import { headerLength, MAX_HEADER_BYTES, plaintextLength } from "@env/core/message";
import { decryptFile, decryptStream } from "@env/node-stream";
import { contextToRead, readAad, withMessageOptions } from "../context.ts";
import { usageError } from "../errors.ts";
import {
  betweenFiles,
  BUFFER_BYTES,
  readFront,
  readMessage,
  readPieces,
  streamInto,
  writeAll,
  writeOutput,
  type Source,
  type Write,
} from "../files.ts";
import {
  excludeOption,
  EXTENSION,
  forEachInput,
  formOf,
  formOfFront,
  gather,
  isNamedMessage,
  listInputs,
  peek,
  readStdin,
  requireAllDone,
  STANDARD,
  type Input,
} from "../inputs.ts";
import { Outputs } from "../outputs.ts";
import { examples, type Program } from "../program.ts";
import type { Progress } from "../progress.ts";
import { withEnvelope } from "../providers.ts";
import { Spool } from "../spool.ts";
import { formatBytes, printableLine } from "../text.ts";
import type { Ui } from "../ui.ts";
import { countBytes } from "./encrypt.ts";

/** 1 MiB of message as text, and a line break. */
const MAX_TEXT_BYTES = 5 + Math.ceil((2 ** 20 * 4) / 3) + 2;

export function addDecrypt(program: Program, ui: Ui): void {
  withMessageOptions(program.command("decrypt"))
    .summary("Decrypt files: x.envelope becomes x, and x.envelope stays.")
    .description(
      "Decrypt files: x.envelope becomes x, and x.envelope stays. - reads stdin and writes stdout. Nothing is written before the whole message is verified.",
    )
    .argument("<paths...>", "messages, folders with --recursive, or - for stdin")
    .option("-o, --output <path>", "where to write: a file, a folder, or - for stdout")
    .option(
      "--stream",
      "write to stdout while decrypting: every byte is authentic, but the end may turn out to be missing, so check the exit code",
    )
    .option("-r, --recursive", "all .envelope files in folders")
    .addOption(excludeOption())
    .option("--skip-existing", "leave inputs alone whose output exists")
    .option("--force", "replace existing outputs")
    .addHelpText(
      "after",
      examples(
        "envelope decrypt --context tenant=acme report.pdf.envelope",
        "envelope decrypt --context tenant=acme -r encrypted -o photos",
        "envelope decrypt --context purpose=backup app.sql.envelope -o - | psql app",
      ),
    )
    .action(async (paths, options, command) => {
      const { recursive = false, force = false, stream = false } = options;
      const context = await contextToRead(options);
      const aad = await readAad(options);
      const { signal } = ui.host;
      const outputs = await Outputs.of(paths, options);
      if (stream && !outputs.toStdout)
        throw usageError("--stream is for output on stdout", "add -o -");
      if (outputs.toStdout && ui.json) {
        throw usageError("--json needs stdout, and so does the plaintext", "name a file with -o");
      }
      const { exclude } = options;
      const inputs = await listInputs(paths, { recursive, exclude, output: outputs.folder });
      const job: Job = { context, aad, signal, stream, force };

      await withEnvelope(ui, command.optsWithGlobals(), async ({ envelope, own }) => {
        const totals = await forEachInput(ui, inputs, own, async (input, progress) => {
          const { path } = input;
          if (input.folder !== undefined && !isNamedMessage(path)) return "not a message";
          // A plaintext has no name to decrypt to, but that is not what is wrong with it.
          if (!isNamedMessage(path) && input.size !== undefined) await requireMessage(path);
          const target = await outputs.target(input, () => withoutExtension(path), own);
          if (target === undefined) return "its output exists";
          const done = await decryptInput(ui, envelope, input, target, job, progress);
          if (outputs.toStdout) return undefined;
          progress.clear();
          await ui.result(
            `${printableLine(`${path} -> ${target}`)}  (${formatBytes(done.plaintextBytes)})`,
            done,
          );
          return undefined;
        });
        if (totals.files === 0) ui.note("nothing to decrypt");
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
export async function decryptPieces(
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

/** A message in text form, without the line break that editors and `echo` append. */
export async function readText(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const bytes = await gather(pieces, MAX_TEXT_BYTES);
  if (bytes === undefined) {
    throw new EnvelopeError("ERR_ENVELOPE_FORMAT", "the text form is limited to messages of 1 MiB");
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    .toString("latin1")
    .replace(/\r?\n$/, "");
}

/** If the length is known, an impossible one is refused before a KMS is called. */
async function requirePossibleLength(source: Source): Promise<void> {
  if (source.size === undefined) return;
  const front = await readFront(source, Math.min(source.size, MAX_HEADER_BYTES));
  if (formOfFront(front) !== "binary") return;
  const length = headerLength(front);
  if (length !== undefined && length <= source.size) plaintextLength(source.size - length);
}

/**
 * @param path - A regular file.
 * @throws EnvelopeError `ERR_ENVELOPE_FORMAT` with what else it looks like.
 */
async function requireMessage(path: string): Promise<void> {
  if ((await formOf(path)) !== undefined) return;
  await readMessage(path, async (source) =>
    headerLength(await readFront(source, MAX_HEADER_BYTES)),
  );
}

function withoutExtension(path: string): string {
  if (isNamedMessage(path)) return basename(path).slice(0, -EXTENSION.length);
  throw usageError(`${path}: its name does not end in ${EXTENSION}`, "name the result with -o");
}
