/**
 * `envelope config show`: an environment, and what its CMK URIs name.
 *
 * @module
 */
import { resolve } from "node:path";
import { EnvelopeError, isEnvelopeError } from "@env/core";
import { adapterOf, configFile, configOf } from "../providers.ts";
import { examples } from "../program.ts";
import { printableLine } from "../text.ts";
import type { Ui } from "../ui.ts";
import type { ConfigCommand } from "./config.ts";

export function addShow(config: ConfigCommand, ui: Ui): void {
  config
    .command("show")
    .summary("Show the effective settings of an environment, and what its CMK URIs name.")
    .description(
      "Show the effective settings of an environment, and what its CMK URIs name. No keystore is opened and no KMS is called. The output contains no credentials.",
    )
    .addHelpText("after", examples("envelope config show --environment production --json"))
    .action(async (_, command) => {
      const globals = command.optsWithGlobals();
      const {
        environment,
        cmks: uris,
        minWrapped,
        dataKeyCache,
        baseDirectory,
      } = await configOf(ui, globals);
      const cmks: Record<string, unknown>[] = [];
      for (const [index, uri] of uris.entries()) {
        const { provider, named } = await readUri(ui, uri).catch((error: unknown) => {
          if (!isEnvelopeError(error)) throw error;
          throw new EnvelopeError(error.code, `CMK ${index + 1}: ${error.message}`);
        });
        const { path } = named;
        const place = typeof path === "string" ? { path: resolve(baseDirectory, path) } : {};
        cmks.push({ provider, ...named, ...place });
      }
      const data = {
        config: configFile(globals) ?? null,
        environment,
        minWrapped: minWrapped ?? uris.length,
        dataKeyCache: dataKeyCache ?? null,
        cmks,
      };
      await ui.answer(drawShown(data), data);
    });
}

async function readUri(
  ui: Ui,
  uri: string,
): Promise<{ readonly provider: string; readonly named: Readonly<Record<string, unknown>> }> {
  const { provider, adapter } = await adapterOf(ui, uri);
  return { provider, named: await adapter.read(uri) };
}

function drawShown(data: {
  readonly config: string | null;
  readonly environment: string;
  readonly minWrapped: number;
  readonly dataKeyCache: object | null;
  readonly cmks: readonly Readonly<Record<string, unknown>>[];
}): string {
  return [
    ...(data.config === null ? [] : [line("config", data.config)]),
    line("environment", data.environment),
    line("minWrapped", `${data.minWrapped} of ${data.cmks.length}`),
    ...(data.dataKeyCache === null ? [] : [line("dataKeyCache", data.dataKeyCache)]),
    ...data.cmks.flatMap(({ provider, ...named }, index) => [
      line(`CMK ${index + 1}`, provider),
      ...Object.entries(named).map(([name, value]) => `  ${line(name.padEnd(11), value)}`),
    ]),
  ].join("\n");
}

function line(name: string, value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return printableLine(`${name.padEnd(13)}${text}`);
}
