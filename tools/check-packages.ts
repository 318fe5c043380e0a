/**
 * The mistake it stops: packages that pass every test and do not start. Tests run sources; users run
 * what was built and packed. So this packs every package, installs the tarballs with npm in an empty
 * folder, and does there what users do: import and require every entry, compile a program against
 * the types, bundle one for browsers, run the `envelope` command and the programs of the READMEs.
 *
 *     nx packages                                    builds them first, if need be
 *     node tools/check-packages.ts --registry URL    what is published there, in the versions of this clone,
 *                                                    installed with npm and with pnpm
 *
 * It needs npm and the registry. On Linux it brings the Node versions below along; elsewhere only
 * the running one is tried.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { NODE_VERSIONS } from "./check-manifests.ts";
import { command, report } from "./command.ts";
import { costOf, overBudget } from "./packages/budgets.ts";
import { BUNDLE_COUNT, brokenBundles, ROLLDOWN } from "./packages/bundles.ts";
import { brokenCommand } from "./packages/command.ts";
import { Consumer } from "./packages/consumer.ts";
import { wrongContents } from "./packages/contents.ts";
import { brokenStarts, entriesOf } from "./packages/entries.ts";
import { installedVersion, readManifest, versionsOfPeers } from "./packages/manifests.ts";
import { brokenPrograms, runnableDocuments } from "./packages/programs.ts";
import { exchangeMessages, OTHER_RUNTIMES } from "./packages/runtimes.ts";
import { brokenTypes, OLDER_TYPESCRIPTS } from "./packages/types.ts";
import { NATIVE, packBuiltAddon } from "./native/addon.ts";
import { packPackages, type Tarball } from "./tarballs.ts";
import { root } from "./workspace.ts";

/** Tried besides the oldest of each release line that the packages allow. */
const NEWEST_NODE = "26.12.1";

/** The versions of Node to try: the lower bound of each `^` range, and the newest. */
export function nodeVersions(engines: string): string[] {
  return [...engines.matchAll(/\^(\d+\.\d+\.\d+)/g)]
    .map(([, version = ""]) => version)
    .concat(NEWEST_NODE);
}

