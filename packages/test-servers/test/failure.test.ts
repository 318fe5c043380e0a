import { Cmk } from "@env/core";
import { MemoryKms } from "@env/core/testing";
import { expect, it } from "vitest";
import { context, failing, operations, secretsOf, type Setup } from "../src/failure.ts";

/** A CMK that is denied, and says `told` besides. */
async function denied(told: (secret: string) => string): Promise<Setup> {
  const kms = new MemoryKms();
  const id = kms.createKey();
  const driver = kms.driver(id);
  const { dataKey, entry } = await new Cmk(driver).generateDataKey({ context });
  const secrets = secretsOf(dataKey, entry);
  kms.fail(id, "ERR_ENVELOPE_KMS_ACCESS_DENIED");
  const cmk = new Cmk({
    ...driver,
    classify: (error) =>
      Object.assign(error as Error, { note: told(secrets[0] ?? "") }) && driver.classify(error),
  });
  return { cmk, entry, secrets };
}

it.each(operations)("returns the error of a call: %s", async (operation) => {
  const error = await failing(await denied(() => "nothing"), operation);
  expect(error).toMatchObject({ code: "ERR_ENVELOPE_KMS_ACCESS_DENIED", retryable: false });
});

it("fails where an error shows a secret, or where there is no error", async () => {
  const leaking = await denied((secret) => secret);
  await expect(failing(leaking, "unwrap")).rejects.toThrow("not to contain");
  const kms = new MemoryKms();
  const cmk = new Cmk(kms.driver(kms.createKey()));
  const { entry } = await cmk.generateDataKey({ context });
  await expect(failing({ cmk, entry, secrets: [] }, "wrap")).rejects.toThrow("was not rejected");
});
