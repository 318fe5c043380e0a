/**
 * Measures the server as `envelope serve` runs it: signatures are verified, policies evaluated, and no call is answered before its
 * record in the audit log is on disk.
 *
 * The mistakes it avoids: a rate beside that of another day (the same calls without the server, and moto, take turns with
 * it in one run), a client that costs more than the server (load.ts), and memory that was looked at before it grew.
 *
 * @module
 */
import { fork, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { openKeystore, type KmsClient } from "@env/kms";
import { startMoto } from "@env/testkit/moto";
import { folderFor, MIB, requireSame, type Bench, type Figure } from "../bench.ts";
import { signer, type Load, type LoadAnswer, type LoadFacts, type Target } from "../load.ts";
import type { Contender } from "../measure.ts";
import type { Row } from "../row.ts";
import { ALICE, asAlice, fill } from "./kms.ts";

const CONNECTIONS = 32;
const NAME = `GenerateDataKey, ${CONNECTIONS} connections`;
const INSTALL_MOTO = "pip install 'moto[server]'";

export const server: Figure = {
  name: "server",
  async run(bench) {
    const folder = folderFor(2048 * MIB, "disk");
    if (folder === undefined) {
      const note = "no folder has 2 GiB free";
      return [{ kind: "limit", figure: NAME, unit: "ms", ours: undefined, note }];
    }
    const ended: (() => unknown)[] = [() => folder.remove()];
    try {
      return await measure(bench, folder.path, (end) => void ended.push(end));
    } finally {
      for (const end of ended.toReversed()) await end();
    }
  },
};

/** @param atEnd - Keeps what ends the processes, and is called in the reverse order. */
async function measure(
  bench: Bench,
  folder: string,
  atEnd: (end: () => unknown) => void,
): Promise<readonly Row[]> {
  const keys = bench.quick ? 500 : 10_000;
  const seconds = bench.quick ? 2 : 5;
  const [path, other] = [join(folder, "served"), join(folder, "in-process")];
  await fill(bench, path, keys);
  const account = await prepare(path, other);

  const load = new LoadProcess();
  atEnd(() => load.end());
  const starts: number[] = [];
  for (let round = 0; round <= bench.rounds; round++) {
    bench.show(`starting, round ${round} of ${bench.rounds}`);
    const started = performance.now();
    const { url, child } = await serve(path);
    await load.run({ ...account, url }, 0, 1);
    // The first reads the program from the disk, and starts the client.
    if (round > 0) starts.push(performance.now() - started);
    await ending(child);
  }

  const { url, child } = await serve(path);
  atEnd(() => ending(child));
  const target = { ...account, url };
  const facts: LoadFacts[] = [];
  const contenders: Contender[] = [
    {
      name: "served",
      measure: async () => {
        const measured = await load.run(target, seconds);
        facts.push(measured);
        return measured.rate;
      },
    },
  ];
  const keystore = await openKeystore(other, { root: { keyFile: `${path}.key` } });
  atEnd(() => keystore.close());
  const client = keystore.as(ALICE);
  contenders.push({ name: "in process", measure: () => inProcess(client, seconds) });
  const moto = await startMoto();
  if (typeof moto !== "string") {
    atEnd(() => moto.stop());
    const there = { ...target, url: moto.url, region: "us-east-1" };
    const imitated = { ...there, keyId: await keyOf(there) };
    contenders.push({
      name: "moto",
      measure: async () => (await load.run(imitated, seconds)).rate,
    });
  }
  const rates = await bench.takeTurns(contenders);
  const ours = rates.get("served") ?? [];
  const theirs = rates.get("moto");
  // The first warms up.
  const times = facts.slice(1);
  const [first, ...memory] = await underLoad(
    bench,
    () => load.run(target, bench.quick ? 1 : 60),
    child,
  );
  const minutes = bench.quick ? "seconds" : "minutes";
  const limit = (
    figure: string,
    unit: "ms" | "MB" | "%" | "µs",
    values: number[],
    below?: number,
  ): Row => ({
    kind: "limit",
    figure,
    unit,
    ours: values,
    ...(below === undefined ? {} : { below }),
  });
  const last = memory.at(-1) ?? NaN;
  return [
    {
      kind: "comparison",
      figure: NAME,
      unit: "calls/s",
      ours,
      peer: "env, in process",
      theirs: rates.get("in process"),
      atLeast: 0.45,
      note: "envelope serve --auth strict on loopback, 2 cores with the client; each request is signed on its own",
    },
    {
      kind: "comparison",
      figure: NAME,
      unit: "calls/s",
      ours,
      peer: "moto",
      theirs,
      atLeast: 30,
      ...(typeof moto === "string" ? { note: `${moto}: ${INSTALL_MOTO}` } : {}),
    },
    limit(
      `${NAME}, median`,
      "ms",
      times.map(({ p50 }) => p50),
    ),
    limit(
      `${NAME}, 99th percentile`,
      "ms",
      times.map(({ p99 }) => p99),
      25,
    ),
    limit("verification of a signature", "µs", await verification(bench, target)),
    limit(`first answer after the start, ${keys.toLocaleString("en")} keys`, "ms", starts, 400),
    limit(`memory after five ${minutes} of load`, "MB", [last], 150),
    limit(`memory after five ${minutes} against one`, "%", [(last / (first ?? NaN)) * 100], 110),
  ];
}

/** Adds a user with an access key to a keystore, and copies it for the calls without a server. */
async function prepare(path: string, other: string): Promise<Omit<Target, "url">> {
  using keystore = await openKeystore(path, { root: { keyFile: `${path}.key` } });
  await asAlice(keystore);
  const { accessKeyId, secretAccessKey } = await keystore.iam.accessKeys.create(ALICE);
  await keystore.backup(other);
  const { region } = keystore.facts;
  return { keyId: "alias/app", region, accessKeyId, secretAccessKey };
}

/** The command as users run it. */
async function serve(
  path: string,
): Promise<{ readonly url: string; readonly child: ChildProcess }> {
  const cli = fileURLToPath(import.meta.resolve("@env/cli/package.json"));
  const bin = join(cli, "..", "dist", "bin.js");
  const args = ["serve", path, "--auth", "strict", "--port", "0", "--json", "--quiet"];
  const child = spawn(process.execPath, [bin, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface({ input: child.stdout })) {
    const { url }: { readonly url?: string } = JSON.parse(line);
    if (url !== undefined) return { url, child };
  }
  throw new Error("envelope serve has ended");
}

async function ending(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGINT");
  await exited;
}

/** Calls per second without the server, by as many callers. */
async function inProcess(client: KmsClient, seconds: number): Promise<number> {
  const end = performance.now() + seconds * 1000;
  let count = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() < end) {
      const EncryptionContext = { tenant: `tenant-${count++ % 1000}` };
      await client.generateDataKey({ KeyId: "alias/app", KeySpec: "AES_256", EncryptionContext });
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, caller));
  return count / seconds;
}

