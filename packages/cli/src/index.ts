/**
 * The `envelope` command as a function, for programs that run it in their own process.
 *
 * @module
 */
export { main } from "./main.ts";
export type { Host } from "./ui.ts";
export { exitCodeOf, exitCodes } from "./errors.ts";
export type { ExitCode } from "./errors.ts";
