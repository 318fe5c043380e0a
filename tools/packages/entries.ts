/**
 * Whether every entry of installed packages starts, in a Node that knows nothing of this workspace.
 *
 * @module
 */
import { isInternal, type Manifest } from "../workspace.ts";
import type { Consumer } from "./consumer.ts";

/** What a program imports to get a package's entries: `@env/core`, `@env/core/message`. */
export function entriesOf({ name, exports = {} }: Manifest): string[] {
  return Object.entries(exports)
    .filter(([subpath, target]) => !/\.(?:json|html)$/.test(subpath) && !isInternal(target))
    .map(([subpath]) => name + subpath.slice(1));
}

/** Both say, for each entry, how many names it exports or why it does not start. */
const programs = {
  import: `
const answers = {};
for (const entry of process.argv.slice(2)) {
  try {
    const file = import.meta.resolve(entry);
    if (!/[/]node_modules[/].*[.]js$/.test(file)) throw new Error("resolved to " + file);
    answers[entry] = Object.keys(await import(entry)).length;
  } catch (error) {
    answers[entry] = String(error?.stack ?? error);
  }
}
console.log(JSON.stringify(answers));
`,
  require: `
const answers = {};
for (const entry of process.argv.slice(2)) {
  try {
    answers[entry] = Object.keys(require(entry)).length;
  } catch (error) {
    answers[entry] = String(error?.stack ?? error);
  }
}
console.log(JSON.stringify(answers));
`,
} as const;

/** Imports and requires entries. Gives what is wrong, one paragraph each. */
export function brokenStarts(
  consumer: Consumer,
  entries: readonly string[],
  node: string,
): string[] {
  const files = {
    import: consumer.write("import.mjs", programs.import),
    require: consumer.write("require.cjs", programs.require),
  };
  return Object.entries(files).flatMap(([kind, file]) => {
    const { status, stdout, output } = consumer.run(node, [file, ...entries]);
    if (status !== 0) return [`${kind} of all entries failed\n${output}`];
    const answers = JSON.parse(stdout) as Readonly<Record<string, number | string>>;
    return entries.flatMap((entry) => {
      const answer = answers[entry];
      if (typeof answer === "number" && answer > 0) return [];
      return [`${kind} ${entry}: ${answer === 0 ? "it exports nothing" : String(answer)}`];
    });
  });
}
