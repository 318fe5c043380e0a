/**
 * moto: a KMS that nobody of this project wrote. It is used where it is installed, and its absence is
 * told and no failure.
 *
 * Source: https://docs.getmoto.org, "Non-Python SDK's / Server Mode"
 */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export interface Moto {
  readonly url: string;
  stop(): Promise<void>;
}

/** A server on a free port, or why there is none. */
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
