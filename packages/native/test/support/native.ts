/**
 * The backend, where its addon was built. What needs it is skipped elsewhere, with the reason in the log.
 *
 * @module
 */
import type { CryptoBackend } from "@env/core/crypto";

async function load(): Promise<CryptoBackend | undefined> {
  try {
    return (await import("../../src/index.ts")).default;
  } catch (error) {
    // One that is there and cannot be loaded is a failure.
    const cause = error instanceof Error ? error.cause : undefined;
    if (!(cause instanceof Error && "code" in cause && cause.code === "MODULE_NOT_FOUND"))
      throw error;
    console.log(
      "skipped: the addon is not built (pnpm exec nx addon @env/native, where cargo is installed)",
    );
    return undefined;
  }
}

const loaded = await load();

export const isBuilt: boolean = loaded !== undefined;

/** The backend. Only for tests that do not run unless {@link isBuilt}. */
export function native(): CryptoBackend {
  if (loaded === undefined) throw new Error("the addon is not built");
  return loaded;
}
