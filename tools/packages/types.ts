/**
 * Whether the packages' types compile in a strict project, with nothing skipped.
 *
 * @module
 */
import { join } from "node:path";
import type { Consumer } from "./consumer.ts";
import type { Document } from "./programs.ts";

/** Generic typed arrays came with it; declarations of core use them. */
export const OLDEST_TYPESCRIPT = "5.7.3";

/** Tried besides the one of this workspace: the oldest, and the last of each line since. */
export const OLDER_TYPESCRIPTS: readonly string[] = [OLDEST_TYPESCRIPT, "5.9.3", "6.0.3"];

const onNode = { lib: ["es2023", "esnext.disposable"], types: ["node"] } as const;

/** Ways of resolving modules. In a browser there are no types of Node, and only `@env/core`. */
const modes = {
  nodenext: { ...onNode, module: "nodenext" },
  bundler: { ...onNode, module: "esnext", moduleResolution: "bundler" },
  browser: {
    lib: ["es2022", "dom", "esnext.disposable"],
    types: [],
    module: "esnext",
    moduleResolution: "bundler",
  },
} as const;

const BROWSER_ENTRIES = ["@env/core", "@env/core/driver", "@env/core/message"];

/**
 * Type errors, one paragraph per way of resolving modules.
 *
 * @param compiler - The folder of a TypeScript package.
 */
export function brokenTypes(
  consumer: Consumer,
  compiler: string,
  entries: readonly string[],
  documents: readonly Document[],
): string[] {
  const everywhere = consumer.write("types/browser.ts", programOf(BROWSER_ENTRIES));
  const programs = documents.flatMap((document) =>
    document.programs.filter(({ info }) => info === "ts run"),
  );
  const files = [
    consumer.write("types/entries.ts", programOf(entries)),
    ...programs.map(({ code }, n) => consumer.write(`types/program${n}.ts`, code)),
  ];
  return Object.entries(modes).flatMap(([mode, options]) => {
    const compilerOptions = {
      ...options,
      target: "es2022",
      strict: true,
      skipLibCheck: false,
      noEmit: true,
    };
    const project = consumer.write(
      `types/tsconfig.${mode}.json`,
      JSON.stringify({ compilerOptions, files: mode === "browser" ? [everywhere] : files }),
    );
    const tsc = join(compiler, "bin/tsc");
    const { status, output } = consumer.run(process.execPath, [
      tsc,
      "-p",
      project,
      "--pretty",
      "false",
    ]);
    return status === 0 ? [] : [`${mode}: the types do not compile\n${output}`];
  });
}

/** Uses all of some entries, so that a compiler cannot leave an import out. */
function programOf(entries: readonly string[]): string {
  const imports = entries.map((entry, n) => `import * as entry${n} from "${entry}";`);
  const uses = entries.map((_, n) => `export const names${n} = Object.keys(entry${n});`);
  return [...imports, ...uses, ""].join("\n");
}
