/**
 * A certificate and its key in files, read anew when they change: whoever renews them does not have to restart the server.
 *
 * @module
 */
import { readFileSync, unwatchFile, watchFile } from "node:fs";
import type { SecureContextOptions } from "node:tls";
import type { TlsFiles } from "./options.ts";

/** Milliseconds between two looks at the files. Unlike notifications, a look sees files that are replaced by links. */
const INTERVAL = 1000;

/** Reads both files. @throws what reading fails with, or an Error if they are not a certificate and its key. */
export function readTls({ certFile, keyFile }: TlsFiles): SecureContextOptions {
  const options: SecureContextOptions = {
    cert: readFileSync(certFile),
    key: readFileSync(keyFile),
    minVersion: "TLSv1.2",
  };
  // Loaded by those who use TLS.
  process.getBuiltinModule("node:tls").createSecureContext(options);
  return options;
}

/**
 * Watches both files. As long as they do not fit each other, such as between the writes of a renewal, the former ones
 * are used.
 *
 * @param use - Is given what has been read.
 * @param failed - Is told why it cannot be used.
 * @returns A function that ends it.
 */
export function watchTls(
  files: TlsFiles,
  use: (options: SecureContextOptions) => void,
  failed: (error: unknown) => void,
): () => void {
  const look = (): void => {
    try {
      use(readTls(files));
    } catch (error) {
      failed(error);
    }
  };
  const paths = [files.certFile, files.keyFile];
  for (const path of paths) watchFile(path, { interval: INTERVAL, persistent: false }, look);
  return () => {
    for (const path of paths) unwatchFile(path, look);
  };
}
