/**
 * Measures 1 GiB from file to file against `age`, both ways.
 *
 * The mistakes it avoids: a disk (files lie in shared memory where there is one), a target that is
 * overwritten for one side and new for the other (each turn removes what it wrote), and key derivation from
 * a passphrase (age gets an X25519 recipient). age's start is within its time: some milliseconds.
 *
 * @module
 */
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { decryptFile, encryptFile } from "@env/node-stream";
import {
  CONTEXT,
  Data,
  digestOf,
  folderFor,
  MIB,
  openEnvelope,
  requireSame,
  seconds,
  type Figure,
  type Folder,
} from "../bench.ts";
import { INSTALL_AGE, programVersion, runProgram } from "../peers.ts";
import type { Row } from "../row.ts";
import { NATIVE, rowsOf, SideProcesses, useNative, type Measures, type Sides } from "../sides.ts";

const OURS = "env";
const AGE = "age";

const atLeast = {
  [OURS]: { [AGE]: 1.5 },
  [NATIVE]: { [AGE]: 3, [OURS]: undefined },
} as const;

export const files: Figure = {
  name: "files",
  async run(bench) {
    const figure = `file to file, ${bytesOf(bench.quick) / MIB} MiB`;
    const folder = folderOf(bench.quick);
    if (folder === undefined) {
      const note = "no folder has room for two files of this size";
      return [{ kind: "limit", figure, unit: "MiB/s", ours: undefined, note }];
    }
    folder.remove(); // Each side makes one like it.
    const sides = await SideProcesses.start(bench, "files", Object.keys(fileSides));
    try {
      const rows: Row[] = [];
      const note = `files on ${folder.place}`;
      for (const direction of ["encrypt", "decrypt"]) {
        const values = await sides.takeTurns(bench, direction);
        const compared = rowsOf(`${figure}, ${direction}`, "MiB/s", atLeast, values, INSTALL_AGE);
        for (const row of compared) rows.push({ note, ...row });
      }
      return rows;
    } finally {
      sides.end();
    }
  },
};

export const fileSides: Sides = {
  [OURS]: (quick) => measured(quick, ourFiles),
  [NATIVE]: async (quick) => ((await useNative()) ? measured(quick, ourFiles) : undefined),
  [AGE]: (quick) =>
    programVersion("age", "--version") === undefined ? undefined : measured(quick, ageFiles),
};

/** What makes one file of another. */
interface Files {
  readonly encrypt: (source: string, target: string) => unknown;
  readonly decrypt: (source: string, target: string) => unknown;
}

function bytesOf(quick: boolean): number {
  return (quick ? 256 : 1024) * MIB;
}

/** A folder for a source and a target. */
function folderOf(quick: boolean): Folder | undefined {
  return folderFor(2 * bytesOf(quick));
}

function measured(quick: boolean, open: (folder: string) => Files): Measures | undefined {
  const folder = folderOf(quick);
  if (folder === undefined) return undefined;
  const bytes = bytesOf(quick);
  const data = new Data(bytes);
  const path = (name: string): string => join(folder.path, name);
  const remove = (...names: string[]): void => {
    for (const name of names) rmSync(path(name), { force: true });
  };
  const { encrypt, decrypt } = open(folder.path);
  const encryptAnew = async (): Promise<number> => {
    data.renew();
    data.writeTo(path("plain"));
    const took = await seconds(() => encrypt(path("plain"), path("message")));
    remove("plain");
    return bytes / MIB / took;
  };
  let isProven = false;
  return {
    async encrypt() {
      const rate = await encryptAnew();
      remove("message");
      return rate;
    },
    async decrypt() {
      await encryptAnew();
      const took = await seconds(() => decrypt(path("message"), path("again")));
      if (!isProven) {
        requireSame("what was decrypted", digestOf([readFileSync(path("again"))]), data.digest());
      }
      isProven = true;
      remove("message", "again");
      return bytes / MIB / took;
    },
  };
}

function ourFiles(): Files {
  const { envelope } = openEnvelope();
  return {
    encrypt: (source, target) => encryptFile(envelope, source, target, CONTEXT),
    decrypt: (source, target) => decryptFile(envelope, source, target, CONTEXT),
  };
}

/** The program, with a key of its own. */
function ageFiles(folder: string): Files {
  const key = join(folder, "key");
  runProgram("age-keygen", "-o", key);
  const recipient = runProgram("age-keygen", "-y", key).trim();
  return {
    encrypt: (source, target) => runProgram("age", "-r", recipient, "-o", target, source),
    decrypt: (source, target) => runProgram("age", "-d", "-i", key, "-o", target, source),
  };
}
