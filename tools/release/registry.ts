/**
 * A registry for npm packages on loopback: Verdaccio, which serves what is published to it, and gets everything
 * else from where npm gets it here.
 *
 * @module
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { Consumer } from "../packages/consumer.ts";

const VERDACCIO = "6.10.4";
/** Verdaccio names it by a tag, which not every mirror of the registry has. */
const NODE_FETCH = "2.7.0";

/** How long Verdaccio may take to listen. */
const START_MS = 60_000;

export interface Registry extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** Publishes a tarball with npm. Throws if npm fails. */
  publish(tarball: string): void;
}

/** @param folder - For Verdaccio and its packages; empty, or not there yet. */
export async function startRegistry(folder: string): Promise<Registry> {
  const home = new Consumer(folder);
  home.install({ verdaccio: VERDACCIO }, { overrides: { "node-fetch": NODE_FETCH } });
  const upstream = home.run("npm", ["config", "get", "registry"]).stdout.trim();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const config = home.write("config.yaml", JSON.stringify(configuration(folder, upstream)));
  const bin = join(home.installed("verdaccio"), "bin/verdaccio");
  const child = spawn(process.execPath, [bin, "--config", config, "--listen", url], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  await listening(url, child);
  // npm wants a token before it sends anything; this registry accepts whatever comes from this machine.
  const npmrc = home.write("npmrc", `//127.0.0.1:${port}/:_authToken=loopback\n`);
  return {
    url,
    publish(tarball) {
      const args = [
        "publish",
        tarball,
        "--registry",
        url,
        "--userconfig",
        npmrc,
        "--access",
        "public",
      ];
      const { status, stdout, stderr } = spawnSync("npm", [...args, "--provenance=false"], {
        encoding: "utf8",
      });
      if (status !== 0) throw new Error(`npm publish ${tarball} failed\n${stdout}${stderr}`);
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null) return;
      child.kill();
      await once(child, "exit");
    },
  };
}

/** Verdaccio's configuration: JSON is YAML too. Source: verdaccio.org/docs/configuration */
function configuration(folder: string, upstream: string): object {
  const everybody = { access: "$all", publish: "$all" };
  return {
    storage: join(folder, "storage"),
    uplinks: { upstream: { url: upstream, timeout: "60s", maxage: "1h" } },
    packages: {
      "@env/*": everybody,
      "**": { access: "$all", proxy: "upstream" },
    },
    log: { type: "stdout", format: "pretty", level: "error" },
    web: { enable: false },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Resolves once the registry answers. */
async function listening(url: string, child: ChildProcess): Promise<void> {
  const until = performance.now() + START_MS;
  while (performance.now() < until) {
    if (child.exitCode !== null) throw new Error(`Verdaccio ended with ${child.exitCode}`);
    try {
      if ((await fetch(`${url}/-/ping`)).ok) return;
    } catch {
      // It is not listening yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  child.kill();
  throw new Error(`Verdaccio does not answer at ${url}`);
}
