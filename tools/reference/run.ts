/**
 * Runs the Python reader over the test vectors.
 *
 * The mistake it stops: a generator and an implementation that misread the specification in the
 * same way, being written in one language on one crypto library. Python is not ours to require, so
 * where it or its `cryptography` module is absent this says so and passes.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const python = "/usr/bin/python3";
const script = fileURLToPath(new URL("envelope.py", import.meta.url));
const vectors = fileURLToPath(new URL("../../spec/vectors", import.meta.url));

/** Why the reader cannot run here, or undefined. */
function missing(): string | undefined {
  const probe = spawnSync(python, ["-c", "import cryptography"], { encoding: "utf8" });
  if (probe.error !== undefined) return `${python} cannot be started (${probe.error.message})`;
  if (probe.status !== 0) return `${python} has no usable module "cryptography"`;
  return undefined;
}

function main(): number {
  const reason = missing();
  if (reason !== undefined) {
    console.log(`reference reader: skipped, because ${reason}`);
    return 0;
  }
  // -B: no __pycache__ beside the sources. A reader killed by a signal has no status.
  return spawnSync(python, ["-B", script, vectors], { stdio: "inherit" }).status ?? 1;
}

process.exitCode = main();
