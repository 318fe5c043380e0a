/**
 * Whether an application that uses `Envelope` runs where there is no Node, after each of the usual bundlers.
 *
 * A bundle runs without the names that only Node has, as in a browser or in a worker at the edge.
 *
 * @module
 */
import { basename } from "node:path";
import type { Consumer } from "./consumer.ts";

/** What {@link brokenBundles} needs besides the packages; the other bundlers are those of this workspace. */
export const ROLLDOWN = "1.3.3";

/** Encrypts, opens, streams, rotates, rewraps, and says whether everything came back. */
const application = `
import { Cmk, Envelope } from "@env/core";
import { MemoryKms } from "@env/core/testing";

globalThis.run = async () => {
  const kms = new MemoryKms();
  const key = kms.createKey();
  await using envelope = new Envelope({ cmks: [new Cmk(kms.driver(key))] });
  const context = { tenant: "acme" };
  const plaintext = crypto.getRandomValues(new Uint8Array(50_000));
  const message = await envelope.encrypt(plaintext, { context });
  kms.rotate(key);
  const { message: rewrapped } = await envelope.rewrap(message, { context });
  const opened = await envelope.decrypt(rewrapped, { context });
  const start = (controller) => (controller.enqueue(rewrapped), controller.close());
  const opening = new ReadableStream({ start }).pipeThrough(envelope.decryptStream({ context }));
  const streamed = [];
  for await (const piece of opening) streamed.push(...piece);
  const text = await envelope.encryptText("four pages", { context });
  const same = [opened, streamed].every((bytes) => bytes.join() === plaintext.join());
  return same && (await envelope.decryptText(text, { context })) === "four pages";
};
`;

const entry = "bundles/application.js";

/** Programs that write a bundle to the path in their last argument, by what is bundled for whom. */
const bundlers: Readonly<Record<string, string>> = {
  "esbuild, browser": `
import { build } from "esbuild";
await build({ entryPoints: ["${entry}"], bundle: true, minify: true, format: "iife", target: "es2022",
  platform: "browser", outfile: process.argv[2] });`,
  "esbuild, worker": `
import { build } from "esbuild";
await build({ entryPoints: ["${entry}"], bundle: true, format: "iife", target: "es2022",
  platform: "neutral", mainFields: ["module", "main"], conditions: ["workerd", "worker", "browser"],
  outfile: process.argv[2] });`,
  "Rolldown, browser": `
import { rolldown } from "rolldown";
const bundle = await rolldown({ input: "${entry}", platform: "browser", transform: { target: "es2022" } });
await bundle.write({ format: "iife", file: process.argv[2] });`,
  "Vite, browser": `
import { dirname, basename } from "node:path";
import { build } from "vite";
await build({ logLevel: "error", configFile: false, build: { target: "es2022", outDir: dirname(process.argv[2]),
  emptyOutDir: false, lib: { entry: "${entry}", name: "application", formats: ["iife"],
  fileName: () => basename(process.argv[2]) } } });`,
};

/** JavaScript that takes away the names that only Node has. What needs one of them is a ReferenceError from then on. */
export const withoutNode = `
crypto.subtle; // Node makes it when it is first used, and needs its own names for that.
for (const name of ["process", "Buffer", "global", "setImmediate", "clearImmediate"]) delete globalThis[name];
`;

/** Runs a bundle without Node's names. */
const runner = `
import { readFileSync } from "node:fs";
const code = readFileSync(process.argv[2], "utf8");
${withoutNode}
(0, eval)(code);
if ((await run()) !== true) throw new Error("it gave another plaintext");
`;

/** What does not bundle or does not run, one paragraph each. */
export function brokenBundles(consumer: Consumer, node: string): string[] {
  consumer.write(entry, application);
  const start = consumer.write("bundles/run.mjs", runner);
  return Object.entries(bundlers).flatMap(([name, program], n) => {
    const bundler = consumer.write(`bundles/bundler${n}.mjs`, program);
    const output = `bundles/out${n}.js`;
    for (const args of [
      [bundler, output],
      [start, output],
    ]) {
      const { status, output: said } = consumer.run(node, args);
      if (status !== 0) return [`${name}: ${basename(args[0] ?? "")} failed\n${said}`];
    }
    return [];
  });
}

/** How many bundles {@link brokenBundles} makes and runs. */
export const BUNDLE_COUNT: number = Object.keys(bundlers).length;
