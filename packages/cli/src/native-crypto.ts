/**
 * The crypto backend of the executable: `@env/native` where it is installed beside the command, otherwise
 * the one of Node.
 *
 * @module
 */
import { cryptoBackend, useCryptoBackend, type CryptoBackend } from "@env/core/crypto";

interface BackendModule {
  readonly default: CryptoBackend;
}

const NAME = "@env/native";

/**
 * Uses `@env/native` if it is installed.
 *
 * @param load - Default: imports it.
 * @returns Why it cannot be used although it is installed.
 */
export async function useNativeCrypto(
  load: () => Promise<BackendModule> = () => import(NAME),
): Promise<string | undefined> {
  try {
    useCryptoBackend((await load()).default);
    return undefined;
  } catch (error) {
    return isMissing(error) ? undefined : String(error instanceof Error ? error.message : error);
  }
}

/** Names the backend at work: `node (OpenSSL 3.5.8)`. */
export function cryptoInUse(): string {
  const { name, version } = cryptoBackend();
  return `${name} (${version})`;
}

/**
 * Whether the package was not found, or its addon for this platform: not every platform has one, and a clone of the
 * repository has none before it is built. A package that lacks another part does not load.
 */
function isMissing(error: unknown): boolean {
  const { code, message, cause }: NodeJS.ErrnoException & { readonly cause?: unknown } =
    error instanceof Error ? error : new Error();
  if (code === "ERR_MODULE_NOT_FOUND") return message.includes(`'${NAME}'`);
  return code === "ERR_ENVELOPE_UNSUPPORTED" && codeOf(cause) === "MODULE_NOT_FOUND";
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
