import { describe, expect, it } from "vitest";
import { Cmk, Envelope } from "@env/core";
import { memoryCmk, MemoryKms, MemoryKmsError } from "@env/core/testing";
import { refuses } from "./support/refuses.ts";

const context = { tenant: "acme" };

describe("memoryCmk", () => {
  it("is a CMK of its own each time, with the context bound", async () => {
    const envelope = new Envelope({ cmks: [memoryCmk()] });
    const text = await envelope.encryptText("4111", { context });
    expect(await envelope.decryptText(text, { context })).toBe("4111");
    await refuses("ERR_ENVELOPE_DECRYPT", () => envelope.decryptText(text, { context: {} }));
    const other = new Envelope({ cmks: [memoryCmk()] });
    await refuses("ERR_ENVELOPE_NO_KEY", () => other.decryptText(text, { context }));
  });
});

describe("MemoryKms", () => {
  it("shows each call before it is made, by the id of the key, and fails with what is thrown there", async () => {
    const calls: string[] = [];
    const kms = new MemoryKms({
      provider: "org.example",
      onCall(operation, id) {
        calls.push(`${operation} ${id}`);
        if (operation === "unwrap") throw new MemoryKmsError("ERR_ENVELOPE_KMS_THROTTLED");
      },
    });
    kms.setAlias("alias/app", kms.createKey("one"));
    const cmk = new Cmk(kms.driver("alias/app"));
    const { entry } = await cmk.generateDataKey({ context });
    expect(entry).toMatchObject({ provider: "org.example", keyId: "one" });
    await refuses("ERR_ENVELOPE_KMS_THROTTLED", () => cmk.unwrapDataKey(entry, { context }));
    expect(calls).toEqual(["generate one", "unwrap one"]);
  });

  it("rewraps to the current version, and to the key that an alias was moved to", async () => {
    const kms = new MemoryKms();
    const [old, next] = [kms.createKey(), kms.createKey()];
    kms.setAlias("alias/app", old);
    const cmk = new Cmk(kms.driver("alias/app"), { alsoUnwrap: [old] });
    const { entry, dataKey } = await cmk.generateDataKey({ context });
    kms.setAlias("alias/app", next);
    const moved = await cmk.rewrapEntry(entry, { context });
    expect(moved).toMatchObject({ changed: true, plaintextSeen: false, entry: { keyId: next } });
    using again = await cmk.unwrapDataKey(moved.entry, { context });
    expect(again.equals(dataKey)).toBe(true);
  });

  it("fails with the chosen error until that is changed", async () => {
    const kms = new MemoryKms();
    const id = kms.createKey();
    const cmk = new Cmk(kms.driver(id));
    kms.fail(id, "ERR_ENVELOPE_KMS_ACCESS_DENIED");
    await refuses("ERR_ENVELOPE_KMS_ACCESS_DENIED", () => cmk.generateDataKey({ context }));
    kms.fail(id, undefined);
    expect(await cmk.generateDataKey({ context })).toMatchObject({ keyVersion: "1" });
  });
});
