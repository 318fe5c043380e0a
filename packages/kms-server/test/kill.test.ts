import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { openKeystore } from "@env/kms";
import { tempKeystore } from "../../kms/test/support/keystore.ts";
import { expect, it, onTestFinished } from "vitest";
import { post } from "./support/server.ts";

const RUNS = process.env["SLOW"] === undefined ? 3 : 100;
const CALLERS = 16;

async function serving(path: string): Promise<{ url: string; kill: () => Promise<unknown> }> {
  const program = join(import.meta.dirname, "support/serving-process.ts");
  const child = spawn(process.execPath, ["--conditions=@env/source", program, path]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const { value } = await lines.next();
  return {
    url: String(value),
    kill() {
      const closed = once(child, "close");
      child.kill("SIGKILL");
      return closed;
    },
  };
}

it(`has every call in the log once that it answered before it was killed, ${RUNS} times`, async () => {
  const { path, client, keystore, root } = await tempKeystore();
  const { KeyMetadata } = await client.createKey();
  const { KeyId } = KeyMetadata;
  keystore.close();
  const answered: string[] = [];
  for (let run = 0; run < RUNS; run++) {
    const { url, kill } = await serving(path);
    const enough = answered.length + 10 + run * 7;
    const caller = async (): Promise<void> => {
      for (;;) {
        // One kind only reads, the other one changes the key.
        const response = await (answered.length % 2 === 0
          ? post(url, "GenerateDataKey", { KeyId, KeySpec: "AES_256" })
          : post(url, "UpdateKeyDescription", { KeyId, Description: String(answered.length) }));
        expect(response.status).toBe(200);
        answered.push(response.headers.get("x-amzn-requestid") ?? "");
        if (answered.length === enough) await kill();
      }
    };
    const ended = await Promise.allSettled(Array.from({ length: CALLERS }, caller));
    for (const one of ended) expect(one).toMatchObject({ reason: { message: "fetch failed" } });
  }
  using after = await openKeystore(path, { root });
  expect(await after.verify()).toEqual([]);
  const logged = new Map<string | undefined, number>();
  for await (const { record } of after.audit.query()) {
    logged.set(record.requestID, (logged.get(record.requestID) ?? 0) + 1);
  }
  expect(answered.length).toBeGreaterThan(RUNS * 10);
  expect(new Set(answered).size).toBe(answered.length);
  for (const requestId of answered) expect(logged.get(requestId), requestId).toBe(1);
});
