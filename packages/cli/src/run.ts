/**
 * `main` on the process's own streams, with its signals.
 *
 * @module
 */
import { removeTemporaries } from "@env/node-stream";
import { interrupted } from "./errors.ts";
import { main } from "./main.ts";
import { useNativeCrypto } from "./native-crypto.ts";
import { SHOW_CURSOR } from "./status-line.ts";

/** How long an interrupted command may take to clean up, in ms: it may be waiting for a pipe or a KMS. */
const GRACE_MS = 2000;

const controller = new AbortController();
// Not SIGHUP: `nohup` works by ignoring it, and a handler would undo that.
for (const name of ["SIGINT", "SIGTERM"] as const) {
  const die = (): void => {
    removeTemporaries();
    // The status line hides it.
    if (process.stderr.isTTY) process.stderr.write(SHOW_CURSOR);
    // And not process.exit(), which waits for calls under way: opening a pipe may never end.
    process.removeAllListeners(name);
    process.kill(process.pid, name);
  };
  process.on(name, () => {
    if (controller.signal.aborted) die();
    controller.abort(interrupted());
    setTimeout(die, GRACE_MS).unref();
  });
}
// Write errors are handled where something is written; without a listener they would be thrown here.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

const { stdin, stdout, stderr } = process;
process.exitCode = await main(process.argv.slice(2), {
  stdin,
  stdout,
  stderr,
  signal: controller.signal,
  cryptoProblem: await useNativeCrypto(),
});
// An unread stdin would keep the process alive.
stdin.destroy();
