import { Envelope, fromHeader } from "@env/core";
import { memoryCmk } from "@env/core/testing";
import { pattern } from "@env/testkit/bytes";
import { describe, expect, it } from "vitest";
import { cryptoBackend } from "../src/backend.ts";
import { pump } from "./support/pump.ts";
import { refuses } from "./support/refuses.ts";

const context = { tenant: "acme" };
const aad = { id: "1" };

function both(): { envelope: Envelope; acme: ReturnType<Envelope["for"]> } {
  const envelope = new Envelope({ cmks: [memoryCmk()] });
  return { envelope, acme: envelope.for(context) };
}

describe("envelope.for", () => {
  it("binds the context of bytes and text, beside other options", async () => {
    const { envelope, acme } = both();
    const message = await acme.encrypt(pattern(9), { aad });
    expect(await envelope.decrypt(message, { context, aad })).toEqual(pattern(9));
    expect(await acme.decrypt(message, { aad })).toEqual(pattern(9));
    const text = await acme.encryptText("x");
    expect(await envelope.decryptText(text, { context })).toBe("x");
    expect(await acme.decryptText(text)).toBe("x");
    await refuses("ERR_ENVELOPE_DECRYPT", () => envelope.for({}).decryptText(text));
  });

  it("binds the context of streams and of a rewrap", async () => {
    const { envelope, acme } = both();
    const { output } = await pump(acme.encryptStream(), [pattern(20_000)]);
    expect(await envelope.decrypt(output, { context })).toEqual(pattern(20_000));
    expect((await pump(acme.decryptStream(), [output])).output).toEqual(pattern(20_000));
    const { message } = await acme.rewrap(output);
    expect(await acme.decrypt(message)).toEqual(pattern(20_000));
    expect((await acme.rewrap(await acme.encryptText("x"))).message).toMatch(/^env1\./);
  });

  it.runIf(cryptoBackend().synchronous)("binds the context of fields", async () => {
    const { envelope, acme } = both();
    using fields = await acme.fields();
    expect(await envelope.decryptText(fields.encryptText("x"), { context })).toBe("x");
  });

  it("checks the context at once and takes a copy", async () => {
    const { envelope } = both();
    expect(() => envelope.for({ "env:x": "1" })).toThrow(/reserved/);
    expect(() => envelope.for(fromHeader({ require: {} }) as never)).toThrow(/"require"/);
    expect(() => envelope.for("acme" as never)).toThrow(TypeError);
    const mine = { tenant: "acme" };
    const acme = envelope.for(mine);
    mine.tenant = "evil";
    expect(await envelope.decryptText(await acme.encryptText("x"), { context })).toBe("x");
  });

  it("refuses a second context, which would be ignored", async () => {
    const { acme } = both();
    const second = { context: { tenant: "evil" } } as never;
    await expect(acme.encryptText("x", second)).rejects.toThrow(TypeError);
    expect(() => acme.encryptStream(second)).toThrow(TypeError);
  });
});
