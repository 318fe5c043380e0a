import type { CommandOutline } from "../../src/outline.ts";

/** A command with nothing but a path, and what a test needs of the rest. */
export function commandOutline(path: string, more: Partial<CommandOutline> = {}): CommandOutline {
  return {
    path,
    summary: "",
    description: "",
    usage: "",
    options: [],
    arguments: [],
    commands: [],
    ...more,
  };
}
