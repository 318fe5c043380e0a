/**
 * Folders for a test's files.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

/**
 * Returns the path of a new folder.
 *
 * @param after - Says when it is removed, for example `afterAll`. Default: after the test.
 */
export function tempFolder(after: (remove: () => void) => void = onTestFinished): string {
  const folder = mkdtempSync(join(tmpdir(), "envelope-test-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
