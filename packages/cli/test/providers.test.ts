import { expect, it } from "vitest";
import { run } from "./support/command.ts";

const unreachable = "http://127.0.0.1:1";

it.each([
  ["aws-kms:alias/app?regoin=eu-west-1", 2, "--cmk: aws-kms URI: it has an unknown parameter"],
  ["gcp-kms:alias/app", 2, "gcp-kms URI: key must be projects/P/locations/L"],
  ["vault-transit:app", 2, "vault-transit URI: write the address"],
  ["azure:app", 2, "a CMK URI must start with the"],
  [`vault-transit:${unreachable}/transit/app`, 5, "ERR_ENVELOPE_KMS_UNAVAILABLE"],
])("opens %s by its adapter", async (uri, code, text) => {
  process.env["VAULT_TOKEN"] = "token";
  try {
    const args = ["encrypt", "-", "--text", "--context", "tenant=acme", "--cmk", uri];
    const ran = await run(args, { input: Buffer.from("text") });
    expect({ code: ran.code, stdout: ran.stdout.toString() }).toEqual({ code, stdout: "" });
    expect(ran.stderr).toContain(text);
  } finally {
    delete process.env["VAULT_TOKEN"];
  }
});
