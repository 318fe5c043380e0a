/**
 * The programs of the documents, run as their readers run them: in a project that has installed the
 * packages.
 *
 * @module
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { needsServer, shellScript } from "../documented-code.ts";
import { fencesOf, type Fence } from "../markdown.ts";
import { findFiles, readPackages, readText } from "../workspace.ts";
import type { Consumer } from "./consumer.ts";

export interface Document {
  readonly file: string;
  /** What is marked `ts run` and `sh run`, in order: the later may need what the former wrote. */
  readonly programs: readonly Fence[];
}

/** The documents for users that have programs to run, and need no server for it. */
export function runnableDocuments(): Document[] {
  return findFiles("*.md", "docs/**/*.md", ...readPackages().map(({ dir }) => `${dir}/*.md`))
    .map((file) => ({ file, markdown: readText(file) }))
    .filter(({ markdown }) => !needsServer(markdown))
    .map(({ file, markdown }) => ({
      file,
      programs: fencesOf(markdown).filter(({ info }) => /^(ts|sh) run$/.test(info)),
    }))
    .filter(({ programs }) => programs.length > 0);
}

/** Runs the programs of each document in a folder of its own. Gives what failed, one paragraph each. */
export function brokenPrograms(
  consumer: Consumer,
  documents: readonly Document[],
  node: string,
): string[] {
  return documents.flatMap((document) => {
    const folder = join(consumer.folder, "program");
    mkdirSync(folder);
    try {
      return brokenDocument(consumer, document, node, folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

function brokenDocument(
  consumer: Consumer,
  { file, programs }: Document,
  node: string,
  cwd: string,
): string[] {
  for (const { info, line, code } of programs) {
    const name = `program/${line}.ts`;
    const { status, output } =
      info === "ts run"
        ? consumer.run(node, [consumer.write(name, code)], { node, cwd })
        : consumer.run("sh", ["-ec", shellScript(code, "envelope")], { node, cwd });
    if (status !== 0) return [`${file}:${line} failed\n${output}`];
  }
  return [];
}
