/** Several real processes over one file: nothing is lost, and nothing that was acknowledged. */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { expect, it } from "vitest";
import { openKeystore } from "../src/index.ts";
import { newKey, tempKeystore } from "./support/keystore.ts";

const writer = join(import.meta.dirname, "support/writer.ts");

/** A writer prints one line per change, once it was acknowledged. */
function start(...args: string[]): ChildProcessByStdio<null, Readable, null> {
  return spawn(process.execPath, ["--conditions=@env/source", writer, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

async function linesOf(child: ChildProcessByStdio<null, Readable, null>): Promise<string[]> {
  const lines: string[] = [];
  createInterface(child.stdout).on("line", (line) => lines.push(line));
  await once(child, "close");
  return lines;
}

it("two writers of 100 changes each lose none", { timeout: 60_000 }, async () => {
  const { path, client, root } = await tempKeystore();
  const shared = await newKey(client);
  const args = [path, root.keyFile, shared];
  const children = [start(...args, "a", "100"), start(...args, "b", "100")];
  const lines = (await Promise.all(children.map(linesOf))).flat();
  expect(children.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
  expect(lines).toHaveLength(200);

  const made = lines.filter((line) => line.startsWith("key ")).map((line) => line.slice(4));
  const aliases = lines.filter((line) => line.startsWith("alias ")).map((line) => line.slice(6));
  const rotations = lines.filter((line) => line === "rotation").length;
  const { Keys } = await client.listKeys({ Limit: 1000 });
  expect(new Set(Keys.map(({ KeyId }) => KeyId))).toEqual(new Set([shared, ...made]));
  const listed = await client.listAliases({ KeyId: shared, Limit: 100 });
  expect(listed.Aliases.map(({ AliasName }) => AliasName)).toEqual(aliases.toSorted());
  expect((await client.listKeyRotations({ KeyId: shared })).Rotations).toHaveLength(rotations);
  expect([aliases.length, rotations]).toEqual([40, 20]);
});

it("a writer that is killed has lost nothing it acknowledged", { timeout: 60_000 }, async () => {
  const { path, client, root } = await tempKeystore();
  const shared = await newKey(client);
  const acknowledged = new Set<string>();
  for (const delay of [0, 7, 20, 45]) {
    const child = start(path, root.keyFile, shared, "k", "100000", "keys");
    const lines = linesOf(child);
    await once(child.stdout, "data");
    await new Promise((resolve) => setTimeout(resolve, delay));
    child.kill("SIGKILL");
    // The last line may be cut off; it was not acknowledged to anybody then.
    for (const line of await lines) {
      if (/^key [0-9a-f-]{36}$/.test(line)) acknowledged.add(line.slice(4));
    }
    using keystore = await openKeystore(path, { root });
    const survivor = keystore.as();
    for (const KeyId of acknowledged) {
      const { CiphertextBlob } = await survivor.encrypt({ KeyId, Plaintext: Uint8Array.of(1) });
      await survivor.decrypt({ KeyId, CiphertextBlob });
    }
    await newKey(survivor);
  }
  expect(acknowledged.size).toBeGreaterThan(4);
});
