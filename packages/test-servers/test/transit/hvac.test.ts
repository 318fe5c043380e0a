/**
 * hvac: a client of Vault that nobody of this project wrote, in Python. It is used where it is installed,
 * and its absence is told and no failure.
 *
 * Source: https://python-hvac.org, "Transit", "AppRole"
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { beforeAll, expect, it } from "vitest";
import { base64, open } from "./support.ts";

const run = promisify(execFile);
const interpreters = ["python3", "/usr/bin/python3"];
let python: string | undefined;

beforeAll(async () => {
  for (const name of interpreters) {
    const found = await run(name, ["-c", "import hvac"]).then(
      () => true,
      () => false,
    );
    if (found) python ??= name;
  }
  if (python === undefined) console.log("not run with hvac: python3-hvac is not installed");
});

const program = `
import json, sys, hvac
url, role_id, secret_id, context, plaintext = sys.argv[1:]
client = hvac.Client(url=url)
client.auth.approle.login(role_id=role_id, secret_id=secret_id)
transit = client.secrets.transit
transit.create_key(name="k", derived=True)
first = transit.encrypt_data(name="k", plaintext=plaintext, context=context)["data"]["ciphertext"]
transit.rotate_key(name="k")
moved = transit.rewrap_data(name="k", ciphertext=first, context=context)["data"]["ciphertext"]
made = transit.generate_data_key(name="k", key_type="plaintext", context=context)["data"]
def opened(ciphertext):
    return transit.decrypt_data(name="k", ciphertext=ciphertext, context=context)["data"]["plaintext"]
try:
    transit.decrypt_data(name="k", ciphertext=moved, context="AAAA")
    refused = None
except hvac.exceptions.InvalidRequest as error:
    refused = error.errors
print(json.dumps({
    "authenticated": client.is_authenticated(),
    "health": client.sys.read_health_status(method="GET")["sealed"],
    "version": transit.read_key(name="k")["data"]["latest_version"],
    # list_keys() sends the verb LIST, which no server on Node's HTTP parser gets to see.
    "keys": client.read("transit/keys?list=true")["data"]["keys"],
    "first": first[:9], "moved": moved[:9],
    "opened": [opened(first), opened(moved)],
    "dataKey": opened(made["ciphertext"]) == made["plaintext"],
    "refused": refused,
}))
`;

it("works with hvac: login, keys, rotation, rewrap, data keys, a refusal", async ({ skip }) => {
  if (python === undefined) return skip("python3-hvac is not installed");
  const server = await open();
  server.addAppRole({ roleId: "r", secretId: "s", policies: ["root"], ttl: 60 });
  const plaintext = base64("hello");
  const { stdout } = await run(python, [
    "-c",
    program,
    server.url,
    "r",
    "s",
    base64("context"),
    plaintext,
  ]);
  expect(JSON.parse(stdout)).toEqual({
    authenticated: true,
    health: false,
    version: 2,
    keys: ["k"],
    first: "vault:v1:",
    moved: "vault:v2:",
    opened: [plaintext, plaintext],
    dataKey: true,
    refused: ["cipher: message authentication failed"],
  });
  return undefined;
});
