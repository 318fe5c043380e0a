import { chmodSync, copyFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { text } from "node:stream/consumers";
import { Envelope } from "@env/core";
import { openKeystore, type Keystore } from "@env/kms";
import { localFile } from "@env/local-file";
import { decryptFile } from "@env/node-stream";
import { tempFolder } from "@env/testkit/folder";
import { describe, expect, it } from "vitest";
import {
  aad,
  ALIAS,
  columnsOf,
  context,
  keep,
  kept,
  objectName,
  objects,
  person,
  RELEASED,
  type PathOf,
} from "../../release/keep.ts";
import { root } from "../../workspace.ts";

const versions = readdirSync(join(root, RELEASED));

/** Copies the files of a release, since even reading a keystore can change it. */
function copyOf(version: string): PathOf {
  const folder = tempFolder();
  for (const file of Object.values(kept)) {
    copyFileSync(join(root, RELEASED, version, file), join(folder, file));
    chmodSync(join(folder, file), 0o600);
  }
  return (name) => join(folder, kept[name]);
}

async function open(path: PathOf): Promise<Keystore> {
  return openKeystore(path("keystore"), { root: { keyFile: path("rootKey") } });
}

/** As the principal with a grant. */
function envelopeOf(keystore: Keystore): Envelope {
  return new Envelope({ cmks: [localFile({ client: keystore.as("user/alice"), key: ALIAS })] });
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
    await using envelope = envelopeOf(keystore);
    const output = join(tempFolder(), "report.txt");
    await decryptFile(envelope, path("message"), output, { context, aad });
    const plaintext = readFileSync(path("plaintext"), "utf8");
    expect(readFileSync(output, "utf8")).toBe(plaintext);
    const message = readFileSync(path("text"), "utf8");
    expect(await envelope.decryptText(message, { context, aad })).toBe(plaintext);
    const { message: rewrapped } = await envelope.rewrap(message, { context });
    expect(await envelope.decryptText(rewrapped, { context, aad })).toBe(plaintext);
  });

  it("is an object of S3 that opens, as a presigned URL answers it", async () => {
    const path = copyOf(version);
    using keystore = await open(path);
    await using envelope = envelopeOf(keystore);
    const metadata = JSON.parse(readFileSync(path("objectMetadata"), "utf8")) as object;
    const headers = Object.entries(metadata).map(([name, value]): [string, string] => [
      `x-amz-meta-${name}`,
      String(value),
    ]);
    const response = new Response(readFileSync(path("object")), { headers });
    const opened = await text(objects(envelope).fromResponse(response, objectName));
    expect(opened).toBe(readFileSync(path("plaintext"), "utf8"));
  });

  it("is a database whose row is found by its index, and opens", async () => {
    const path = copyOf(version);
    using keystore = await open(path);
    await using envelope = envelopeOf(keystore);
    using database = new DatabaseSync(path("database"));
    const users = columnsOf(database, envelope).table("users");
    const [hash] = await users.find("email", "ada@example.com");
    const found = database.prepare("SELECT * FROM users WHERE email_index = ?").all(hash ?? null);
    expect(await users.openAll(found)).toMatchObject([person]);
  });
});

it("keeps what this version writes", async () => {
  const folder = join(tempFolder(), "kept");
  await keep(folder);
  expect(readdirSync(folder).toSorted()).toEqual(Object.values(kept).toSorted());
});
