import { describe, expect, it } from "vitest";
import { bundle, nodeParts, type Bundle } from "../bundle-size.ts";

/** From the sources: no build is needed. The command itself measures the tarball. */
const bundleSources = (program: string): Promise<Bundle> =>
  bundle(program, import.meta.dirname, ["@env/source"]);

describe("a bundle for browsers", () => {
  it("of Envelope has nothing of Node in it and WebCrypto instead", async () => {
    const bundled = await bundleSources(`export { Envelope } from "@env/core";`);
    expect(nodeParts(bundled)).toEqual([]);
    const modules = Object.keys(bundled.modules);
    expect(modules.some((path) => path.endsWith("/crypto.web.ts"))).toBe(true);
  });

  it("shows what is only for Node", async () => {
    const bundled = await bundleSources(`export { loadConfig } from "@env/core/config";`);
    expect(nodeParts(bundled)).toEqual([
      "node:fs/promises",
      "node:path",
      expect.stringMatching(/\/config\.node\.ts$/),
    ]);
  });

  it("leaves out what is not imported, and the advice for people with it", async () => {
    const small = await bundleSources(`export { isEnvelopeError } from "@env/core";`);
    expect(small.code).not.toContain("subtle");
    const whole = await bundleSources(`export { Envelope } from "@env/core";`);
    expect(Object.keys(whole.modules).some((path) => path.endsWith("error-codes.ts"))).toBe(false);
  });
});
