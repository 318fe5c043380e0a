/**
 * The roles that README.md prints, one policy each. `policies.test.ts` holds the README to this text, and
 * gives each role's token just this policy: on the test server, and on a real one where there is one.
 *
 * Parameters are listed, not excluded: `batch_input` takes the contexts of its items out of the policy's
 * sight, `associated_data` stands in for a context on other keys, and a later server may know more.
 */
export interface Role {
  readonly title: string;
  readonly mode: "derived" | "aad" | "any";
  readonly hcl: string;
}

const readKey = `path "transit/keys/orders" { capabilities = ["read"] }`;

/** What one role of a mode sends to `path`, beside the context. */
function update(path: string, parameters: readonly string[], binding: string, values = "[]") {
  const allowed = [...parameters.map((name) => `"${name}" = []`), `"${binding}" = ${values}`];
  return `path "transit/${path}/orders" {
  capabilities        = ["update"]
  required_parameters = ["${binding}"]
  allowed_parameters  = { ${allowed.join(", ")} }
}`;
}

function role(title: string, mode: Role["mode"], ...paths: readonly string[]): Role {
  return { title, mode, hcl: [...paths, ""].join("\n") };
}

/** @param tenant - Stands for the context of one tenant: its bytes in base64. */
export function roles(tenant = "<base64>"): readonly Role[] {
  const one = `["${tenant}"]`;
  return [
    role(
      "writes, and cannot read (mode derived)",
      "derived",
      update("datakey/plaintext", ["bits"], "context"),
      readKey,
    ),
    role(
      "writes where this CMK is not the first (mode derived)",
      "derived",
      update("encrypt", ["plaintext", "type"], "context"),
      readKey,
    ),
    role(
      "writes (mode aad)",
      "aad",
      update("encrypt", ["plaintext", "type"], "associated_data"),
      readKey,
    ),
    role("reads (mode derived)", "derived", update("decrypt", ["ciphertext"], "context"), readKey),
    role("reads (mode aad)", "aad", update("decrypt", ["ciphertext"], "associated_data"), readKey),
    role(
      "reads the messages of one context (mode derived)",
      "derived",
      update("decrypt", ["ciphertext"], "context", one),
      readKey,
    ),
    role(
      "reads the messages of one context (mode aad)",
      "aad",
      update("decrypt", ["ciphertext"], "associated_data", one),
      readKey,
    ),
    role(
      "moves to a new version, and sees no data key (mode derived)",
      "derived",
      update("rewrap", ["ciphertext"], "context"),
      readKey,
    ),
    role(
      "operates the key, and opens nothing",
      "any",
      `path "transit/keys/orders/rotate" { capabilities = ["update"] }
path "transit/keys/orders/config" {
  capabilities       = ["update"]
  allowed_parameters = { "min_decryption_version" = [], "min_encryption_version" = [], "auto_rotate_period" = [] }
}
path "transit/keys/orders/trim" { capabilities = ["update"] }`,
      readKey,
    ),
  ];
}

/** As README.md has them. */
export function printed(): string {
  return roles()
    .map(({ title, hcl }) => `# ${title}\n${hcl}`)
    .join("\n");
}
