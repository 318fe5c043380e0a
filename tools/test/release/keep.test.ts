import { chmodSync, copyFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Envelope } from "@env/core";
import { openKeystore, type Keystore } from "@env/kms";
import { localFile } from "@env/local-file";
import { decryptFile } from "@env/node-stream";
import { tempFolder } from "@env/testkit/folder";
import { describe, expect, it } from "vitest";
import { aad, ALIAS, context, keep, kept, RELEASED } from "../../release/keep.ts";
import { root } from "../../workspace.ts";

const versions = readdirSync(join(root, RELEASED));

/** Copies the files of a release, since even reading a keystore can change it. */
function copyOf(version: string): (name: keyof typeof kept) => string {
  const folder = tempFolder();
  for (const file of Object.values(kept)) {
    copyFileSync(join(root, RELEASED, version, file), join(folder, file));
    chmodSync(join(folder, file), 0o600);
  }
  return (name) => join(folder, kept[name]);
}

async function open(path: (name: keyof typeof kept) => string): Promise<Keystore> {
  return openKeystore(path("keystore"), { root: { keyFile: path("rootKey") } });
}

it("has releases to open", () => {
  expect(versions).not.toEqual([]);
});

describe.each(versions)("what version %s wrote", (version) => {
  it("is a keystore that verifies, with its audit log", async () => {
    const path = copyOf(version);
    using keystore = await open(path);
    expect(await keystore.verify()).toEqual([]);
    const { KeyMetadata } = await keystore.as().describeKey({ KeyId: ALIAS });
    expect(KeyMetadata).toMatchObject({ Description: "reports", KeyState: "Enabled" });
    const names: string[] = [];
    for await (const { record } of keystore.audit.query()) names.push(record.eventName);
    expect(names).toEqual(
      expect.arrayContaining(["CreateKey", "RotateKeyOnDemand", "CreateGrant", "GenerateDataKey"]),
    );
  });

  it("is a file and a text that open, for the principal with a grant", async () => {
    const path = copyOf(version);
    using keystore = await open(path);
    const cmk = localFile({ client: keystore.as("user/alice"), key: ALIAS });
    await using envelope = new Envelope({ cmks: [cmk] });
    const output = join(tempFolder(), "report.txt");
    await decryptFile(envelope, path("message"), output, { context, aad });
    const plaintext = readFileSync(path("plaintext"), "utf8");
    expect(readFileSync(output, "utf8")).toBe(plaintext);
    const text = readFileSync(path("text"), "utf8");
    expect(await envelope.decryptText(text, { context, aad })).toBe(plaintext);
    const { message } = await envelope.rewrap(text, { context });
    expect(await envelope.decryptText(message, { context, aad })).toBe(plaintext);
  });
});

it("keeps what this version writes", async () => {
  const folder = join(tempFolder(), "kept");
  await keep(folder);
  expect(readdirSync(folder).toSorted()).toEqual(Object.values(kept).toSorted());
});
