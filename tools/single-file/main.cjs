/**
 * The start of the executable that needs no Node: unpacks the command beside the user's other caches, once for each
 * version, and runs it from there. Files are needed because the command starts threads and loads SDKs when they are
 * first used.
 */
const { lstatSync, mkdirSync, renameSync, rmSync, writeFileSync } = require("node:fs");
const { homedir } = require("node:os");
const path = require("node:path");
const { getAsset } = require("node:sea");
const { pathToFileURL } = require("node:url");
const { Script, constants } = require("node:vm");
const { brotliDecompressSync } = require("node:zlib");

const id = getAsset("id", "utf8");
const cache = process.env.XDG_CACHE_HOME || path.join(homedir(), ".cache");
const folder = path.join(cache, "envelope", id);

if (!isOurs(folder)) unpack();
// So that the command finds its own name where a script's path usually is.
process.argv[1] = path.join(folder, "node_modules/@env/cli/dist/bin.js");
start(process.argv[1]);

/** Whether the folder is there: complete, of this user, and nobody else can have changed it. */
function isOurs(place) {
  const stats = lstatSync(place, { throwIfNoEntry: false });
  if (stats === undefined) return false;
  const mine = process.getuid === undefined || stats.uid === process.getuid();
  if (stats.isDirectory() && mine && (stats.mode & 0o022) === 0) return true;
  return fail(`${place} can be changed by other users`, "remove it");
}

function fail(problem, hint) {
  process.stderr.write(`error: ${problem}\nhint: ${hint}\n`);
  return process.exit(1);
}

function unpack() {
  const archive = brotliDecompressSync(Buffer.from(getAsset("archive")));
  const body = 4 + archive.readUInt32BE(0);
  const files = JSON.parse(archive.toString("utf8", 4, body));
  const partial = `${folder}.partial-${process.pid}`;
  try {
    for (const [file, [offset, length]] of Object.entries(files)) {
      const target = path.join(partial, file.replaceAll("/", path.sep));
      mkdirSync(path.dirname(target), { recursive: true, mode: 0o700 });
      writeFileSync(target, archive.subarray(body + offset, body + offset + length));
    }
    renameSync(partial, folder);
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    // Another process was quicker.
    if (["EEXIST", "ENOTEMPTY"].includes(error.code) && isOurs(folder)) return;
    fail(
      `cannot unpack to ${folder}: ${error.message}`,
      "set XDG_CACHE_HOME to a folder that can be written",
    );
  }
}

function start(script) {
  // The import() of an executable's own script only knows Node's modules. This one knows files, and Node warns of it:
  // one warning on the way, which is not the user's business.
  const emitWarning = process.emitWarning.bind(process);
  process.emitWarning = () => undefined;
  const importModuleDynamically = constants.USE_MAIN_CONTEXT_DEFAULT_LOADER;
  const load = new Script("(url) => import(url)", { importModuleDynamically }).runInThisContext();
  const loading = load(pathToFileURL(script).href);
  process.emitWarning = emitWarning;
  return loading;
}
