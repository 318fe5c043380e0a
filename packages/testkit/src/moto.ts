/**
 * moto: an imitation of AWS KMS from outside this project. Tests use it where it is installed and are
 * skipped elsewhere.
 *
 * Source: https://docs.getmoto.org, "Non-Python SDK's / Server Mode"
 *
 * @module
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface Moto {
  readonly url: string;
  stop(): Promise<void>;
}

/** Starts a server on a free port, or returns why there is none. */
export async function startMoto(): Promise<Moto | string> {
  const child = spawn("moto_server", ["-H", "127.0.0.1", "-p", "0"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = new Promise<string>((resolve) => {
    child.on("error", () => resolve("moto_server is not installed"));
    child.on("exit", (code) => resolve(`moto_server does not start: exit code ${code}`));
  });
  const listening = new Promise<string>((resolve) => {
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on("line", (line) => {
        const url = / Running on (http:\/\/127\.0\.0\.1:[0-9]+)/.exec(line)?.[1];
        if (url !== undefined) resolve(url);
      });
    }
  });
  const outcome = await Promise.race([ended, listening]);
  if (!outcome.startsWith("http:")) return outcome;
  return {
    url: outcome,
    async stop() {
      child.kill();
      await ended;
    },
  };
}
