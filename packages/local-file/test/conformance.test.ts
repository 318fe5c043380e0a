import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { inspect } from "node:util";
import { cmkCases, type CmkHarness } from "@env/conformance";
import type { CmkDriver } from "@env/core/driver";
import { createKeystore, openKeystore } from "@env/kms";
import { describe, it } from "vitest";
import { localFileDriver, type LocalFileClient } from "../src/index.ts";

const USER = "arn:aws:iam::000000000000:user/app";
const policies = [
  {
    name: "use",
    text: JSON.stringify({
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Action: "kms:*", Resource: "*" }],
    }),
  },
];

const harness: CmkHarness = {
  async open() {
    const folder = mkdtempSync(join(tmpdir(), "local-file-"));
    const path = join(folder, "test.kms");
    const root = { keyFile: `${path}.key` };
    const keystore = await createKeystore(path, { root });
    // One call, and then none for hours.
    const quotas = { CryptographicSymmetric: 1e-6, DescribeKey: 1e-6 };
    const slow = await openKeystore(path, { root, quotas });
    const impatient = await openKeystore(path, { root, busyTimeout: 30 });
    let locking: DatabaseSync | undefined;
    await keystore.iam.put({ arn: USER, policies });
    const owner = keystore.as();
    let client: LocalFileClient = keystore.as(USER);
    const current: LocalFileClient = {
      generateDataKey: (request) => client.generateDataKey(request),
      encrypt: (request) => client.encrypt(request),
      decrypt: (request) => client.decrypt(request),
      reEncrypt: (request) => client.reEncrypt(request),
      describeKey: (request) => client.describeKey(request),
    };
    const newKey = async (): Promise<string> => (await owner.createKey()).KeyMetadata.KeyId;
    const driver = (key: string): CmkDriver => localFileDriver({ client: current, key });
    const first = await newKey();
    await owner.createAlias({ AliasName: "alias/first", TargetKeyId: first });
    return {
      first: driver(first),
      second: driver(await newKey()),
      missing: driver("00000000-0000-4000-8000-000000000000"),
      alias: driver("alias/first"),
      rotate: async () => void (await owner.rotateKeyOnDemand({ KeyId: first })),
      disable: () => owner.disableKey({ KeyId: first }),
      deny: async () => void (await keystore.iam.put({ arn: USER })),
      throttle: async () => {
        const throttled = slow.as(USER);
        await throttled.describeKey({ KeyId: first });
        await throttled.generateDataKey({ KeyId: first, KeySpec: "AES_256" });
        client = throttled;
      },
      // Another process holds the file: no call can be recorded, so none is answered.
      unreachable: () => {
        locking = new DatabaseSync(path);
        locking.exec("BEGIN IMMEDIATE");
        client = impatient.as(USER);
      },
      close: () => {
        locking?.close();
        impatient.close();
        slow.close();
        keystore.close();
        rmSync(folder, { recursive: true });
      },
    };
  },
  inspect: (value) => inspect(value, { depth: 10, showHidden: true }),
};

describe("localFileDriver keeps the contract of CmkDriver", () => {
  // Requirements: E13, E15
  it.for(cmkCases(harness))("$name", async (c, { skip }) => {
    skip(c.skip !== undefined, c.skip);
    await c.run();
  });
});
