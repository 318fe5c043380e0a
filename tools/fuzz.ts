/**
 * The mistake it stops: input from an attacker that crashes a reader, hangs it, is read in two ways,
 * or is accepted though nobody would write it. Mutates the test vectors and checks what must hold for
 * any bytes: `fuzz/targets.ts` for the parsers, `fuzz/streams.ts` for whole messages, `fuzz/objects.ts` for what S3
 * says beside an object, `fuzz/decisions.ts` for requests that the local KMS is slow to decide.
 *
 * A finding is printed with its input in hex and ends the run with exit code 1. The same seed mutates
 * the same way; `--input` tries one input again on every target.
 *
 *     node --conditions=@env/source tools/fuzz.ts [--seconds 60] [--seed N] [--input HEX]
 *
 * @module
 */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { command } from "./command.ts";
import { decisions, engine } from "./fuzz/decisions.ts";
import { mutate, type Bytes } from "./fuzz/mutate.ts";
import { Objects } from "./fuzz/objects.ts";
import { Random } from "./fuzz/random.ts";
import { Messages } from "./fuzz/streams.ts";
import { Finding, readers, targets } from "./fuzz/targets.ts";
import { findFiles, readText } from "./workspace.ts";

/** Longest that one input may take, in ms. The bounds of the format keep it far below. */
const MAX_MS = 1000;
/** Inputs to the parsers for each whole message, which takes about as long as all of them. */
const PARSED_PER_MESSAGE = 16;
/** What a request is made of; input of this length is tried as one. */
const SEED_BYTES = 4;
/** Accepted inputs that are mutated further. */
const MAX_CORPUS = 2000;

interface Run {
  execs: number;
  slowestMs: number;
}

/** Messages and key blocks of the vectors; where there are none, a detached header. */
export function vectorSeeds(): [Bytes, ...Bytes[]] {
  const seeds: [Bytes, ...Bytes[]] = [Uint8Array.of(0x8e, 0x45, 0x4e, 0x56, 1, 1, 0, 0, 0, 0)];
  for (const file of findFiles("spec/vectors/envelope/*.json")) {
    const { message, keyBlock } = JSON.parse(readText(file)) as {
      readonly message: string;
      readonly keyBlock?: string;
    };
    seeds.push(bytesOf(message, "base64"));
    if (keyBlock !== undefined) seeds.push(bytesOf(keyBlock, "base64"));
  }
  return seeds;
}

/** Runs one input; only a finding comes out. Slow input is tried again: the machine may have paused. */
export async function attempt(
  run: Run,
  check: () => void | Promise<void>,
  maxMs: number = MAX_MS,
): Promise<void> {
  let fastestMs = Infinity;
  for (let tries = 0; tries < 3 && fastestMs > maxMs; tries++) {
    const started = performance.now();
    try {
      const pending = check();
      if (pending !== undefined) await pending;
    } catch (error) {
      if (error instanceof Finding) throw error;
      throw new Finding(`a check failed by itself: ${String(error)}`, { cause: error });
    }
    fastestMs = Math.min(fastestMs, performance.now() - started);
  }
  run.execs++;
  run.slowestMs = Math.max(run.slowestMs, fastestMs);
  if (fastestMs > maxMs) throw new Finding(`one input takes ${Math.round(fastestMs)} ms`);
}

/** Fuzzes until `deadline`, in ms of `performance.now()`. Throws the first finding. */
async function fuzz(random: Random, deadline: number): Promise<Run> {
  const run: Run = { execs: 0, slowestMs: 0 };
  const corpus = vectorSeeds();
  const messages = await Messages.create();
  const objects = await Objects.create();
  for (let i = 0; performance.now() < deadline; i++) {
    if (i % (PARSED_PER_MESSAGE + 1) === PARSED_PER_MESSAGE) {
      const [first = new Uint8Array(0), ...rest] = messages.seeds;
      const input = mutate(random.pick([first, ...rest]), [first, ...rest], random);
      await caught(input, "messages", () => attempt(run, () => messages.check(input, random)));
      const object = objects.mutated(random);
      await caught(object, "objects", () => attempt(run, () => objects.check(object)));
      const seed = random.bytes(SEED_BYTES);
      // Measures by itself, in time of the processor.
      await caught(seed, "decisions", async () => decisions(seed, engine));
      run.execs++;
      continue;
    }
    const input = mutate(random.pick(corpus), corpus, random);
    for (const [name, target] of Object.entries(targets)) {
      await caught(input, name, () => attempt(run, () => target(input, readers)));
    }
    if (accepted(input))
      corpus[corpus.length < MAX_CORPUS ? corpus.length : random.below(MAX_CORPUS)] = input;
  }
  return run;
}

async function caught(input: Bytes, target: string, check: () => Promise<void>): Promise<void> {
  try {
    await check();
  } catch (error) {
    console.log(`input (${input.length} bytes): ${Buffer.from(input).toString("hex")}`);
    throw new Finding(`${target}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

function accepted(input: Bytes): boolean {
  try {
    return readers.parseHeader(input).length > 0;
  } catch {
    return false;
  }
}

/** Every target on one input. */
async function replay(input: Bytes): Promise<Run> {
  const run: Run = { execs: 0, slowestMs: 0 };
  if (input.length === SEED_BYTES) {
    await caught(input, "decisions", async () => decisions(input, engine));
  }
  const messages = await Messages.create();
  for (const [name, target] of Object.entries(targets)) {
    await caught(input, name, () => attempt(run, () => target(input, readers)));
  }
  const objects = await Objects.create();
  await caught(input, "objects", () => attempt(run, () => objects.check(input)));
  // The pieces that a message comes in are chosen anew each time.
  for (let seed = 0; seed < 100; seed++) {
    const random = new Random(seed);
    await caught(input, "messages", () => attempt(run, () => messages.check(input, random)));
  }
  return run;
}

function bytesOf(text: string, encoding: "base64" | "hex"): Bytes {
  return new Uint8Array(Buffer.from(text, encoding));
}

await command(import.meta, async (args) => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seconds: { type: "string", default: "60" },
      seed: { type: "string", default: String(randomInt(2 ** 32)) },
      input: { type: "string" },
    },
  });
  const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
  if (!(seconds > 0) || !Number.isInteger(seed)) {
    console.error("fuzz: --seconds and --seed take numbers");
    return 2;
  }
  const started = performance.now();
  console.log(`fuzz: --seed ${seed} --seconds ${seconds}`);
  try {
    const run =
      values.input === undefined
        ? await fuzz(new Random(seed), started + seconds * 1000)
        : await replay(bytesOf(values.input, "hex"));
    const rate = Math.round(run.execs / ((performance.now() - started) / 1000));
    const slowest = run.slowestMs.toFixed(1);
    console.log(
      `fuzz: nothing found in ${run.execs} runs, ${rate} per second, the slowest took ${slowest} ms`,
    );
    return 0;
  } catch (error) {
    if (!(error instanceof Finding)) throw error;
    console.log(`fuzz: found with --seed ${seed}: ${error.message}`);
    console.log(error.cause);
    return 1;
  }
});
