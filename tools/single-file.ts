/**
 * Makes `envelope` as one file that needs no Node: Node's single executable application with the command, everything
 * it depends on, and the SDKs of the adapters. It then runs the file as a user without Node would.
 *
 *     nx single-file        writes tarballs/envelope-<platform>-<architecture>, and builds the packages first
 *
 * Source: nodejs.org/api/single-executable-applications.html
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { command, report } from "./command.ts";
import { brokenSteps } from "./packages/command.ts";
import { Consumer } from "./packages/consumer.ts";
import { readManifest, versionsOfPeers } from "./packages/manifests.ts";
import { packPackages } from "./tarballs.ts";
import { readPackages, root } from "./workspace.ts";

const POSTJECT = "1.0.0-alpha.6";
/** The mark by which Node recognises that something was injected. Source: Node's documentation */
const FUSE = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

/** Whether a running program may read a file of `node_modules`, or its licence asks for it. */
export function isNeeded(path: string): boolean {
  if (/\/(?:\.bin|\.package-lock\.json|tests?)(?:\/|$)/.test(path)) return false;
  return !/\.(?:[cm]?ts|map|md|markdown|flow|tsbuildinfo)$/.test(path) || /licen[cs]e/i.test(path);
}

await command(import.meta, () => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "env-single-")));
  try {
    const file = join(root, "tarballs", `envelope-${process.platform}-${process.arch}`);
    make(folder, file);
    const megabytes = Math.round(readFileSync(file).length / 2 ** 20);
    return report(
      "single-file",
      broken(folder, file),
      `${file} has ${megabytes} MiB and runs without Node`,
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

function make(folder: string, file: string): void {
  const consumer = new Consumer(join(folder, "consumer"));
  const tarballs = packPackages(join(folder, "packed"), neededBy("@env/cli"));
  console.log("installing the command with the SDKs");
  consumer.install({
    ...Object.fromEntries(tarballs.map(({ name, path }) => [name, `file:${path}`])),
    ...versionsOfPeers(tarballs.map(readManifest)),
    postject: POSTJECT,
  });
  console.log("packing what it needs");
  const archive = archiveOf(consumer.folder);
  consumer.write("id", createHash("sha256").update(archive).digest("hex").slice(0, 32));
  writeFileSync(join(consumer.folder, "archive"), archive);
  copyFileSync(
    join(import.meta.dirname, "single-file/main.cjs"),
    join(consumer.folder, "main.cjs"),
  );
  consumer.write(
    "sea.json",
    JSON.stringify({
      main: "main.cjs",
      output: "blob",
      disableExperimentalSEAWarning: true,
      assets: { id: "id", archive: "archive" },
    }),
  );
  run(consumer, process.execPath, ["--experimental-sea-config", "sea.json"]);
  mkdirSync(join(root, "tarballs"), { recursive: true });
  copyFileSync(realpathSync(process.execPath), file);
  run(consumer, join(consumer.installed(".bin"), "postject"), [
    file,
    "NODE_SEA_BLOB",
    "blob",
    "--sentinel-fuse",
    FUSE,
  ]);
}

/** A package and all of ours that it depends on. */
function neededBy(name: string): string[] {
  const manifests = new Map(readPackages().map(({ manifest }) => [manifest.name, manifest]));
  const needed = new Set([name]);
  for (const each of needed) {
    const { dependencies, peerDependencies } = manifests.get(each) ?? {};
    for (const other of Object.keys({ ...dependencies, ...peerDependencies })) {
      if (manifests.has(other)) needed.add(other);
    }
  }
  return [...needed];
}

/** All files below `node_modules`: the length of an index, the index as JSON, and the files; compressed. */
function archiveOf(folder: string): Buffer {
  const files: Record<string, readonly [offset: number, length: number]> = {};
  const contents: Buffer[] = [];
  let offset = 0;
  const paths = globSync("node_modules/**/*", { cwd: folder, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll("\\", "/"),
    )
    .filter((path) => isNeeded(path) && !path.startsWith("node_modules/postject/"))
    .toSorted();
  for (const path of paths) {
    const content = readFileSync(join(folder, path));
    files[path] = [offset, content.length];
    contents.push(content);
    offset += content.length;
  }
  const index = Buffer.from(JSON.stringify(files));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(index.length);
  return brotliCompressSync(Buffer.concat([length, index, ...contents]), {
    params: { [constants.BROTLI_PARAM_QUALITY]: 8, [constants.BROTLI_PARAM_LGWIN]: 24 },
  });
}

/** What fails where there is no Node, one paragraph each. */
function broken(folder: string, file: string): string[] {
  const [home, cwd] = [join(folder, "home"), join(folder, "work")];
  for (const empty of [home, cwd]) mkdirSync(empty);
  return brokenSteps(cwd, (args) => {
    const env = { HOME: home, PATH: home };
    const { status, stdout, stderr, error } = spawnSync(file, args, { cwd, env, encoding: "utf8" });
    return { status, output: [error?.message, stdout, stderr].filter(Boolean).join("\n") };
  });
}

function run(consumer: Consumer, file: string, args: readonly string[]): void {
  const { status, output } = consumer.run(file, args, { node: process.execPath });
  if (status !== 0) throw new Error(`${file} failed\n${output}`);
}
