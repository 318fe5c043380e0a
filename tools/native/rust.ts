/**
 * The checks of the crates of `@env/native`: format, lints, tests, licences and advisories; or a while of fuzzing.
 * Each is run where its tool is installed, and says otherwise that it was left out.
 *
 *     node --conditions=@env/source tools/native/rust.ts [--fuzz SECONDS]
 *
 * Advisories come from a database on the network. Fuzzing needs a nightly toolchain, whose sanitizer also finds
 * reads and writes beside a buffer.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { command, report } from "../command.ts";
import { cargo, hasCargo, whyNotBuilt } from "./cargo.ts";

interface Check {
  readonly args: readonly string[];
  /** The subcommand that has to be installed. */
  readonly needs?: string;
}

const CHECKS: readonly Check[] = [
  { args: ["fmt", "--check"], needs: "fmt" },
  { args: ["clippy", "--locked", "--all-targets", "--", "-D", "warnings"], needs: "clippy" },
  { args: ["test", "--locked"] },
  { args: ["deny", "--locked", "check"], needs: "deny" },
];

await command(import.meta, (args) => {
  const { values } = parseArgs({ args: [...args], options: { fuzz: { type: "string" } } });
  const problem = whyNotBuilt();
  if (problem !== undefined) return report("rust", [], `left out, because ${problem}`);
  if (values.fuzz !== undefined) {
    return report("rust", fuzz(values.fuzz) ? [] : ["fuzzing failed"], "fuzzing has ended");
  }
  const failed = CHECKS.filter((check) => !passes(check)).map(({ args: [name = ""] }) => name);
  return report(
    "rust",
    failed.map((name) => `cargo ${name} failed`),
    "the crates are in order",
  );
});

function passes({ args, needs }: Check): boolean {
  if (needs === undefined || hasCargo(needs)) return cargo(args);
  console.log(`rust: cargo ${args[0]} is left out, because it is not installed`);
  return true;
}

function fuzz(seconds: string): boolean {
  if (!hasCargo("fuzz") || !hasCargo("+nightly")) {
    console.log(
      "rust: fuzzing is left out, because cargo fuzz or a nightly toolchain is not installed",
    );
    return true;
  }
  return cargo([
    "+nightly",
    "fuzz",
    "run",
    "calls",
    "--",
    `-max_total_time=${seconds}`,
    "-max_len=4096",
  ]);
}
