/**
 * Describes the machine that was measured on, without anything that names it or its owner.
 *
 * @module
 */
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { peerVersions } from "./peers.ts";

export interface Machine {
  /** What was measured of this library. */
  readonly packages: Packages;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  /** Version of the OpenSSL in the `node:crypto` that is measured. */
  readonly opensslInNode: string;
  readonly peers: Readonly<Record<string, string>>;
  /** Load average of the last minute before the first figure. Other work on the machine is noise. */
  readonly loadBefore: number;
}

/** The products of the build, or their sources, as a test of a figure may run them. */
export type Packages = "built" | "sources";

/** Which of the two an import of a package leads to in this process. */
export function measuredPackages(): Packages {
  return import.meta.resolve("@env/core").endsWith(".ts") ? "sources" : "built";
}

export function machine(): Machine {
  return {
    packages: measuredPackages(),
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    opensslInNode: process.versions.openssl,
    peers: peerVersions(),
    loadBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

/** The description as lines of text. */
export function describe({
  packages: measured,
  cpu,
  cores,
  memoryGiB,
  system,
  node,
  opensslInNode,
  peers,
  loadBefore,
}: Machine): string[] {
  const others = Object.entries(peers).map(([name, version]) =>
    version.toLowerCase().startsWith(name) ? version : `${name} ${version}`,
  );
  return [
    measured === "built" ? "this library as built" : "this library from its TypeScript sources",
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}`,
    `Node ${node} with OpenSSL ${opensslInNode}`,
    `peers: ${others.join(", ")}`,
    `load average before: ${loadBefore}`,
  ];
}
