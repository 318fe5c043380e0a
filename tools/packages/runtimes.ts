/**
 * Whether the packages do the same in every JavaScript runtime: each writes messages, and each opens the messages
 * of all. They share a CMK with a fixed key, so that a message can be opened by another process.
 *
 * @module
 */
import { execFile, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { withoutNode } from "./bundles.ts";
import type { Consumer } from "./consumer.ts";

/** Runtimes besides Node, as npm packages. */
export const OTHER_RUNTIMES = { deno: "2.9.6", bun: "1.4.5" } as const;

/** Messages by case, in base64. */
type Messages = Readonly<Record<string, string>>;

interface Answer {
  readonly written: Messages;
  /** The messages that did not open as they should, `writer/case`, with the reason. */
  readonly unopened: Readonly<Record<string, string>>;
}

/** Gives what a runtime has written, and what it could not open of what `all` have. */
type Runtime = (all: Readonly<Record<string, Messages>>) => Promise<Answer>;

/** Defines `exchange(all)`, in JavaScript that every runtime understands. */
const program = `
import { Cmk, Envelope } from "@env/core";

const AES = { name: "AES-GCM" };
const raw = new Uint8Array(32).fill(7);
const key = crypto.subtle.importKey("raw", raw, AES, false, ["encrypt", "decrypt"]);
const driver = {
  provider: "com.example.fixed",
  keyId: "key/0",
  async wrap({ plaintext, context }) {
    const iv = crypto.getRandomValues(new Uint8Array(12));
    const algorithm = { ...AES, iv, additionalData: context.bytes };
    const sealed = new Uint8Array(await crypto.subtle.encrypt(algorithm, await key, plaintext));
    return { wrapped: Uint8Array.of(...iv, ...sealed), keyId: "key/0" };
  },
  async unwrap({ wrapped, context }) {
    const algorithm = { ...AES, iv: wrapped.slice(0, 12), additionalData: context.bytes };
    return { plaintext: new Uint8Array(await crypto.subtle.decrypt(algorithm, await key, wrapped.slice(12))) };
  },
  classify: () => "ERR_ENVELOPE_KMS_REJECTED",
};
const envelope = new Envelope({ cmks: [new Cmk(driver)] });
const context = { tenant: "ácme" };
const bytes = (length) => Uint8Array.from({ length }, (_, i) => i % 251);
const streamed = async (bytes, transform) => {
  const start = (controller) => (controller.enqueue(bytes), controller.close());
  const reader = new ReadableStream({ start }).pipeThrough(transform).getReader();
  const pieces = [];
  for (let piece; !(piece = await reader.read()).done; ) pieces.push(...piece.value);
  return Uint8Array.from(pieces);
};
const whole = (length, options = { context }) => ({
  write: () => envelope.encrypt(bytes(length), options),
  read: async (message) => same(await envelope.decrypt(message, options), bytes(length)),
});
const cases = {
  "empty": whole(0),
  "one byte": whole(1),
  "one chunk": whole(16384),
  "three chunks": whole(40000),
  "aad": whole(100, { context, aad: { table: "cards", id: "42" } }),
  "text": {
    write: async () => new TextEncoder().encode(await envelope.encryptText("4111 ✓", { context })),
    read: async (message) => (await envelope.decryptText(new TextDecoder().decode(message), { context })) === "4111 ✓",
  },
  "stream": {
    write: () => streamed(bytes(100000), envelope.encryptStream({ context })),
    read: async (message) => same(await streamed(message, envelope.decryptStream({ context })), bytes(100000)),
  },
  "rewrapped": {
    write: async () => (await envelope.rewrap(await envelope.encrypt(bytes(50), { context }), { context })).message,
    read: async (message) => same(await envelope.decrypt(message, { context }), bytes(50)),
  },
  "tampered": {
    write: async () => {
      const message = await envelope.encrypt(bytes(50), { context });
      return message.with(-1, message.at(-1) ^ 1);
    },
    read: (message) => envelope.decrypt(message, { context }).then(
      () => false,
      (error) => error.code === "ERR_ENVELOPE_DECRYPT",
    ),
  },
};
const same = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);
const encode = (message) => btoa(Array.from(message, (byte) => String.fromCharCode(byte)).join(""));
const decode = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

globalThis.exchange = async (all) => {
  const written = {};
  for (const [name, { write }] of Object.entries(cases)) written[name] = encode(await write());
  const unopened = {};
  for (const [writer, messages] of Object.entries(all)) {
    for (const [name, message] of Object.entries(messages)) {
      const good = await cases[name].read(decode(message)).catch((error) => String(error));
      if (good !== true) unopened[writer + "/" + name] = String(good);
    }
  }
  return { written, unopened };
};
`;

/** Reads what all have written from a file, and prints the answer, where there are modules of Node. */
const printing = `
import { readFileSync } from "node:fs";
import process from "node:process";
import "./program.js";
console.log(JSON.stringify(await exchange(JSON.parse(readFileSync(process.argv[2], "utf8")))));
`;

/** The same with nothing of Node: the program in one file, after Node's names are gone. */
const bare = `
import { readFileSync } from "node:fs";
const [code, all] = process.argv.slice(2).map((file) => readFileSync(file, "utf8"));
const { log } = console;
${withoutNode}
(0, eval)(code);
log(JSON.stringify(await exchange(JSON.parse(all))));
`;

const bundling = `
import { build } from "esbuild";
await build({ entryPoints: ["runtimes/program.js"], bundle: true, format: "iife", target: "es2022",
  platform: "browser", outfile: "runtimes/bundle.js" });
`;

export interface Matrix {
  /** What is wrong, one sentence each. */
  readonly found: readonly string[];
  /** A table: a row for each runtime that opens, a column for each that has written. */
  readonly text: string;
}

/**
 * Writes messages in every runtime and opens them in every runtime.
 *
 * @param consumer - Where the packages and esbuild are installed.
 * @param executables - Commands, which get a program's file, by the name to show. A browser, where there is one, and a realm without Node's names
 * are added.
 */
export async function exchangeMessages(
  consumer: Consumer,
  executables: Readonly<Record<string, readonly string[]>>,
): Promise<Matrix> {
  consumer.write("runtimes/program.js", program);
  const script = consumer.write("runtimes/printing.js", printing);
  const alone = consumer.write("runtimes/bare.mjs", bare);
  const bundler = consumer.write("runtimes/bundling.mjs", bundling);
  const bundled = consumer.run(process.execPath, [bundler]);
  if (bundled.status !== 0)
    return { found: [`the program does not bundle\n${bundled.output}`], text: "" };
  const bundle = join(consumer.folder, "runtimes/bundle.js");

  let files = 0;
  const printed =
    (file: string, ...args: string[]): Runtime =>
    async (all) => {
      const input = consumer.write(`runtimes/all${files++}.json`, JSON.stringify(all));
      const { stdout } = await promisify(execFile)(file, [...args, input], {
        cwd: consumer.folder,
        maxBuffer: 2 ** 26,
      });
      return JSON.parse(stdout) as Answer;
    };
  const runtimes: Record<string, Runtime> = {};
  for (const [name, [file = "", ...args]] of Object.entries(executables)) {
    runtimes[name] = printed(file, ...args, script);
  }
  runtimes["no Node names"] = printed(process.execPath, alone, bundle);
  const chromium = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
  if (existsSync(chromium)) runtimes["Chromium"] = inBrowser(chromium, consumer, bundle);
  else console.log(`messages are not exchanged with a browser: there is no ${chromium}`);

  const all: Record<string, Messages> = {};
  for (const [name, runtime] of Object.entries(runtimes)) all[name] = (await runtime({})).written;
  const unopened: Record<string, Answer["unopened"]> = {};
  for (const [name, runtime] of Object.entries(runtimes))
    unopened[name] = (await runtime(all)).unopened;
  return matrixOf(Object.keys(all), unopened);
}

/**
 * Shows who opens whose messages.
 *
 * @param unopened - What each runtime did not open: reasons by `writer/case`.
 */
export function matrixOf(
  names: readonly string[],
  unopened: Readonly<Record<string, Answer["unopened"]>>,
): Matrix {
  const width = Math.max(...names.map((name) => name.length)) + 2;
  const row = (cells: readonly string[]): string =>
    cells
      .map((cell) => cell.padEnd(width))
      .join("")
      .trimEnd();
  const rows = names.map((reader) => {
    const failed = Object.keys(unopened[reader] ?? {});
    const opens = (writer: string): boolean =>
      !failed.some((what) => what.startsWith(`${writer}/`));
    return row([reader, ...names.map((writer) => (opens(writer) ? "opens" : "FAILED"))]);
  });
  const found = Object.entries(unopened).flatMap(([reader, reasons]) =>
    Object.entries(reasons).map(([what, why]) => `${reader} does not open ${what}: ${why}`),
  );
  return { found, text: [row(["", ...names]), ...rows].join("\n") };
}

/** A page that a browser opens, which posts its answer to the server that it came from. */
function inBrowser(chromium: string, consumer: Consumer, bundle: string): Runtime {
  return async (all) => {
    const page = `<!doctype html><meta charset="utf-8"><script>${readFileSync(bundle, "utf8").replaceAll("</script", "<\\/script")}</script>
<script>exchange(${JSON.stringify(all)}).then(JSON.stringify, String).then((body) => fetch("/answer", { method: "POST", body }));</script>`;
    const answered = new EventEmitter<{ answer: [string] }>();
    const posted = once(answered, "answer") as Promise<[string]>;
    const server = createServer((request, response) => {
      if (request.method !== "POST") {
        response.setHeader("content-type", "text/html").end(request.url === "/" ? page : "");
        return;
      }
      const pieces: Buffer[] = [];
      request.on("data", (piece: Buffer) => pieces.push(piece));
      request.on("end", () => {
        response.end();
        answered.emit("answer", Buffer.concat(pieces).toString());
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const profile = join(consumer.folder, "runtimes/profile");
    const flags = [
      "--headless=new",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-dev-shm-usage",
      `--user-data-dir=${profile}`,
    ];
    const browser = spawn(chromium, [...flags, `http://127.0.0.1:${port}/`], { stdio: "ignore" });
    const ended = once(browser, "exit");
    try {
      const [answer] = await Promise.race([
        posted,
        ended.then(() => ["the browser ended"] as const),
      ]);
      return JSON.parse(answer) as Answer;
    } finally {
      browser.kill();
      await ended;
      server.closeAllConnections();
      server.close();
    }
  };
}