await command(import.meta, async (args) => {
  const { values } = parseArgs({ args: [...args], options: { registry: { type: "string" } } });
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "env-packages-")));
  try {
    const found = await check(folder, values.registry);
    return report("check-packages", found, "the packages work where they are installed");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

async function check(folder: string, registry: string | undefined): Promise<string[]> {
  const started = performance.now();
  const say = (text: string): void => {
    const seconds = Math.round((performance.now() - started) / 1000);
    console.log(`${String(seconds).padStart(4)} s  ${text}`);
  };
  const tarballs = packPackages(join(folder, "tarballs"));
  say(`packed ${tarballs.length} packages; looking at what is in them`);
  const found = tarballs.flatMap((tarball) => wrongTarball(tarball));
  const manifests = tarballs.map(readManifest);
  const published = manifests.map(({ name, version = "" }) => [name, version] as const);
  const packed = tarballs.map(({ name, path }) => [name, `file:${path}`] as const);
  const addon = packBuiltAddon(join(folder, "addon"));
  if (addon === undefined) say("@env/native is installed and not started: no addon is built");
  const packages = {
    ...Object.fromEntries(registry === undefined ? packed : published),
    ...versionsOfPeers(manifests),
    ...addon,
  };

  say("installing them with npm in an empty folder");
  const consumer = new Consumer(join(folder, "consumer"), registry);
  consumer.install({
    ...packages,
    "@types/node": installedVersion("@types/node", "."),
    typescript: installedVersion("typescript", "."),
    esbuild: installedVersion("esbuild", "tools"),
    vite: installedVersion("vite", "packages/console"),
    rolldown: ROLLDOWN,
  });

  const runtimes = new Consumer(join(folder, "runtimes"));
  say("installing the versions of Node, other runtimes and older TypeScripts");
  const nodes = installRuntimes(runtimes);

  const entries = manifests
    .filter(({ name }) => name !== NATIVE || addon !== undefined)
    .flatMap(entriesOf);
  const costly = tarballs.flatMap((tarball) => {
    const entry = entries.find((one) => one === tarball.name);
    return overBudget(tarball.name, costOf(tarball, entry, consumer));
  });
  found.push(...costly);
  say(`sizes, and what importing each package loads: ${verdict(costly)}`);
  const documents = runnableDocuments();
  for (const [version, node] of nodes) {
    const failures = [
      ...brokenStarts(consumer, entries, node),
      ...brokenCommand(consumer, node),
      ...brokenPrograms(consumer, documents, node),
    ];
    found.push(...failures.map((failure) => `Node ${version}: ${failure}`));
    say(
      `Node ${version}: ${entries.length} entries imported and required, ` +
        `the envelope command, the programs of ${documents.length} documents: ${verdict(failures)}`,
    );
  }
  const compilers = {
    [installedVersion("typescript", ".")]: consumer.installed("typescript"),
    ...Object.fromEntries(
      OLDER_TYPESCRIPTS.map((version) => [version, runtimes.installed(`typescript-${version}`)]),
    ),
  };
  for (const [version, compiler] of Object.entries(compilers)) {
    const failures = brokenTypes(consumer, compiler, entries, documents);
    found.push(...failures.map((failure) => `TypeScript ${version}: ${failure}`));
    say(`TypeScript ${version}: a strict consumer of all entries: ${verdict(failures)}`);
  }
  const broken = brokenBundles(consumer, process.execPath);
  found.push(...broken);
  say(`${BUNDLE_COUNT} bundles of an application, run without Node's names: ${verdict(broken)}`);
  const bin = (name: string): string => runtimes.installed(`.bin/${name}`);
  const matrix = await exchangeMessages(consumer, {
    ...Object.fromEntries([...nodes].map(([version, node]) => [`Node ${version}`, [node]])),
    [`Deno ${OTHER_RUNTIMES.deno}`]: [bin("deno"), "run", "--allow-read"],
    [`Bun ${OTHER_RUNTIMES.bun}`]: [bin("bun")],
  });
  found.push(...matrix.found);
  say(`messages of each runtime (columns), opened by each (rows):\n\n${matrix.text}\n`);
  if (registry === undefined) return found;

  say("installing them with pnpm in another empty folder");
  const other = new Consumer(join(folder, "pnpm"), registry);
  other.install(packages, { packageManager: "pnpm" });
  const failures = [
    ...brokenStarts(other, entries, process.execPath),
    ...brokenCommand(other, process.execPath),
  ];
  found.push(...failures.map((failure) => `pnpm: ${failure}`));
  say(`pnpm: the entries and the envelope command: ${verdict(failures)}`);
  return found;
}

function verdict(failures: readonly string[]): string {
  return failures.length === 0 ? "good" : `${failures.length} FAILED`;
}

/** What is wrong in a tarball, by our own rules and by those of publint and attw. */
function wrongTarball(tarball: Tarball): string[] {
  const tools = {
    publint: ["--strict", tarball.path],
    attw: [tarball.path, "--profile", "esm-only"],
  };
  const opinions = Object.entries(tools).flatMap(([tool, args]) => {
    const { status, stdout, stderr } = spawnSync(join(root, "node_modules/.bin", tool), args, {
      encoding: "utf8",
    });
    return status === 0 ? [] : [`${tarball.name}: ${tool} refuses it\n${stdout}${stderr}`];
  });
  return [...wrongContents(readManifest(tarball), tarball.files), ...opinions];
}

/** Executables of Node by version. Installs other runtimes and the older TypeScripts beside them. */
function installRuntimes(runtimes: Consumer): Map<string, string> {
  const versions = nodeVersions(NODE_VERSIONS);
  const carried = process.platform === "linux" && ["x64", "arm64"].includes(process.arch);
  const aliases = carried ? versions.map((version) => [`node-${version}`, version] as const) : [];
  runtimes.install({
    ...OTHER_RUNTIMES,
    ...Object.fromEntries(
      OLDER_TYPESCRIPTS.map((version) => [`typescript-${version}`, `npm:typescript@${version}`]),
    ),
    ...Object.fromEntries(
      aliases.map(([alias, version]) => [alias, `npm:node-linux-${process.arch}@${version}`]),
    ),
  });
  if (!carried) {
    console.log(
      "there are no other versions of Node for this system: only the running one is tried",
    );
    return new Map([[process.versions.node, process.execPath]]);
  }
  return new Map(
    aliases.map(([alias, version]) => [version, join(runtimes.installed(alias), "bin/node")]),
  );
}
