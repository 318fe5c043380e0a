/**
 * The programs that nobody here wrote, and how each is found and run. A program passes if it exits with 0.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { existsSync, globSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Where `install.sh` puts what is not on the machine. */
const installed: string = join(import.meta.dirname, ".clients");

const scripts = join(import.meta.dirname, "clients");
const python = join(installed, "python/bin/python");
const jars = join(installed, "java/target/dependency");
const goClients = join(installed, "bin/go-clients");

export interface Client {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** Prints the version of the program, and fails where it is not installed. */
  version(): string;
  /** What else must be there, and is not. */
  missing?(): string | undefined;
}

/** The `PATH` of clients: what `install.sh` has put there comes first. */
export const path: string = [
  join(installed, "bin"),
  join(installed, "python/bin"),
  process.env["PATH"],
].join(delimiter);

export const clients: readonly Client[] = [
  {
    name: "AWS Encryption SDK for JavaScript",
    command: [
      process.execPath,
      "--conditions=@env/source",
      join(import.meta.dirname, "encryption-sdk.ts"),
    ],
    version: () => packageVersion("@aws-crypto/client-node"),
  },
  {
    name: "aws-cli",
    command: [join(scripts, "aws.sh")],
    version: () => /aws-cli\/(\S+)/.exec(output("aws", "--version"))?.[1] ?? "",
  },
  fromPython("boto3", "boto3", "boto3_session.py"),
  fromPython("AWS Encryption SDK for Python", "aws-encryption-sdk", "encryption_sdk.py"),
  fromPython(
    "S3 Encryption Client for Python",
    "amazon-s3-encryption-client-python",
    "s3_encryption_client.py",
  ),
  {
    name: "Terraform",
    command: [join(scripts, "terraform.sh")],
    version: () => `${output("terraform", "version").replace("Terraform v", "")}, AWS provider`,
    missing: () =>
      pluginFolder() === undefined
        ? "the AWS provider is not there: TF_PLUGINS names the folder of a mirror"
        : undefined,
  },
  {
    name: "SOPS",
    command: [join(scripts, "sops.sh")],
    version: () => output("sops", "--version", "--disable-version-check").replace("sops ", ""),
  },
  {
    name: "cosign",
    command: [join(scripts, "cosign.sh")],
    version: () => /GitVersion: +(\S+)/.exec(output("cosign", "version"))?.[1] ?? "",
  },
  {
    name: "AWS SDK for Go v2, Tink for Go, go-cloud",
    command: [goClients],
    version: () => modules(goClients),
  },
  fromJava("AWS SDK for Java v2, AWS Encryption SDK for Java", "Main", [
    "kms-2",
    "aws-encryption-sdk-java",
  ]),
  fromJava("S3 Encryption Client for Java", "Storage", ["amazon-s3-encryption-client-java"]),
  {
    name: "OpenBao, sealed by the KMS",
    command: [join(scripts, "openbao.sh")],
    version: () => output(process.env["BAO"] ?? "bao", "version"),
  },
];

/** A folder that `terraform init -plugin-dir` takes. */
export function pluginFolder(): string | undefined {
  const folders = [process.env["TF_PLUGINS"], "/opt/tf-plugins"];
  return folders.find((folder) => folder !== undefined && existsSync(folder));
}

function fromPython(name: string, distribution: string, script: string): Client {
  return {
    name,
    command: [interpreter(), join(scripts, script)],
    version: () =>
      output(
        interpreter(),
        "-c",
        "import sys; from importlib.metadata import version; print(version(sys.argv[1]))",
        distribution,
      ),
  };
}

function fromJava(name: string, main: string, libraries: readonly string[]): Client {
  const classes = `${join(installed, "java/target/classes")}:${jars}/*`;
  return {
    name,
    command: ["java", "-cp", classes, `acceptance.${main}`],
    version: () => jarVersions(libraries),
  };
}

function interpreter(): string {
  return existsSync(python) ? python : "python3";
}

/** The first line that a command prints. */
function output(command: string, ...args: readonly string[]): string {
  const options = {
    encoding: "utf8",
    env: { ...process.env, PATH: path },
    timeout: 60_000,
  } as const;
  const text = execFileSync(command, args, { ...options, stdio: ["ignore", "pipe", "ignore"] });
  return command.endsWith("cosign") ? text : (text.split("\n")[0] ?? "");
}

function packageVersion(name: string): string {
  const text = execFileSync(process.execPath, [
    "-p",
    `require(${JSON.stringify(join(import.meta.dirname, "../node_modules", name, "package.json"))}).version`,
  ]);
  return text.toString().trim();
}

/** What a Go program was built from. */
function modules(program: string): string {
  if (!existsSync(program)) throw new Error("not built");
  const text = execFileSync("go", ["version", "-m", program], { encoding: "utf8" });
  const wanted = ["aws-sdk-go-v2/service/kms", "tink-go-awskms/v3", "gocloud.dev"];
  return wanted
    .map(
      (name) =>
        text
          .split("\n")
          .find((line) => line.includes(`${name}\t`))
          ?.split("\t")[3],
    )
    .join(", ");
}

function jarVersions(libraries: readonly string[]): string {
  return libraries
    .map((library) => {
      const [name] = globSync(`${library}*.jar`, { cwd: jars });
      if (name === undefined) throw new Error("not built");
      return /[\d.]+(?=\.jar)/.exec(name)?.[0];
    })
    .join(", ");
}
