/** A rewrap that was interrupted: a file with its old header, and the journal of the new one beside it. */
import { writeFile } from "node:fs/promises";
import { Envelope } from "@env/core";
import { encodeJournal, journalPath, type Journal } from "../../src/journal.ts";
import { rotatingCmk } from "./rotating-cmk.ts";

export const context = { tenant: "acme" };
export const plaintext: Uint8Array = new Uint8Array(20_000).map((_, i) => (i >> 8) ^ i);
export const before: Envelope = new Envelope({ cmks: [rotatingCmk("one", 1).cmk] });
export const after: Envelope = new Envelope({ cmks: [rotatingCmk("one", 2).cmk] });

export interface Interrupted {
  readonly journal: Journal;
  /** With the old header, of 512 bytes. */
  readonly message: Uint8Array;
}

export async function interruptedRewrap(path: string): Promise<Interrupted> {
  const message = await before.encrypt(plaintext, { context, headerAlignment: 512 });
  const oldHeader = message.slice(0, 512);
  const { message: newHeader } = await after.rewrap(oldHeader, { context });
  const prefix = message.slice(512, 568);
  const journal: Journal = { fileBytes: message.length, prefix, oldHeader, newHeader };
  await writeFile(path, message);
  await putJournal(path, encodeJournal(journal));
  return { journal, message };
}

/** As this user's own, whatever the umask. */
export async function putJournal(path: string, bytes: Uint8Array | string): Promise<void> {
  await writeFile(journalPath(path), bytes, { mode: 0o600 });
}

export function withHeader(message: Uint8Array, header: Uint8Array): Buffer {
  return Buffer.concat([header, message.subarray(header.length)]);
}