/** The client, in a process of its own. */
class LoadProcess {
  readonly #child = fork(join(import.meta.dirname, "..", "load.ts"));

  async run(
    target: Target,
    seconds: number,
    connections: number = CONNECTIONS,
  ): Promise<LoadFacts> {
    const load: Load = { ...target, seconds, connections };
    this.#child.send(load);
    const [answer] = (await once(this.#child, "message")) as [LoadAnswer];
    if ("error" in answer) throw new Error(answer.error);
    return answer;
  }

  end(): void {
    this.#child.kill();
  }
}

/** Megabytes that the server holds after each of five minutes, or seconds, at full load. */
async function underLoad(
  bench: Bench,
  load: () => Promise<unknown>,
  child: ChildProcess,
): Promise<number[]> {
  const held: number[] = [];
  for (let minute = 1; minute <= 5; minute++) {
    bench.show(`under load, ${minute} of 5`);
    await load();
    const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
    held.push((Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024) / 1e6);
  }
  return held;
}

/** The class of the server that verifies signatures, which the package does not export. */
type VerifierClass = new (options: {
  readonly credential: () => Promise<object>;
  readonly services: ReadonlySet<string>;
}) => { verify(request: object): Promise<{ readonly credential: unknown }> };

/** Microseconds for one of a thousand requests whose access key is known. */
async function verification(bench: Bench, target: Target): Promise<number[]> {
  const entry = import.meta.resolve("@env/kms-server");
  const file = new URL(`verify-signature${extname(entry)}`, entry).href;
  const { SignatureVerifier }: { readonly SignatureVerifier: VerifierClass } = await import(file);
  const { accessKeyId, secretAccessKey } = target;
  const credential = { accessKeyId, secretAccessKey, principal: ALICE, session: {} };
  const verifier = new SignatureVerifier({
    credential: () => Promise.resolve(credential),
    services: new Set(["kms"]),
  });
  const request = signer(target);
  const took = await bench.takeTurns([
    {
      name: "verification",
      measure: async () => {
        const requests = Array.from({ length: 1000 }, (_, i) => request(i)).map((one) => ({
          method: "POST",
          target: "/",
          rawHeaders: one.headers,
          body: Buffer.from(one.body),
        }));
        const started = performance.now();
        for (const one of requests) {
          requireSame("the caller", (await verifier.verify(one)).credential, credential);
        }
        return (performance.now() - started) * (1000 / requests.length);
      },
    },
  ]);
  return [...(took.get("verification") ?? [])];
}

/** A new key of another server of the protocol, which knows regions of AWS only. */
async function keyOf({ url, region, accessKeyId }: Target): Promise<string> {
  const scope = `${accessKeyId}/20260101/${region}/kms/aws4_request`;
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "content-type": "application/x-amz-json-1.1",
      "x-amz-target": "TrentService.CreateKey",
      authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0`,
    },
    body: "{}",
  });
  const { KeyMetadata } = (await response.json()) as {
    readonly KeyMetadata: { readonly KeyId: string };
  };
  return KeyMetadata.KeyId;
}
