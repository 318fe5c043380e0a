/**
 * A server that stores uploads encrypted and gives them back, as streams: neither side is ever in
 * memory as a whole, and the plaintext never reaches the disk.
 *
 * @module
 */
import { once } from "node:events";
import { createReadStream, mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { memoryCmk } from "@env/core/testing";
import { Envelope } from "@env/core";
import { decryptStream, encryptStream, writeFileWhole } from "@env/node-stream";

await using envelope = new Envelope({ cmks: [memoryCmk()] });
const context = { purpose: "uploads" };
const folder = mkdtempSync(join(tmpdir(), "env-example-"));
const stored = join(folder, "upload.envelope");

const server = createServer(async (request, response) => {
  try {
    if (request.method === "PUT") {
      // The file appears under its name once the whole upload is on the disk.
      await writeFileWhole(stored, { overwrite: true }, (file) =>
        pipeline(request, encryptStream(envelope, { context }), (message) =>
          file.writeFile(message),
        ),
      );
      response.writeHead(201).end();
    } else {
      await pipeline(createReadStream(stored), decryptStream(envelope, { context }), response);
    }
  } catch (error) {
    // A download that fails half-way is cut off: the client must not take it for complete.
    if (response.headersSent) response.destroy();
    else response.writeHead(500).end();
    console.error(error);
  }
}).listen(0, "127.0.0.1");
await once(server, "listening");

const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
const upload = await fetch(url, { method: "PUT", body: "x".repeat(1_000_000) });
console.log(`upload: ${upload.status}, ${statSync(stored).size} bytes on the disk`);
const download = await (await fetch(url)).text();
console.log(`download: ${download.length} bytes`);
server.close();
rmSync(folder, { recursive: true });
