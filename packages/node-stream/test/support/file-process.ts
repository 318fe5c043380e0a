/**
 * A process that encrypts or decrypts a file, or replaces one by encrypting, and dies by SIGKILL before a
 * given call to the file system:
 * `file-process.ts <encrypt|decrypt|replace> <source> <target> <call number from 0> [threads]`.
 * With threads it dies that many milliseconds after it began instead.
 */
import { Envelope } from "@env/core";
import { decryptFileOn, encryptFileOn } from "../../src/file.ts";
import { sharedPool } from "../../src/pool.ts";
import { watchedFiles } from "./faults.ts";
import { rotatingCmk } from "./rotating-cmk.ts";

const [operation, source = "", target = "", fatal = "", threads] = process.argv.slice(2);
const envelope = new Envelope({ cmks: [rotatingCmk("one", 1).cmk] });
const die = (): void => void process.kill(process.pid, "SIGKILL");
if (threads !== undefined) setTimeout(die, Number(fatal));
const machine = {
  files: watchedFiles((call) => {
    if (threads === undefined && String(call) === fatal) die();
  }),
  pool: threads === undefined ? undefined : sharedPool(),
};
const work = operation === "decrypt" ? decryptFileOn : encryptFileOn;
const replacing = operation === "replace" ? { overwrite: true, preserve: true } : {};
await work(machine, envelope, source, target, { context: {}, ...replacing });
