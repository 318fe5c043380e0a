/**
 * Shows what this project is for on a real file of over 100 MB: the Node.js binary that runs it.
 *
 * Every line is a claim that was just checked; the first that does not hold ends the demo with exit
 * code 1. The demo runs the `envelope` command itself, in a temporary folder that it removes.
 */
import { createHash } from "node:crypto";
import { createReadStream, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { main, type Host } from "@env/cli";

const MIN_BYTES = 100_000_000;
const CONTEXT = ["--context", "purpose=demo", "--context", "tenant=acme"];

const controller = new AbortController();
for (const name of ["SIGINT", "SIGTERM"]) {
  process.on(name, () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(new Error("interrupted"));
  });
}
const folder = mkdtempSync(join(tmpdir(), "envelope-demo-"));
const removeFolder = (): void => rmSync(folder, { recursive: true, force: true });
process.on("exit", removeFolder);

try {
  await demo();
  removeFolder();
  say("All of it held. The temporary folder is removed.\n");
  say("Next: a keystore of your own, and a program that uses it.");
  say("  npx -y pnpm@12.21.0 envelope init");
  say("  npx -y pnpm@12.21.0 try examples/fields.ts");
  say("README.md has the first program, examples/README.md has more.");
} catch (error) {
  const problem = error instanceof Error ? error.message : String(error);
  console.error(`demo: ${controller.signal.aborted ? "interrupted" : problem}`);
  process.exitCode = controller.signal.aborted ? 130 : 1;
}

async function demo(): Promise<void> {
  const original = process.execPath;
  const bytes = statSync(original).size;
  claim(bytes > MIN_BYTES, `${original} is ${megabytes(bytes)}; the demo needs more than 100 MB`);
  const message = join(folder, "node.env");
  const copy = join(folder, "node");

  say("Envelope encryption of a real file, the Node.js binary that runs this demo, with the");
  say("`envelope` command in a temporary folder.");
  await envelope("init", "--keystore", join(folder, "dev.kms"));
  say("init", "a KMS in one file, dev.kms, with one key that never leaves it (the CMK): alias/app");

  const encrypting = stopwatch();
  await envelope("encrypt", original, "-o", message, ...CONTEXT, "--store-context");
  say(
    "encrypt",
    `the Node.js binary, ${megabytes(bytes)}, ${encrypting(bytes)}, with a fresh data key`,
  );

  const before = await inspect(message);
  say(
    "inspect",
    `header ${before.headerBytes} bytes, payload ${megabytes(before.payloadBytes)}, Cobblestone-256`,
  );
  say("", `the data key is wrapped by CMK ${before.keyId}, version ${before.keyVersion}`);
  claim(before.plaintextBytes === bytes, "the header implies a different plaintext length");

  const decrypting = stopwatch();
  await envelope("decrypt", message, "-o", copy, ...CONTEXT);
  say("decrypt", `${megabytes(bytes)}, ${decrypting(bytes)}`);
  const [hash, again] = [await sha256(original), await sha256(copy)];
  claim(hash === again, "the decrypted copy differs from the original");
  say("compare", `original and decrypted copy have the same SHA-256: ${hash.slice(0, 16)}…`);

  const payload = await sha256(message, before.headerBytes);
  await envelope("keys", "rotate", "alias/app");
  say("rotate", "the CMK now has a version 2; version 1 only unwraps");
  const rewrapping = stopwatch();
  await envelope("rewrap", message, ...CONTEXT);
  const after = await inspect(message);
  claim(after.keyVersion === "2", "the data key is not wrapped by version 2");
  claim((await sha256(message, after.headerBytes)) === payload, "rewrap changed the payload");
  say(
    "rewrap",
    `to version ${after.keyVersion}, ${rewrapping()}: a new header in front of the same payload`,
  );
  say("compare", `the payload has the same SHA-256 before and after: ${payload.slice(0, 16)}…`);
  rmSync(copy);
  await envelope("decrypt", message, "-o", copy, ...CONTEXT);
  claim((await sha256(copy)) === hash, "after the rewrap the plaintext differs");
  say("decrypt", "again after the rewrap: the result is the original");

  rmSync(copy);
  const stolen = ["--context", "purpose=demo", "--context", "tenant=evil"];
  await refused(copy, "another tenant's context", ["decrypt", message, "-o", copy, ...stolen]);
  await flipBit(message, before.headerBytes + Math.floor(before.payloadBytes / 2));
  await refused(copy, "one bit flipped in the middle", [
    "decrypt",
    message,
    "-o",
    copy,
    ...CONTEXT,
  ]);
}

/** Runs the command; its progress bar goes to this terminal. */
async function envelope(...args: string[]): Promise<string> {
  const out = capture();
  const code = await run(args, { stdout: out.stream, stderr: process.stderr });
  controller.signal.throwIfAborted();
  claim(code === 0, `envelope ${args[0]} ended with exit code ${code}`);
  return out.text();
}

/** Runs a command that must be refused with the code for it and must leave no plaintext behind. */
async function refused(output: string, what: string, args: string[]): Promise<void> {
  const [out, err] = [capture(), capture()];
  const code = await run([...args, "--json"], { stdout: out.stream, stderr: err.stream });
  controller.signal.throwIfAborted();
  claim(code === 3 && err.text().includes('"ERR_ENVELOPE_DECRYPT"'), `${what}: it was not refused`);
  claim(!existsSync(output), `${what}: it left plaintext behind`);
  say("refused", `${what}: ERR_ENVELOPE_DECRYPT, exit code ${code}, no output file`);
}

function run(args: string[], streams: Pick<Host, "stdout" | "stderr">): Promise<number> {
  const config = ["--config", join(folder, "envelope.config.json"), "--environment", "demo"];
  const { stdin } = process;
  return main([...args, ...config], { ...streams, stdin, signal: controller.signal });
}

interface Facts {
  readonly headerBytes: number;
  readonly payloadBytes: number;
  readonly plaintextBytes: number;
  readonly keyId: string;
  readonly keyVersion: string;
}

async function inspect(message: string): Promise<Facts> {
  const { entries, ...facts } = JSON.parse(await envelope("inspect", message, "--json"));
  return { ...facts, ...entries[0] };
}

async function sha256(path: string, start = 0): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path, { start, signal: controller.signal })) {
    hash.update(piece);
  }
  return hash.digest("hex");
}

async function flipBit(path: string, position: number): Promise<void> {
  await using file = await open(path, "r+");
  const byte = new Uint8Array(1);
  await file.read(byte, 0, 1, position);
  byte[0] = (byte[0] ?? 0) ^ 1;
  await file.write(byte, 0, 1, position);
}

function capture(): { readonly stream: Writable; readonly text: () => string } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      chunks.push(chunk);
      done();
    },
  });
  return { stream, text: () => Buffer.concat(chunks).toString() };
}

function stopwatch(): (bytes?: number) => string {
  const started = performance.now();
  return (bytes) => {
    const seconds = (performance.now() - started) / 1000;
    const rate = bytes === undefined ? "" : ` (${Math.round(bytes / 1e6 / seconds)} MB/s)`;
    return `in ${seconds.toFixed(2)} s${rate}`;
  };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function claim(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}

function say(what: string, text?: string): void {
  console.log(text === undefined ? what : `  ${what.padEnd(9)}${text}`);
}
