/**
 * The checks of the crates of `@env/native`: format, lints, tests, licences and advisories; or a while of fuzzing.
 * Each is run where its tool is installed, and says otherwise that it was left out.
 *
 *     node --conditions=@env/source tools/native/rust.ts [--fuzz SECONDS]
 *
 * Advisories come from a database on the network. Fuzzing needs a nightly toolchain: its AddressSanitizer finds reads
 * and writes beside a buffer, and the tests run under it first. `cargo fuzz run calls` does the same with more options.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { command, report } from "../command.ts";
import { isPermissive } from "../check-licences.ts";
import { cargo, hasCargo, lockedCrates, nightlyTarget, whyNotBuilt } from "./cargo.ts";

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

const CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index";

/** Source: `cargo fuzz build --verbose`, of cargo-fuzz 0.13 */
const INSTRUMENTED = [
  "-Cpasses=sancov-module",
  "-Cllvm-args=-sanitizer-coverage-level=4",
  "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
  "-Cllvm-args=-sanitizer-coverage-pc-table",
  "-Cllvm-args=-sanitizer-coverage-trace-compares",
  "--cfg fuzzing",
  "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
  "-Zsanitizer=address",
  "-Cllvm-args=-sanitizer-coverage-stack-depth",
  "-Cdebug-assertions",
  "-Ccodegen-units=1",
].join(" ");

await command(import.meta, (args) => {
  const { values } = parseArgs({ args: [...args], options: { fuzz: { type: "string" } } });
  const problem = whyNotBuilt();
  if (problem !== undefined) return report("rust", [], `left out, because ${problem}`);
  if (values.fuzz !== undefined) {
    return report("rust", fuzz(values.fuzz) ? [] : ["fuzzing failed"], "fuzzing has ended");
  }
  const failed = CHECKS.filter((check) => !passes(check)).map(
    ({ args: [name = ""] }) => `cargo ${name} failed`,
  );
  return report("rust", [...failed, ...unfitCrates()], "the crates are in order");
});

/** What cargo deny also finds, where it is not installed: licences, and crates from elsewhere than crates.io. */
function unfitCrates(): string[] {
  return lockedCrates()
    .filter(
      ({ license, source }) =>
        !isPermissive(license ?? "none") || (source !== null && source !== CRATES_IO),
    )
    .map(({ name, license, source }) => `${name}: ${license}, from ${source ?? "here"}`);
}

function passes({ args, needs }: Check): boolean {
  if (needs === undefined || hasCargo(needs)) return cargo(args);
  console.log(`rust: cargo ${args[0]} is left out, because it is not installed`);
  return true;
}

function fuzz(seconds: string): boolean {
  const target = nightlyTarget();
  if (target === undefined) {
    console.log("rust: fuzzing is left out, because no nightly toolchain is installed");
    return true;
  }
  const run = (...args: readonly string[]): boolean =>
    cargo(["+nightly", ...args], { RUSTFLAGS: INSTRUMENTED });
  const build = ["--locked", "--manifest-path=fuzz/Cargo.toml", "--release", `--target=${target}`];
  const limits = [`-max_total_time=${seconds}`, "-max_len=4096"];
  return run("test", ...build) && run("run", ...build, "--bin=calls", "--", ...limits);
}
