import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { cryptoCases } from "@env/conformance/crypto";
import { describe, expect, it } from "vitest";
import { isBuilt, native } from "./support/native.ts";

type Bytes = Uint8Array<ArrayBuffer>;

async function openInThread(shared: unknown, sealed: Bytes): Promise<Bytes> {
  const worker = new Worker(new URL("support/adopter.ts", import.meta.url), {
    workerData: { shared, sealed },
    execArgv: ["--conditions=@env/source"],
  });
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what the thread sends
  const [opened] = (await once(worker, "message")) as [Bytes];
  return opened;
}

const cases = isBuilt ? cryptoCases({ backend: native(), openInThread }) : [];

describe.skipIf(!isBuilt)("the contract of crypto backends, on the native one", () => {
  it.for(cases)("$name", async ({ skip, run }) => {
    // It has every optional method.
    expect(skip).toBeUndefined();
    await run();
  });
});
