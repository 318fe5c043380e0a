/** From one KMS to another by rewrap alone: the header changes, and not a byte of the payload. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Envelope, inspect } from "@env/core";
import { decryptFile, encryptFile, rewrapFile, verifyFile } from "@env/node-stream";
import { tempFolder } from "@env/testkit/folder";
import { describe, expect, it } from "vitest";
import { refusal } from "./support/refusal.ts";
import {
  startAws,
  startClouds,
  startGcp,
  startLocal,
  startVault,
  watchCalls,
  type Backend,
} from "./support/backends.ts";

const context = { tenant: "acme" };
const aad = { table: "cards", column: "pan", id: "42" };
const plaintext = new TextEncoder().encode("4111 1111 1111 1111");

const kinds: Readonly<Record<string, () => Promise<Backend>>> = {
  "AWS KMS": startAws,
  "Cloud KMS": startGcp,
  "Transit, derived": startVault,
  "Transit, aad": () => startVault("aad"),
  "a local keystore": startLocal,
};
const provider = (kind: string): string => kind.split(",")[0] ?? kind;
const moves = Object.keys(kinds).flatMap((from) =>
  Object.keys(kinds)
    .filter((to) => provider(to) !== provider(from))
    .map((to) => ({ from, to })),
);

async function started(kind: string): Promise<Backend> {
  return (kinds[kind] ?? expect.fail(`no such KMS: ${kind}`))();
}

const headerOf = (message: Uint8Array): Uint8Array =>
  message.subarray(0, inspect(message).headerBytes);
const payloadOf = (message: Uint8Array): Uint8Array =>
  message.subarray(inspect(message).headerBytes);

describe.each(moves)("from $from to $to", ({ from, to }) => {
  it("moves messages, and leaves a KMS that nobody needs", async () => {
    const [old, next] = await Promise.all([started(from), started(to)]);
    const [oldCmk, nextCmk] = [old.open(), next.open()];
    const before = new Envelope({ cmks: [oldCmk] });
    const message = await before.encrypt(plaintext, { context, aad });
    const text = await before.encryptText("jane@example.org", { context, aad });

    const { calls, observer } = watchCalls();
    const mover = new Envelope({ cmks: [nextCmk], observer });
    const moved = await mover.rewrap(message, { context, from: [oldCmk] });
    expect(moved).toMatchObject({ changed: true, plaintextSeen: true });
    expect(moved.entries).toMatchObject([
      { provider: old.provider, keyId: old.label, action: "removed" },
      { provider: next.provider, keyId: next.label, action: "added" },
    ]);
    expect(calls).toEqual([
      `${old.provider} unwrap ok`,
      `${next.provider} wrap ok`,
      `${next.provider} unwrap ok`,
    ]);
    expect(inspect(moved.message).entries).toMatchObject([
      { provider: next.provider, keyId: next.label },
    ]);
    expect(payloadOf(moved.message)).toEqual(payloadOf(message));
    expect(headerOf(moved.message)).not.toEqual(headerOf(message));
    const movedText = await mover.rewrap(text, { context, from: [oldCmk] });
    expect(movedText.message).toMatch(/^env1\./);
    expect(await refusal(before.decrypt(moved.message, { context, aad }))).toMatchObject({
      code: "ERR_ENVELOPE_NO_KEY",
    });

    await old.retire();
    expect(await refusal(before.decrypt(message, { context, aad }))).toMatchObject({
      code: "ERR_ENVELOPE_KEY_UNUSABLE",
      attempts: [
        {
          provider: old.provider,
          keyId: old.label,
          code: expect.stringMatching(/^ERR_ENVELOPE_KMS_KEY_(?:STATE|NOT_FOUND)$/),
        },
      ],
    });
    await oldCmk.close();
    const after = new Envelope({ cmks: [nextCmk] });
    expect(await after.decrypt(moved.message, { context, aad })).toEqual(plaintext);
    expect(await after.decryptText(movedText.message, { context, aad })).toBe("jane@example.org");
    for (const wrong of [
      { context: { tenant: "evil" }, aad },
      { context, aad: { ...aad, id: "43" } },
    ]) {
      expect(await refusal(after.decrypt(moved.message, wrong))).toMatchObject({
        code: "ERR_ENVELOPE_DECRYPT",
      });
    }
    const again = await after.rewrap(moved.message, { context });
    expect(payloadOf(again.message)).toEqual(payloadOf(message));
  });

  it("moves files in place", async () => {
    const [old, next] = await Promise.all([started(from), started(to)]);
    const [oldCmk, nextCmk] = [old.open(), next.open()];
    const folder = tempFolder();
    const clear = join(folder, "clear");
    const secret = join(folder, "secret.envelope");
    const back = join(folder, "back");
    const content = Buffer.alloc(50_000, "0123456789");
    writeFileSync(clear, content);
    await encryptFile(new Envelope({ cmks: [oldCmk] }), clear, secret, { context });
    const message = readFileSync(secret);

    const after = new Envelope({ cmks: [nextCmk] });
    const planned = await rewrapFile(after, secret, { context, from: [oldCmk], dryRun: true });
    expect(planned).toMatchObject({ changed: true, method: "in-place", bytesWritten: 0 });
    expect(readFileSync(secret)).toEqual(message);
    const done = await rewrapFile(after, secret, { context, from: [oldCmk] });
    expect(done).toMatchObject({ changed: true, plaintextSeen: true, method: "in-place" });
    const moved = readFileSync(secret);
    expect(moved.length).toBe(message.length);
    expect(payloadOf(moved)).toEqual(payloadOf(message));
    expect(inspect(moved).entries).toMatchObject([{ provider: next.provider, keyId: next.label }]);

    await old.retire();
    await oldCmk.close();
    await verifyFile(after, secret, { context });
    await decryptFile(after, secret, back, { context });
    expect(readFileSync(back)).toEqual(content);
  });
});

it("moves without a moment in which a reader of old or of new cannot read", async () => {
  const [old, next] = await Promise.all([startAws(), startGcp()]);
  const [oldCmk, nextCmk] = [old.open(), next.open()];
  const first = await new Envelope({ cmks: [oldCmk] }).encrypt(plaintext, { context });
  const opens = async (message: Uint8Array): Promise<readonly boolean[]> =>
    Promise.all(
      [oldCmk, nextCmk].map((cmk) =>
        new Envelope({ cmks: [cmk] }).decrypt(message, { context }).then(
          () => true,
          () => false,
        ),
      ),
    );
  expect(await opens(first)).toEqual([true, false]);

  const both = new Envelope({ cmks: [oldCmk, nextCmk] });
  const wider = await both.rewrap(first, { context });
  expect(await opens(wider.message)).toEqual([true, true]);
  expect(await opens(await both.encrypt(plaintext, { context }))).toEqual([true, true]);

  const narrower = await new Envelope({ cmks: [nextCmk] }).rewrap(wider.message, {
    context,
    from: [oldCmk],
  });
  expect(await opens(narrower.message)).toEqual([false, true]);
  for (const { message } of [wider, narrower]) {
    expect(payloadOf(message)).toEqual(payloadOf(first));
  }
});

it("leaves a cloud that is gone already, by an entry of another", async () => {
  const [aws, gcp, vault] = await startClouds();
  const [gone, left, next] = [aws.open(), gcp.open(), vault.open()];
  const message = await new Envelope({ cmks: [gone, left] }).encrypt(plaintext, { context });
  await aws.stop();
  const { calls, observer } = watchCalls();
  const mover = new Envelope({ cmks: [left, next], observer });
  const moved = await mover.rewrap(message, { context, from: [gone] });
  expect(moved.entries).toMatchObject([
    { provider: "gcp-kms", action: "current" },
    { provider: "aws-kms", action: "removed" },
    { provider: "vault-transit", action: "added" },
  ]);
  expect(calls.filter((call) => call.startsWith("aws-kms"))).toEqual([]);
  const reader = new Envelope({ cmks: [next] });
  expect(await reader.decrypt(moved.message, { context })).toEqual(plaintext);
});

it("refuses to move between two Vaults whose keys have one name", async () => {
  const [old, next] = await Promise.all([startVault(), startVault()]);
  const oldCmk = old.open();
  const message = await new Envelope({ cmks: [oldCmk] }).encrypt(plaintext, { context });
  const mover = new Envelope({ cmks: [next.open()] });
  expect(await refusal(mover.rewrap(message, { context, from: [oldCmk] }))).toMatchObject({
    code: "ERR_ENVELOPE_KMS_REJECTED",
    attempts: [{ provider: "vault-transit", keyId: "transit/orders" }],
  });
});

it("does not leave a cloud that is out of order where no other has the data key", async () => {
  const [aws, gcp] = await Promise.all([startAws(), startGcp()]);
  const [old, next] = [aws.open(), gcp.open()];
  const message = await new Envelope({ cmks: [old] }).encrypt(plaintext, { context });
  aws.fail("unavailable");
  const mover = new Envelope({ cmks: [next] });
  expect(await refusal(mover.rewrap(message, { context, from: [old] }))).toMatchObject({
    code: "ERR_ENVELOPE_KMS_UNAVAILABLE",
    attempts: [{ provider: "aws-kms", keyId: aws.label, code: "ERR_ENVELOPE_KMS_UNAVAILABLE" }],
  });
  // Nothing was wrapped for a message that is not to be.
  expect(gcp.requests()).toBe(0);
});
