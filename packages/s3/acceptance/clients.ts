/**
 * AWS's own encryption clients: how each is found and run, and which objects it writes and reads.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  objects,
  type Keyring,
  type ObjectKind,
  type Placement,
  type Upload,
  type Version,
} from "./objects.ts";

/** Where `install.sh` puts them. */
const installed: string = process.env["S3EC_CLIENTS"] ?? join(import.meta.dirname, ".clients");

const python = join(installed, "python/bin/python");
const jars = join(installed, "java/target/dependency");

export interface Client {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** Why it cannot run here; `undefined` if it can. */
  missing(): string | undefined;
  /** The objects that it writes. */
  readonly writes: readonly ObjectKind[];
  /** The objects of ours that it reads. */
  readonly reads: readonly ObjectKind[];
}

const every: readonly Keyring[] = ["kms", "aes", "rsa"];
const both: readonly Placement[] = ["metadata", "instruction-file"];
const current: readonly Version[] = ["V2", "V3"];
const streaming: readonly Upload[] = ["put", "parts", "whole"];

export const clients: readonly Client[] = [
  {
    name: "S3 Encryption Client for Python 4.0.0",
    command: [
      existsSync(python) ? python : "python3",
      join(import.meta.dirname, "clients/s3_encryption_client.py"),
    ],
    missing: () => missingModule(),
    // It has a keyring for KMS alone, and reads instruction files but does not write them.
    writes: objects({ versions: current, keyrings: ["kms"], placements: ["metadata"] }),
    reads: objects({ versions: current, keyrings: ["kms"], placements: both }),
  },
  {
    name: "S3 Encryption Client for Java 4.0.0",
    command: java("acceptance.Current"),
    missing: missingJars,
    writes: objects({ versions: current, keyrings: every, placements: both, uploads: streaming }),
    reads: objects({ versions: current, keyrings: every, placements: both, uploads: streaming }),
  },
  {
    name: "encryption clients of AWS SDK for Java 1.12.441",
    command: java("acceptance.Former"),
    missing: missingJars,
    writes: objects({ versions: ["V1", "V1-GCM", "V2"], keyrings: every, placements: both }),
    reads: objects({ versions: ["V2"], keyrings: every, placements: both }),
  },
];

function java(program: string): [string, ...string[]] {
  return ["java", "-cp", `${join(installed, "java/target/classes")}:${jars}/*`, program];
}

function missingJars(): string | undefined {
  return existsSync(join(jars, "amazon-s3-encryption-client-java-4.0.0.jar"))
    ? undefined
    : "it is not installed";
}

function missingModule(): string | undefined {
  try {
    execFileSync(existsSync(python) ? python : "python3", ["-c", "import s3_encryption"], {
      stdio: "ignore",
    });
    return undefined;
  } catch {
    return "it is not installed";
  }
}
