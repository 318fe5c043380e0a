/**
 * Stores that speak the protocol of S3 and that nobody here wrote: how each is found and started.
 *
 * @module
 */
import { execFile, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { startMoto } from "@env/testkit/moto";

export const credentials = { accessKeyId: "acceptance", secretAccessKey: "acceptance-secret" };

export interface RunningStore {
  readonly url: string;
  /** A space and the version, or nothing where the program does not tell. */
  readonly version: string;
  stop(): Promise<void>;
}

export interface Store {
  readonly name: string;
  /** It copies an object although another one than `If-Match` names is there. Nobody else may write during a rewrap. */
  readonly ignoresIfMatch?: true;
  /** Starts it with an empty folder for its data, or returns why it is not there. */
  start(folder: string): Promise<RunningStore | string>;
}

export const stores: readonly Store[] = [
  {
    name: "SeaweedFS",
    async start(folder) {
      const weed = programNamed("WEED", "weed");
      if (weed === undefined) return "WEED does not name its program, and weed is not in the PATH";
      const config = join(folder, "s3.json");
      const { accessKeyId: accessKey, secretAccessKey: secretKey } = credentials;
      const actions = ["Admin", "Read", "Write", "List", "Tagging"];
      const identity = { name: "acceptance", credentials: [{ accessKey, secretKey }], actions };
      writeFileSync(config, JSON.stringify({ identities: [identity] }));
      const [master, volume, filer, s3] = await freePorts(4);
      const args = [
        "server",
        "-ip=127.0.0.1",
        `-dir=${folder}`,
        "-volume.max=20",
        "-master.volumeSizeLimitMB=64",
        `-master.port=${master}`,
        `-volume.port=${volume}`,
        "-filer",
        `-filer.port=${filer}`,
        "-s3",
        `-s3.port=${s3}`,
        `-s3.config=${config}`,
      ];
      const version = execFileSync(weed, ["version"], { encoding: "utf8" });
      return running(weed, args, {}, `http://127.0.0.1:${s3}`, version);
    },
  },
  {
    name: "RustFS",
    async start(folder) {
      const rustfs = programNamed("RUSTFS", "rustfs");
      if (rustfs === undefined) {
        return "RUSTFS does not name its program, and rustfs is not in the PATH";
      }
      const [port] = await freePorts(1);
      const data = join(folder, "data");
      mkdirSync(data);
      const environment = {
        RUSTFS_ACCESS_KEY: credentials.accessKeyId,
        RUSTFS_SECRET_KEY: credentials.secretAccessKey,
        RUSTFS_CONSOLE_ENABLE: "false",
      };
      const { stdout } = await promisify(execFile)(rustfs, ["--version"]);
      const args = ["--address", `127.0.0.1:${port}`, data];
      return running(rustfs, args, environment, `http://127.0.0.1:${port}`, stdout);
    },
  },
  {
    name: "moto",
    ignoresIfMatch: true,
    async start() {
      const moto = await startMoto();
      if (typeof moto === "string") return moto;
      return { ...moto, version: "" };
    },
  },
  {
    name: "the store at S3_URL",
    async start() {
      const url = process.env["S3_URL"];
      if (url === undefined) return "S3_URL is not set";
      return { url, version: "", stop: async () => undefined };
    },
  },
];

/** The program that a variable names, or that is in the `PATH`. */
function programNamed(variable: string, program: string): string | undefined {
  const folders = (process.env["PATH"] ?? "").split(delimiter);
  const candidates = [process.env[variable], ...folders.map((folder) => join(folder, program))];
  return candidates.find((path) => path !== undefined && path !== "" && existsSync(path));
}

/** Starts a program and waits until it answers. */
async function running(
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  url: string,
  told: string,
): Promise<RunningStore | string> {
  const output = process.env["DEBUG"] === undefined ? "ignore" : "inherit";
  const child = spawn(program, args, {
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], ...environment },
    stdio: ["ignore", output, output],
  });
  const closed = once(child, "close");
  for (let attempt = 0; attempt < 300; attempt++) {
    if (child.exitCode !== null) return `it ended with exit code ${child.exitCode}`;
    const answer = await fetch(url).catch(() => undefined);
    if (answer !== undefined && answer.status < 500) {
      const stop = async (): Promise<void> => {
        child.kill();
        await closed;
      };
      const version = /(?<![.\d])\d+\.\d+[\w.-]*/.exec(told)?.[0];
      return { url, version: version === undefined ? "" : ` ${version}`, stop };
    }
    await setTimeout(200);
  }
  child.kill("SIGKILL");
  return "it does not answer";
}

async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => once(server.close(), "close")));
  return ports;
}
