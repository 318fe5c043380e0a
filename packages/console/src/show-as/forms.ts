/**
 * A call in the words of the aws CLI, the SDK for TypeScript, Terraform and `envelope`.
 *
 * @module
 */
import type { ShownCall } from "./call.ts";
import { envelopeCommands } from "./envelope.ts";
import { quoted } from "./shell.ts";

export const forms: Readonly<
  Record<
    "aws CLI" | "SDK for TypeScript" | "Terraform" | "envelope",
    (calls: readonly ShownCall[], endpoint: string) => string
  >
> = {
  "aws CLI": awsCli,
  "SDK for TypeScript": sdk,
  Terraform: terraform,
  envelope,
};

export type FormName = keyof typeof forms;

function awsCli(calls: readonly ShownCall[], endpoint: string): string {
  const commands = calls.map(({ service, operation, input }) => {
    const options = membersOf(input).map(
      ([name, value]) => `  --${dashed(name)} ${cliValue(value)}`,
    );
    return [`aws ${service} ${dashed(operation)}`, ...options].join(" \\\n");
  });
  return [`export AWS_ENDPOINT_URL=${endpoint}`, ...commands].join("\n\n");
}

function cliValue(value: unknown): string {
  if (typeof value === "string") return quoted(value);
  if (Array.isArray(value) && value.every((item) => typeof item === "string")) {
    return value.map(quoted).join(" ");
  }
  if (typeof value === "boolean" || typeof value === "number") return String(value);
  return quoted(JSON.stringify(value));
}

/** `CreateKey` is `create-key`, `OpenIDConnectProviderArn` is `open-id-connect-provider-arn`. */
function dashed(name: string): string {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, "$1-$2")
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, "$1-$2")
    .toLowerCase();
}

const clients = { kms: "KMS", iam: "IAM", sts: "STS" } as const;

function sdk(calls: readonly ShownCall[], endpoint: string): string {
  const services = [...new Set(calls.map(({ service }) => service))];
  const imports = services.map(
    (service) => `import { ${clients[service]} } from "@aws-sdk/client-${service}";`,
  );
  const made = services.map(
    (service) =>
      `const ${service} = new ${clients[service]}({ endpoint: ${JSON.stringify(endpoint)} });`,
  );
  const sent = calls.map(({ service, operation, input }) => {
    const given = Object.fromEntries(membersOf(input));
    const method = operation.charAt(0).toLowerCase() + operation.slice(1);
    return `await ${service}.${method}(${literal(given)});`;
  });
  return [...imports, "", ...made, "", ...sent].join("\n");
}

function literal(value: object): string {
  return JSON.stringify(value, undefined, 2).replaceAll(/^(\s*)"([A-Za-z_]\w*)":/gm, "$1$2:");
}

function terraform(calls: readonly ShownCall[], endpoint: string): string {
  const blocks = calls.flatMap(({ terraform: block }) => block ?? []);
  if (blocks.length === 0) return "# Terraform has neither a resource nor a data source for this.";
  const provider = `provider "aws" {\n  endpoints {\n    kms = "${endpoint}"\n    iam = "${endpoint}"\n  }\n}`;
  return [provider, ...blocks].join("\n\n");
}

function envelope(calls: readonly ShownCall[]): string {
  const commands = calls.flatMap(
    ({ operation, input, envelope: command }) =>
      command ?? envelopeCommands[operation]?.(input) ?? [],
  );
  if (commands.length === 0)
    return "# envelope has no command for this: the calls above work on the server.";
  return commands.map((command) => `envelope ${command}`).join("\n");
}

function membersOf(input: Readonly<Record<string, unknown>>): [string, unknown][] {
  return Object.entries(input).filter(([, value]) => value !== undefined);
}

/** Text as HCL has it. */
export function hcl(text: string): string {
  return JSON.stringify(text).replaceAll("${", "$$${").replaceAll("%{", "%%{");
}

/** A name of a Terraform resource: letters, digits and underscores. */
export function resourceName(text: string): string {
  const name = text.replace(/^alias\//, "").replaceAll(/[^A-Za-z0-9_]/g, "_");
  return /^[A-Za-z_]/.test(name) ? name : `key_${name}`;
}
