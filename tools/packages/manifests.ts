/**
 * What packed packages say about themselves, and the versions of others that this workspace is tested with.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Tarball } from "../tarballs.ts";
import { root, type Manifest } from "../workspace.ts";

/** The manifest in a tarball. */
export function readManifest({ path }: Tarball): Manifest {
  const { stdout } = spawnSync("tar", ["-xzOf", path, "package/package.json"], {
    encoding: "utf8",
  });
  return JSON.parse(stdout) as Manifest;
}

/** The SDKs that packages ask for, in the versions this workspace is tested with. */
export function versionsOfPeers(manifests: readonly Manifest[]): Record<string, string> {
  const versions: Record<string, string> = {};
  for (const { name, peerDependencies = {} } of manifests) {
    const dir = `packages/${name.slice("@env/".length)}`;
    for (const peer of Object.keys(peerDependencies)) {
      if (peer.startsWith("@env/") || peer in versions) continue;
      const version = installedVersion(peer, dir);
      versions[peer] = version;
    }
  }
  return versions;
}

export function installedVersion(name: string, dir: string): string {
  const path = join(root, dir, "node_modules", name, "package.json");
  return (JSON.parse(readFileSync(path, "utf8")) as { readonly version: string }).version;
}
