/**
 * A process that rewraps a file and dies by SIGKILL before a given step:
 * `rewrap-process.ts <path> <step number from 0> <whole|half> [key id to add]`.
 */
import { Envelope } from "@env/core";
import { rewrapFileOn } from "../../src/rewrap-file.ts";
import { steppingFiles } from "./faulty-files.ts";
import { rotatingCmk } from "./rotating-cmk.ts";

const [path = "", fatal = "", mode = "", added] = process.argv.slice(2);
const cmks = [rotatingCmk("one", 2).cmk, ...(added ? [rotatingCmk(added, 1).cmk] : [])];

let at = 0;
const files = steppingFiles((step) => {
  if (step === "half written") process.kill(process.pid, "SIGKILL");
  if (String(at++) !== fatal) return undefined;
  if (mode === "half" && step.startsWith("write")) return "half";
  process.kill(process.pid, "SIGKILL");
  return undefined;
});
await rewrapFileOn(files, new Envelope({ cmks }), path, { context: { tenant: "acme" } });
