/**
 * An encrypted file of 8 GiB, for the figures whose cost must not depend on size. Marks of random
 * bytes stand in a sparse source, so that what is read from the middle can be compared.
 *
 * It lies on a disk where there is room, since a file system in memory has no cost of `fsync`.
 *
 * @module
 */
import { randomBytes, randomInt } from "node:crypto";
import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { encryptFile } from "@env/node-stream";
import type { Envelope } from "@env/core";
import { CONTEXT, folderFor, GIB, MIB, type Bench, type Folder } from "./bench.ts";

export interface Mark {
  /** Offset in the plaintext, in bytes. */
  readonly position: number;
  readonly bytes: Buffer;
}

export interface Giant {
  readonly path: string;
  readonly folder: Folder;
  readonly marks: readonly Mark[];
}

/** GiB of plaintext. */
export function giantSize({ quick }: Bench): number {
  return quick ? 1 : 8;
}

/** `undefined` where it has no room. Its folder is the caller's to remove. */
export async function makeGiant(bench: Bench, envelope: Envelope): Promise<Giant | undefined> {
  const size = giantSize(bench) * GIB;
  const folder = folderFor(size * 1.01, "disk");
  if (folder === undefined) return undefined;
  bench.show(`encrypting ${giantSize(bench)} GiB on ${folder.place}`);
  const source = join(folder.path, "source");
  const path = join(folder.path, "message");
  // One in each part, so that none overlap; no position is a chunk's.
  const parts = 32;
  const marks = Array.from({ length: parts }, (_, i) => ({
    position: Math.floor((size / parts) * i) + randomInt(size / parts - 2 * MIB),
    bytes: randomBytes(MIB),
  }));
  const fd = openSync(source, "w");
  ftruncateSync(fd, size);
  for (const { position, bytes } of marks) {
    for (let at = 0; at < MIB;) at += writeSync(fd, bytes, at, MIB - at, position + at);
  }
  closeSync(fd);
  await encryptFile(envelope, source, path, CONTEXT);
  rmSync(source);
  return { path, folder, marks };
}
