/**
 * Lists in pages: a marker is the position of the last item that was returned.
 *
 * @module
 */
import { KmsError } from "../catalogue/errors.ts";
import type { Page } from "./shapes.ts";

/** Ends a page. `next` is where the following one starts, in ASCII; `undefined`: there is none. */
export function toPage(next: string | undefined): Page {
  return next === undefined ? { Truncated: false } : { Truncated: true, NextMarker: marker(next) };
}

/**
 * The position in a marker.
 *
 * @param pattern - What this list's positions look like.
 * @throws {@link KmsError} `InvalidMarkerException`
 */
export function fromMarker(text: string | undefined, pattern: RegExp): string | undefined {
  if (text === undefined) return undefined;
  const position =
    typeof text === "string" ? Buffer.from(text, "base64url").toString("latin1") : "";
  if (pattern.test(position) && marker(position) === text) return position;
  throw new KmsError("InvalidMarkerException", "the marker is not one that this call returned");
}

function marker(position: string): string {
  return Buffer.from(position, "latin1").toString("base64url");
}
