/**
 * Measures 1 GiB from file to file against `age`, both ways.
 *
 * The mistakes it avoids: a disk (files lie in shared memory where there is one), a target that is
 * overwritten for one side and new for the other (both are removed before), and key derivation from a
 * passphrase (age gets an X25519 recipient). age's start is within its time: some milliseconds.
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
} from "../bench.ts";
import type { Contender } from "../measure.ts";
import { INSTALL_AGE, missing, programVersion, runProgram } from "../peers.ts";
import type { Row } from "../row.ts";

const OURS = "env";
const AGE = "age";

export const files: Figure = {
  name: "files",
  async run(bench) {
    const bytes = (bench.quick ? 256 : 1024) * MIB;
    const size = `${bytes / MIB} MiB`;
    const folder = folderFor(4 * bytes);
    if (folder === undefined) {
      const note = `no folder has ${(4 * bytes) / MIB} MiB free`;
      const figure = `file to file, ${size}`;
      return [{ kind: "limit", figure, unit: "MiB/s", ours: undefined, note }];
    }
    const at = (name: string): string => join(folder.path, name);
    const { envelope } = openEnvelope();
    const data = new Data(bytes);
    const age = programVersion("age", "--version") === undefined ? undefined : new Age(at("key"));
    /** Takes away what was there, times what makes it anew. */
    const rate = async (target: string, work: () => unknown): Promise<number> => {
      rmSync(target, { force: true });
      return bytes / MIB / (await seconds(work));
    };
    const checked = new Set<string>();
    const checkOnce = (name: string, path: string): void => {
      if (checked.has(name)) return;
      checked.add(name);
      requireSame(`what ${name} decrypted`, digestOf([readFileSync(path)]), data.digest());
    };
    const stages = [
      {
        name: "encrypt",
        ours: () => rate(at("env"), () => encryptFile(envelope, at("plain"), at("env"), CONTEXT)),
        age: () => rate(at("age"), () => age?.encrypt(at("plain"), at("age"))),
      },
      {
        name: "decrypt",
        ours: async () => {
          const value = await rate(at("again"), () =>
            decryptFile(envelope, at("env"), at("again"), CONTEXT),
          );
          checkOnce(OURS, at("again"));
          return value;
        },
        age: async () => {
          const value = await rate(at("again"), () => age?.decrypt(at("age"), at("again")));
          checkOnce(AGE, at("again"));
          return value;
        },
      },
    ];

    const rows: Row[] = [];
    try {
      for (const stage of stages) {
        const contenders: Contender[] = [{ name: OURS, measure: stage.ours }];
        if (age !== undefined) contenders.push({ name: AGE, measure: stage.age });
        const values = await bench.takeTurns(contenders, () => {
          // What is decrypted is what was encrypted last.
          if (stage.name === "decrypt") return;
          data.renew();
          data.writeTo(at("plain"));
        });
        const theirs = values.get(AGE);
        rows.push({
          kind: "comparison",
          figure: `file to file, ${size}, ${stage.name}`,
          unit: "MiB/s",
          ours: values.get(OURS) ?? [],
          peer: AGE,
          theirs,
          atLeast: 1.5,
          note: `files on ${folder.place}`,
          ...(theirs === undefined && missing(INSTALL_AGE)),
        });
      }
      return rows;
    } finally {
      folder.remove();
    }
  },
};

/** The program, with a key of its own. */
class Age {
  readonly #key: string;
  readonly #recipient: string;

  constructor(key: string) {
    this.#key = key;
    runProgram("age-keygen", "-o", key);
    this.#recipient = runProgram("age-keygen", "-y", key).trim();
  }

  encrypt(source: string, target: string): void {
    runProgram("age", "-r", this.#recipient, "-o", target, source);
  }

  decrypt(source: string, target: string): void {
    runProgram("age", "-d", "-i", this.#key, "-o", target, source);
  }
}
