/**
 * The files of the console's pages, read once into memory.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { extname, join, sep } from "node:path";
import { gzipSync } from "node:zlib";

/** A file as it is sent. */
export interface Asset {
  readonly contentType: string;
  readonly body: Uint8Array;
  /** Absent where it would not be shorter. */
  readonly gzipped: Uint8Array | undefined;
  /** Strong, and another one for `gzipped`. */
  readonly etag: string;
  /** Whether the name changes with the content. */
  readonly immutable: boolean;
}

const contentTypes: ReadonlyMap<string, string> = new Map([
  [".css", "text/css; charset=utf-8"],
  [".html", "text/html; charset=utf-8"],
  [".ico", "image/x-icon"],
  [".js", "text/javascript; charset=utf-8"],
  [".png", "image/png"],
  [".svg", "image/svg+xml"],
  [".woff2", "font/woff2"],
]);

const INDEX = "index.html";
/** Vite names the files in this folder by their content. */
const HASHED = "assets/";
/** The bounds are for a folder that is not the console's. */
const MAX_FILES = 500;
const MAX_BYTES = 8 * 2 ** 20;

export class Assets {
  readonly #files: ReadonlyMap<string, Asset>;
  readonly #index: Asset;

  /** @throws TypeError for a folder that is not one of a console. */
  constructor(folder: string) {
    const names = namesIn(folder);
    const known = names.filter((name) => contentTypes.has(extname(name)));
    if (known.length > MAX_FILES) throw notConsole(folder, `it has more than ${MAX_FILES} files`);
    this.#files = new Map(known.map((name) => [name.replaceAll(sep, "/"), read(folder, name)]));
    const index = this.#files.get(INDEX);
    if (index === undefined)
      throw notConsole(folder, `it has no ${INDEX}: build the console first`);
    this.#index = index;
    const bytes = [...this.#files.values()].reduce((sum, { body }) => sum + body.length, 0);
    if (bytes > MAX_BYTES) throw notConsole(folder, `it has more than ${MAX_BYTES} bytes`);
  }

  /**
   * The file at a path below `/console/`. The page itself finds out what to show at paths that are not those of files, except
   * where only files are.
   */
  at(path: string): Asset | undefined {
    return this.#files.get(path) ?? (path.startsWith(HASHED) ? undefined : this.#index);
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: "utf8" });
  } catch {
    throw notConsole(folder, "it cannot be read");
  }
}

function read(folder: string, name: string): Asset {
  const body = readFileSync(join(folder, name));
  const gzipped = gzipSync(body, { level: 9 });
  return {
    contentType: contentTypes.get(extname(name)) ?? "application/octet-stream",
    body,
    gzipped: gzipped.length < body.length ? gzipped : undefined,
    etag: createHash("sha256").update(body).digest("base64url"),
    immutable: name.replaceAll(sep, "/").startsWith(HASHED),
  };
}

function notConsole(folder: string, problem: string): TypeError {
  return new TypeError(
    `console.folder ${folder} does not have the files of the console: ${problem}`,
  );
}
