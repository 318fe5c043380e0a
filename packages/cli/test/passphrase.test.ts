import { PassThrough } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { readPassphrase } from "../src/passphrase.ts";
import { Ui } from "../src/ui.ts";
import { capture } from "./support/command.ts";

beforeEach(() => void vi.stubEnv("ENVELOPE_PASSPHRASE", undefined));
afterEach(() => void vi.unstubAllEnvs());

/** A terminal on which somebody types; `raw` is whether it echoes nothing. */
function terminal(signal: AbortSignal = new AbortController().signal): {
  readonly ui: Ui;
  readonly type: (keys: string) => void;
  readonly shown: () => string;
  readonly raw: boolean[];
} {
  const raw: boolean[] = [];
  const setRawMode = (on: boolean): void => void raw.push(on);
  const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode });
  const { stream, bytes } = capture();
  const stderr = Object.assign(stream, { isTTY: true });
  const ui = new Ui({ stdin, stdout: capture().stream, stderr, signal }, {});
  return { ui, type: (keys) => void stdin.write(keys), shown: () => bytes().toString(), raw };
}

/** Waits as long as it takes. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await setImmediate();
}

describe("readPassphrase", () => {
  it("takes it from the environment first", async () => {
    vi.stubEnv("ENVELOPE_PASSPHRASE", "from there");
    expect(await readPassphrase(terminal().ui, "dev.kms", "create")).toBe("from there");
  });

  it("warns of a short new one from the environment as well, and shows nothing of it", async () => {
    vi.stubEnv("ENVELOPE_PASSPHRASE", "hunter2");
    const { ui, shown } = terminal();
    expect(await readPassphrase(ui, "dev.kms", "open")).toBe("hunter2");
    expect(shown()).toBe("");
    await readPassphrase(ui, "dev.kms", "create");
    expect(shown()).toContain("fewer than 15 characters");
    expect(shown()).not.toContain("hunter2");
  });

  it("asks without echo, and understands corrections", async () => {
    const { ui, type, shown, raw } = terminal();
    const asked = readPassphrase(ui, "dev.kms", "open");
    type("wrong\u007f\u007f\u007f\u007f\u007f");
    type("grün😀x\b\r");
    expect(await asked).toBe("grün😀");
    expect(shown()).toBe("passphrase of dev.kms: \n");
    expect(raw).toEqual([true, false]);
  });

  it("asks once per keystore", async () => {
    const { ui, type } = terminal();
    const asked = readPassphrase(ui, "dev.kms", "open");
    type("secret\n");
    await asked;
    expect(await readPassphrase(ui, "dev.kms", "open")).toBe("secret");
  });

  it("asks twice for a new one, and refuses two that differ", async () => {
    const { ui, type, shown } = terminal();
    const asked = readPassphrase(ui, "dev.kms", "create");
    type("secret\n");
    await until(() => shown().includes("repeat"));
    type("secrat\n");
    await expect(asked).rejects.toMatchObject({ code: "ERR_CLI_USAGE", hint: undefined });
    expect(shown()).toMatch(/warning:.* fewer than 15 characters/);
  });

  it("refuses an empty new one before it asks again", async () => {
    const { ui, type, shown } = terminal();
    const asked = readPassphrase(ui, "dev.kms", "create");
    type("\n");
    await expect(asked).rejects.toMatchObject({ code: "ERR_CLI_USAGE" });
    expect(shown()).not.toContain("repeat");
  });

  it("ends on Ctrl-C and on a signal, with the terminal as it was", async () => {
    const { ui, type, raw } = terminal();
    const asked = readPassphrase(ui, "dev.kms", "open");
    type("sec\u0003");
    await expect(asked).rejects.toMatchObject({ code: "ERR_CLI_INTERRUPTED" });
    expect(raw).toEqual([true, false]);

    const controller = new AbortController();
    const other = terminal(controller.signal);
    const again = readPassphrase(other.ui, "dev.kms", "open");
    controller.abort();
    await expect(again).rejects.toMatchObject({ code: "ERR_CLI_INTERRUPTED" });
    expect(other.raw).toEqual([true, false]);
  });

  it("refuses where there is nobody to ask", async () => {
    const { ui } = terminal();
    const { host } = ui;
    const deaf = new Ui({ ...host, stdin: new PassThrough() }, {});
    await expect(readPassphrase(deaf, "dev.kms", "open")).rejects.toMatchObject({
      code: "ERR_ENVELOPE_KEYSTORE_ROOT_KEY",
    });
  });
});
