/**
 * Text that is fit to be shown: cleaned, aligned, with units.
 *
 * @module
 */
import prettyBytes from "pretty-bytes";

// Controls, which a terminal acts on, and characters that reorder or hide text. Line breaks are kept.
const UNPRINTABLE = /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** `text` with nothing in it that a terminal would act on. Line breaks stay. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

/** As {@link printable}, for a single value: line breaks go too. */
export function printableLine(text: string): string {
  return printable(text).replaceAll("\n", "\\u000a");
}

/** JSON in which strings hold no character that a terminal would act on. */
export function jsonText(data: unknown, indent?: number): string {
  return printable(JSON.stringify(data, null, indent));
}

function escaped(character: string): string {
  let out = "";
  for (let i = 0; i < character.length; i++) {
    out += `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`;
  }
  return out;
}

/** Rows under a heading, in aligned columns. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows].map((row) => row.map(printableLine));
  const widths = head.map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  return lines
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** `127 MB`, in decimal units. */
export function formatBytes(bytes: number): string {
  return prettyBytes(bytes, { maximumFractionDigits: 1 });
}

export function formatRate(bytes: number, ms: number): string {
  return `${formatBytes((bytes * 1000) / Math.max(ms, 1))}/s`;
}

/** `0:07`, `1:02:03`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.ceil(ms / 1000));
  const parts = [Math.floor(seconds / 60) % 60, seconds % 60];
  if (seconds >= 3600) parts.unshift(Math.floor(seconds / 3600));
  return parts.map((part, i) => (i === 0 ? String(part) : String(part).padStart(2, "0"))).join(":");
}

/** `"1 file"`, `"2 files"`. */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
