import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { openCmk, type Cmk, type CmkOpener } from "@env/core";
import { loadConfig, openCmks, openEnvelope } from "@env/core/config";
import { tempFolder } from "@env/testkit/folder";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { refuses } from "./support/refuses.ts";
import { StubKey } from "./support/stub-kms.ts";

let folder: string;
const file = (): string => join(folder, "envelope.config.json");
const write = (config: unknown): Promise<void> => writeFile(file(), JSON.stringify(config));

beforeEach(() => {
  folder = tempFolder();
  vi.stubEnv("ENVELOPE_ENVIRONMENT", "");
  vi.stubEnv("NODE_ENV", "");
});
afterEach(async () => {
  vi.unstubAllEnvs();
});

describe("loadConfig", () => {
  const environments = {
    development: { cmks: ["stub:a"] },
    production: { cmks: ["stub:b"] },
    test: { cmks: ["stub:c"] },
  };

  it("picks the environment by argument, ENVELOPE_ENVIRONMENT, NODE_ENV, then development", async () => {
    await write({ environments });
    const picked = async (environment?: string): Promise<string> =>
      (await loadConfig({ file: file(), environment })).environment;
    expect(await picked()).toBe("development");
    vi.stubEnv("NODE_ENV", "test");
    expect(await picked()).toBe("test");
    vi.stubEnv("ENVELOPE_ENVIRONMENT", "production");
    expect(await picked()).toBe("production");
    expect(await picked("development")).toBe("development");
  });

  it("takes limits along and resolves paths from the file's folder", async () => {
    const dataKeyCache = { maxAge: 1, maxMessages: 2, maxBytes: 3 };
    await write({
      environments: { development: { cmks: ["stub:a"], minWrapped: 1, dataKeyCache } },
    });
    expect(await loadConfig({ file: file() })).toEqual({
      environment: "development",
      cmks: ["stub:a"],
      minWrapped: 1,
      dataKeyCache,
      baseDirectory: folder,
    });
  });

  it.each([
    [{ environments: { production: { cmks: ["x:y"] } } }, "no environment"],
    [{ environments: { development: { cmks: [] } } }, "cmks"],
    [{ environments: { development: { cmks: ["x:y"], cache: 1 } } }, 'unknown setting "cache"'],
    [
      { environments: { development: { cmks: ["x:y"], dataKeyCache: { maxAge: 1 } } } },
      "maxMessages",
    ],
    [{ environments: { development: { cmks: ["x:y"], minWrapped: "2" } } }, "minWrapped"],
    [{ environments: { development: { cmks: ["x:y"], minWrapped: 2 } } }, "from 1 to 1"],
    [
      { environments: { development: { cmks: ["x:y"], minWraped: 1 } } },
      "Did you mean minWrapped?",
    ],
    [{ environments: { developement: { cmks: ["x:y"] } } }, "Did you mean developement?"],
    [
      {
        environments: {
          development: {
            cmks: ["x:y"],
            dataKeyCache: { maxAge: 0, maxMessages: 1, maxBytes: 1 },
          },
        },
      },
      "dataKeyCache.maxAge must be an integer from 1",
    ],
    [{ environment: {} }, 'unknown setting "environment"'],
    [[], "an object"],
    ["constructor", "an object"],
  ])("refuses %j and names the place", async (config, hint) => {
    await write(config);
    const error = await refuses("ERR_ENVELOPE_CONFIG", () => loadConfig({ file: file() }));
    expect(error.message).toContain(hint);
  });

  it("does not take an inherited name for an environment", async () => {
    await write({ environments: {} });
    await refuses("ERR_ENVELOPE_CONFIG", () =>
      loadConfig({ file: file(), environment: "toString" }),
    );
  });

  it("reports a missing file, and quotes nothing from a file that is not JSON", async () => {
    const missing = await refuses("ERR_ENVELOPE_CONFIG", () => loadConfig({ file: file() }));
    expect(missing.message).toContain("envelope init");
    await writeFile(file(), '{"password": hunter2');
    const error = await refuses("ERR_ENVELOPE_CONFIG", () => loadConfig({ file: file() }));
    expect(error.message).not.toContain("hunter2");
    expect(error.message).toContain("envelope.config.json:1:14: ");
  });
});

describe("openCmk, openCmks and openEnvelope", () => {
  const opener: CmkOpener = async (uri, options) =>
    new StubKey(`${uri} ${options?.baseDirectory}`).cmk;

  it("give the URI and the folder to the scheme's opener", async () => {
    const cmk = await openCmk("stub:x", { stub: opener }, { baseDirectory: "/base" });
    expect(cmk.keyId).toBe("stub:x /base");
  });

  it.each(["", "x", ":x", "hunter2:secret", "toString:x"])(
    "refuse %j without repeating it",
    async (uri) => {
      const error = await refuses("ERR_ENVELOPE_CONFIG", () => openCmk(uri, { stub: opener }));
      if (uri.length > 2) expect(error.message).not.toContain(uri);
      expect(error.message).not.toContain("hunter2");
      expect(error.message).toContain("stub");
    },
  );

  it("close what was opened where a later CMK fails", async () => {
    await write({ environments: { development: { cmks: ["stub:a", "bad:b"] } } });
    const opened: Cmk[] = [];
    const openers = {
      stub: async (): Promise<Cmk> => {
        const { cmk } = new StubKey("a");
        opened.push(cmk);
        return cmk;
      },
      bad: () => Promise.reject(new Error("no")),
    };
    await expect(openCmks(await loadConfig({ file: file() }), openers)).rejects.toThrow("no");
    await refuses("ERR_ENVELOPE_CLOSED", async () => opened[0]?.generateDataKey({ context: {} }));
  });

  it("check the settings before a CMK is opened", async () => {
    const opened = vi.fn<CmkOpener>(opener);
    const config = { environment: "x", cmks: ["stub:a"], baseDirectory: folder };
    const limits = { maxAge: 0, maxMessages: 1, maxBytes: 1 };
    for (const wrong of [{ minWrapped: 2 }, { dataKeyCache: limits }]) {
      await expect(openEnvelope({ ...config, ...wrong }, { stub: opened })).rejects.toThrow(
        RangeError,
      );
    }
    expect(opened).not.toHaveBeenCalled();
  });

  it("close the CMKs where no Envelope can be made of them", async () => {
    const { cmk } = new StubKey("a");
    const config = { environment: "x", cmks: ["stub:a", "stub:b"], baseDirectory: folder };
    await expect(openEnvelope(config, { stub: async () => cmk })).rejects.toThrow(/twice/);
    await refuses("ERR_ENVELOPE_CLOSED", () => cmk.generateDataKey({ context: {} }));
  });

  it("make an Envelope that works, and that closes the CMKs that were opened for it", async () => {
    await write({ environments: { development: { cmks: ["stub:a"] } } });
    const { cmk } = new StubKey("a");
    const envelope = await openEnvelope(await loadConfig({ file: file() }), {
      stub: async () => cmk,
    });
    const message = await envelope.encrypt(new Uint8Array(3), { context: {} });
    expect(await envelope.decrypt(message, { context: {} })).toEqual(new Uint8Array(3));
    await envelope.close();
    await refuses("ERR_ENVELOPE_CLOSED", () => cmk.generateDataKey({ context: {} }));
  });
});
