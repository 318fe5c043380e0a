/**
 * Standard base64 with padding as Go decodes it, with the position that Go names.
 *
 * Source: Go encoding/base64, Encoding.decodeQuantum
 *
 * @module
 */
import type { Bytes } from "@env/core";

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** The bytes, or the error's text: `illegal base64 data at input byte 3`. */
export function decodeBase64(text: string): Bytes | string {
  const at = firstIllegal(text);
  if (at !== undefined) return `illegal base64 data at input byte ${at}`;
  return new Uint8Array(Buffer.from(text, "base64"));
}

/** Ignores line breaks anywhere, and spare bits at the end. */
function firstIllegal(text: string): number | undefined {
  let held = 0;
  let at = 0;
  const skipBreaks = (): void => {
    while (text[at] === "\n" || text[at] === "\r") at++;
  };
  for (;;) {
    skipBreaks();
    if (at === text.length) return held === 0 ? undefined : at - held;
    const character = text[at++] ?? "";
    if (alphabet.includes(character)) {
      held = (held + 1) % 4;
      continue;
    }
    if (character !== "=" || held < 2) return at - 1;
    if (held === 2) {
      skipBreaks();
      if (at === text.length) return at;
      if (text[at] !== "=") return at - 1;
      at++;
    }
    skipBreaks();
    return at < text.length ? at : undefined;
  }
}
