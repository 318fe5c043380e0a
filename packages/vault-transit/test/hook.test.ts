/** What becomes of a `node-vault` that is missing, or takes no transport any more. */
import { rejection } from "@env/testkit/refusal";
import { afterEach, expect, it, vi } from "vitest";

const uri = "vault-transit:https://vault.example/transit/app";

afterEach(() => {
  vi.doUnmock("node-vault");
  vi.resetModules();
});

async function opening(): Promise<Error> {
  const { openVaultTransit } = await import("../src/adapter.ts");
  return rejection(openVaultTransit(uri));
}

it("is refused where it does not take the transport: it would send data keys its own way", async () => {
  vi.doMock("node-vault", () => ({ default: () => ({}) }));
  expect(await opening()).toMatchObject({
    code: "ERR_ENVELOPE_CONFIG",
    message: expect.stringContaining("install node-vault 0.12"),
  });
});

it("is told to be missing", async () => {
  vi.doMock("node-vault", () => {
    throw new Error("not found");
  });
  expect(await opening()).toMatchObject({
    code: "ERR_ENVELOPE_CONFIG",
    message: expect.stringContaining("install node-vault"),
  });
});
