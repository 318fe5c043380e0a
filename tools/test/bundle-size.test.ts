import { describe, expect, it } from "vitest";
import { bundle, nodeParts } from "../bundle-size.ts";

describe("a bundle for browsers", () => {
  it("of Envelope has nothing of Node in it and WebCrypto instead", async () => {
    const chunk = await bundle(`export { Envelope } from "@env/core";`, false);
    expect(nodeParts(chunk)).toEqual([]);
    expect(chunk.moduleIds.some((id) => id.endsWith("/crypto.web.ts"))).toBe(true);
  });

  it("shows what is only for Node", async () => {
    const chunk = await bundle(`export { loadConfig } from "@env/core/config";`, false);
    expect(nodeParts(chunk)).toEqual([
      "node:fs/promises",
      "node:path",
      expect.stringMatching(/\/config\.node\.ts$/),
    ]);
  });

  it("leaves out what is not imported", async () => {
    const { code } = await bundle(`export { isEnvelopeError } from "@env/core";`, true);
    expect(code).not.toContain("subtle");
  });
});
