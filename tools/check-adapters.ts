/**
 * The mistake it stops: an adapter that has what the others have in name only, so that an application
 * cannot change its KMS by changing a URI.
 *
 * An adapter is a published package that says "kms" of itself and whose tests may use the conformance suite.
 *
 *     node --conditions=@env/source tools/check-adapters.ts
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { isEnvelopeError } from "@env/core";
import { memberOf } from "@env/core/driver";
import { command, report } from "./command.ts";
import { findFiles, readPackages, readText, root } from "./workspace.ts";

export interface Adapter {
  /** The name of its package: `@env/aws-kms`. */
  readonly name: string;
  /** What the package exports. */
  readonly module: object;
  /** The sources of its tests. */
  readonly tests: readonly string[];
  /** The schemes of the URIs that the command line opens. */
  readonly schemes: ReadonlySet<string>;
}

/** What an adapter lacks, one sentence each. */
export async function faultsOf({ name, module, tests, schemes }: Adapter): Promise<string[]> {
  const scheme = name.slice(name.indexOf("/") + 1);
  const functions = Object.entries(module).filter(([, value]) => typeof value === "function");
  const named = (pattern: RegExp): string[] =>
    functions.flatMap(([exported]) => (pattern.test(exported) ? [exported] : []));
  const found: string[] = [];
  const [opener, ...more] = named(/^open[A-Z]/);
  if (opener === undefined || more.length > 0) found.push("exports one function open…");
  else if (!(await refusesOthers(memberOf(module, opener), scheme))) {
    found.push(`${opener} refuses a URI of another scheme, and names its own, ${scheme}:`);
  }
  if (named(/^parse[A-Z]\w*Uri$/).length !== 1) found.push("exports one function parse…Uri");
  if (named(/Driver$/).length !== 1) found.push("exports one function …Driver, for tests");
  if (!named(/^doctor$/).includes("doctor")) found.push("exports doctor");
  if (!tests.some((text) => text.includes("cmkCases("))) {
    found.push("runs cmkCases of @env/conformance in a test");
  }
  if (!schemes.has(scheme)) found.push(`is opened by the command line, for ${scheme}:`);
  return found.map((rule) => `${name} breaks a rule: an adapter ${rule}`);
}

async function refusesOthers(open: unknown, scheme: string): Promise<boolean> {
  if (typeof open !== "function") return false;
  try {
    await Reflect.apply(open, undefined, ["nobody:key"]);
    return false;
  } catch (error) {
    return (
      isEnvelopeError(error, "ERR_ENVELOPE_CONFIG") &&
      error.message === `${scheme} URI: it must start with ${scheme}:`
    );
  }
}

/** The schemes that the command line names when it refuses an unknown one. */
function schemesOfCli(): ReadonlySet<string> {
  const bin = join(root, "packages/cli/src/bin.ts");
  const { stderr } = spawnSync(
    process.execPath,
    ["--conditions=@env/source", bin, "config", "check", "--cmk", "nobody:key"],
    { encoding: "utf8" },
  );
  const [, list = ""] = /adapters given: ([a-z0-9., -]+)/.exec(stderr) ?? [];
  return new Set(list.split(", "));
}

await command(import.meta, async () => {
  const adapters = readPackages().filter(
    ({ manifest: { keywords = [], devDependencies = {} } }) =>
      keywords.includes("kms") && "@env/conformance" in devDependencies,
  );
  const schemes = schemesOfCli();
  const found: string[] = [];
  for (const { dir, manifest } of adapters) {
    const { name } = manifest;
    const module: object = await import(name);
    const tests = findFiles(`${dir}/test/*.test.ts`).map(readText);
    found.push(...(await faultsOf({ name, module, tests, schemes })));
  }
  return report("check-adapters", found, `${adapters.length} adapters keep to their rules`);
});
