/**
 * Writes the pages of the API reference: one for each entry of a published package, from its sources and their
 * docstrings.
 *
 * @module
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Application, OptionDefaults, type ProjectReflection } from "typedoc";
import type { PluginOptions } from "typedoc-plugin-markdown";
import {
  isInternal,
  readPackages,
  repositoryPage,
  root,
  type Target,
} from "../../tools/workspace.ts";

export interface ApiEntry {
  /** What a program imports: `@env/core/message`. */
  readonly name: string;
  /** Its module, relative to the repository. */
  readonly source: string;
}

/** What programs can import from the published packages. */
export function apiEntries(): ApiEntry[] {
  return readPackages().flatMap(({ dir, manifest }) =>
    Object.entries(manifest.exports ?? {}).flatMap(([subpath, target]) => {
      const source = sourceOf(target);
      if (source === undefined || isInternal(target)) return [];
      return [{ name: join(manifest.name, subpath), source: join(dir, source) }];
    }),
  );
}

function sourceOf(target: Target): string | undefined {
  if (typeof target === "string") return undefined;
  const source = target["@env/source"];
  return typeof source === "string" && source.endsWith(".ts") ? source : undefined;
}

/** @param folder - Where the pages are written; what it held is removed. */
export async function writeApi(folder: string): Promise<void> {
  const entries = apiEntries();
  const options: Partial<PluginOptions> & Parameters<typeof Application.bootstrap>[0] = {
    entryPoints: entries.map(({ source }) => join(root, source)),
    tsconfig: join(root, "docs/tsconfig.json"),
    plugin: [fileURLToPath(import.meta.resolve("typedoc-plugin-markdown"))],
    router: "module",
    readme: "none",
    blockTags: [...OptionDefaults.blockTags, "@alias"],
    excludeInternal: true,
    excludePrivate: true,
    disableGit: true,
    // Paths are relative to the folder that all entries share.
    sourceLinkTemplate: `${repositoryPage()}/blob/main/packages/{path}#L{line}`,
    basePath: root,
    hideBreadcrumbs: true,
    hidePageHeader: true,
    entryFileName: "index",
    useCodeBlocks: true,
    useHTMLEncodedBrackets: true,
    sanitizeComments: true,
    parametersFormat: "table",
    interfacePropertiesFormat: "table",
    typeDeclarationFormat: "table",
    typeAliasPropertiesFormat: "table",
    textContentMappings: { "title.indexPage": "API reference" },
    // The target `types` checks the same files.
    skipErrorChecking: true,
    logLevel: "Warn",
  };
  const app = await Application.bootstrapWithPlugins(options);
  const project = await app.convert();
  if (project === undefined || app.logger.hasErrors())
    throw new Error("TypeDoc cannot read the sources");
  name(project, entries);
  app.options.setValue("outputs", [{ name: "markdown", path: folder }]);
  await app.generateOutputs(project);
}

function name(project: ProjectReflection, entries: readonly ApiEntry[]): void {
  for (const module of project.children ?? []) {
    const file = module.sources?.[0]?.fullFileName;
    const entry = entries.find(({ source }) => join(root, source) === file);
    if (entry !== undefined) module.name = entry.name;
  }
}
