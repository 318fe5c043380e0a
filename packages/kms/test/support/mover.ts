/**
 * A process that moves a keystore: `mover.ts <from> <to> <key file> <new key file or -> <step>`. It kills itself at the step of that
 * number, and prints how many steps there were if it gets to its end.
 */
import { moveKeystore } from "../../src/index.ts";

const [from = "", to = "", keyFile = "", target = "-", killed = "0"] = process.argv.slice(2);
let steps = 0;
await moveKeystore(from, to, {
  root: { keyFile },
  ...(target === "-" ? {} : { targetRoot: { keyFile: target } }),
  onProgress: () => {
    if (++steps === Number(killed)) process.kill(process.pid, "SIGKILL");
  },
});
process.stdout.write(`${steps}\n`);
