/**
 * A file of 64 MiB: encrypted whole, read in parts, and verified without writing a plaintext.
 *
 * @module
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryCmk } from "@env/core/testing";
import { Envelope } from "@env/core";
import { decryptFile, encryptFile, openEncrypted, verifyFile } from "@env/node-stream";

const folder = mkdtempSync(join(tmpdir(), "env-example-"));
const source = join(folder, "log.txt");
const message = `${source}.envelope`;
const line = (number: number): string => `line ${String(number).padStart(10)}\n`;
writeFileSync(source, Array.from({ length: 2 ** 22 }, (_, number) => line(number)).join(""));

await using envelope = new Envelope({ cmks: [memoryCmk()] });
const context = { purpose: "logs" };
try {
  // Segments are encrypted in parallel. The target appears whole or not at all.
  await encryptFile(envelope, source, message, { context });

  // A range costs two reads and one call to the KMS, however long the file is.
  await using reader = await openEncrypted(envelope, message, { context });
  const start = line(0).length * 3_000_000;
  const part = await reader.read(start, start + line(0).length);
  console.log(`at byte ${start}: ${Buffer.from(part).toString().trimEnd()}`);
  for await (const piece of reader.createReadStream({ start: (await reader.size()) - 16 })) {
    console.log(`the end: ${String(piece).trimEnd()}`);
  }

  const { plaintextBytes } = await verifyFile(envelope, message, { context });
  console.log(`verified: ${plaintextBytes} bytes`);
  await decryptFile(envelope, message, join(folder, "copy.txt"), { context });
} finally {
  rmSync(folder, { recursive: true });
}
