/**
 * What the `envelope` command writes: a new keystore with its configuration, and files.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { require, type Place, type Scenario } from "./scenario.ts";

const plaintext = Buffer.alloc(20_000, "What the command was given. ");
const CONTEXT = ["--context", "tenant=acme"];

/** Runs the command without faults. */
function envelope({ faulty }: Place, ...args: readonly string[]): void {
  const bin = process.env["ENVELOPE_BIN"] ?? "";
  const { status, stderr } = spawnSync(process.execPath, [bin, "--quiet", ...args], {
    cwd: faulty,
    encoding: "utf8",
  });
  require(status === 0, `envelope ${args.join(" ")} ended with ${status}: ${stderr}`);
}

async function opened(place: Place, name: string): Promise<Buffer> {
  const target = join(place.sound, "opened");
  envelope(place, "decrypt", ...CONTEXT, "--force", "--output", target, name);
  return readFile(target);
}

function requireOnly({ faulty }: Place, ...names: readonly string[]): void {
  const all = ["dev.kms", "dev.kms.key", "envelope.config.json", ...names].toSorted();
  const found = readdirSync(faulty).toSorted();
  require(found.join() === all.join(), `left behind: ${found.join(", ")}`);
}

const initialising: Scenario = {
  name: "envelope init",
  changes: 1,
  isSealed: false,
  prepare: (place) => writeFile(join(place.sound, "plain"), plaintext),
  work: { command: ["init"] },
  async read(place) {
    if (!existsSync(join(place.faulty, "envelope.config.json"))) return 0;
    const sealed = join(place.sound, "sealed");
    envelope(place, "encrypt", ...CONTEXT, "-o", sealed, "--force", join(place.sound, "plain"));
    require(plaintext.equals(await opened(place, sealed)), "the plaintext is wrong");
    return 1;
  },
  async again(place) {
    // Completes what was interrupted, and refuses what is complete.
    if (!existsSync(join(place.faulty, "envelope.config.json"))) envelope(place, "init");
    require((await initialising.read(place)) === 1, "there is no configuration");
    requireOnly(place);
  },
};

async function initialise(place: Place): Promise<void> {
  envelope(place, "init");
  await writeFile(join(place.faulty, "report"), plaintext);
}

const encrypting: Scenario = {
  name: "envelope encrypt",
  changes: 1,
  isSealed: false,
  prepare: initialise,
  work: { command: ["encrypt", ...CONTEXT, "report"] },
  async read(place) {
    if (!existsSync(join(place.faulty, "report.envelope"))) return 0;
    require(plaintext.equals(await opened(place, "report.envelope")), "the plaintext is wrong");
    return 1;
  },
  async again(place) {
    envelope(place, "encrypt", ...CONTEXT, "--force", "report");
    require((await encrypting.read(place)) === 1, "there is no message");
    requireOnly(place, "report", "report.envelope");
  },
};

const decrypting: Scenario = {
  name: "envelope decrypt",
  changes: 1,
  isSealed: false,
  async prepare(place) {
    await initialise(place);
    envelope(place, "encrypt", ...CONTEXT, "report");
  },
  work: { command: ["decrypt", ...CONTEXT, "-o", "copy", "report.envelope"] },
  async read({ faulty }) {
    if (!existsSync(join(faulty, "copy"))) return 0;
    require(plaintext.equals(await readFile(join(faulty, "copy"))), "the plaintext is wrong");
    return 1;
  },
  async again(place) {
    envelope(place, "decrypt", ...CONTEXT, "--force", "-o", "copy", "report.envelope");
    require((await decrypting.read(place)) === 1, "there is no plaintext");
    requireOnly(place, "copy", "report", "report.envelope");
  },
};

const rewrapping: Scenario = {
  name: "envelope rewrap",
  changes: 1,
  isSealed: false,
  async prepare(place) {
    await decrypting.prepare(place, async () => undefined);
    envelope(place, "keys", "rotate", "alias/app");
    await writeFile(
      join(place.sound, "before"),
      await readFile(join(place.faulty, "report.envelope")),
    );
  },
  work: { command: ["rewrap", ...CONTEXT, "report.envelope"] },
  async read(place) {
    require(plaintext.equals(await opened(place, "report.envelope")), "the plaintext is wrong");
    const before = await readFile(join(place.sound, "before"));
    return before.equals(await readFile(join(place.faulty, "report.envelope"))) ? 0 : 1;
  },
  async again(place) {
    envelope(place, "rewrap", ...CONTEXT, "report.envelope");
    require((await rewrapping.read(place)) === 1, "it was not rewrapped");
    requireOnly(place, "report", "report.envelope");
  },
};

export const commandScenarios: readonly Scenario[] = [
  initialising,
  encrypting,
  decrypting,
  rewrapping,
];
