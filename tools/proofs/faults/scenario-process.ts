/**
 * A process that does the work of a scenario: `scenario-process.ts <name> <folder>`. Where the work fails, the process
 * says with which code, and exits with 3.
 */
import { writeSync } from "node:fs";
import { codeOf, placeIn } from "./scenario.ts";
import { preparations } from "./keystore-scenarios.ts";
import { scenarios } from "./scenarios.ts";

const [name, folder = ""] = process.argv.slice(2);
const scenario = [...scenarios, ...preparations].find((one) => one.name === name);
if (typeof scenario?.work !== "function") throw new TypeError(`there is no work ${name}`);
try {
  await scenario.work(placeIn(folder));
} catch (error) {
  writeSync(1, `error ${codeOf(error) ?? `without a code: ${String(error)}`}\n`);
  process.exitCode = 3;
}
