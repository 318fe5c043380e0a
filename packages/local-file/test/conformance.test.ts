import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { cmkCases, type CmkHarness } from "@env/conformance";
import type { CmkDriver } from "@env/core";
import { createKeystore, authorizeAccountRoot } from "@env/kms";
import { describe, it } from "vitest";
import { localFileDriver } from "../src/index.ts";

const harness: CmkHarness = {
  async open() {
    const folder = mkdtempSync(join(tmpdir(), "local-file-"));
    const path = join(folder, "test.kms");
    let denied = false;
    const keystore = await createKeystore(path, {
      root: { keyFile: `${path}.key` },
      authorize: (request) =>
        denied
          ? { allowed: false, reason: "because it was withdrawn" }
          : authorizeAccountRoot(request),
    });
    const client = keystore.as();
    const newKey = async (): Promise<string> => (await client.createKey()).KeyMetadata.KeyId;
    const driver = (key: string): CmkDriver => localFileDriver({ client, key });
    const first = await newKey();
    await client.createAlias({ AliasName: "alias/first", TargetKeyId: first });
    return {
      first: driver(first),
      second: driver(await newKey()),
      missing: driver("00000000-0000-4000-8000-000000000000"),
      alias: driver("alias/first"),
      rotate: async () => void (await client.rotateKeyOnDemand({ KeyId: first })),
      disable: () => client.disableKey({ KeyId: first }),
      deny: () => {
        denied = true;
      },
      close: () => {
        keystore.close();
        rmSync(folder, { recursive: true });
      },
    };
  },
  inspect: (value) => inspect(value, { depth: 10, showHidden: true }),
  skips: {
    throttle: "a keystore file has no rate limit",
    unreachable:
      "reading a keystore waits for nobody; driver.test.ts has the one exception, a lock",
  },
};

describe("localFileDriver keeps the contract of CmkDriver", () => {
  it.for(cmkCases(harness))("$name", async (c, { skip }) => {
    skip(c.skip !== undefined, c.skip);
    await c.run();
  });
});
