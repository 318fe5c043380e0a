/**
 * Text that is fit to be shown: cleaned, aligned, wrapped, with units.
 *
 * @module
 */
// Controls, which a terminal acts on, and characters that reorder or hide text. Line breaks are kept.
const UNPRINTABLE = /(?!\n)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** `text` with nothing in it that a terminal would act on. Line breaks stay. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped);
}

/** Like {@link printable}, for a single value: line breaks are escaped as well. */
export function printableLine(text: string): string {
  return printable(text).replaceAll("\n", "\\u000a");
}

/** `text` as one word of a POSIX shell. */
export function shellWord(text: string): string {
  return /^[\w./:@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
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

// Ideographs, kana, hangul, full-width forms and emoji take two cells of a terminal; marks take none.
const WIDE =
  /[\u1100-\u115F\u2E80-\u303E\u3041-\uA4CF\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{20000}-\u{3FFFD}]|\p{Emoji_Presentation}/u;
const MARK = /\p{Mn}/u;

/** How many cells of a terminal a line takes. */
export function widthOf(line: string): number {
  let width = 0;
  for (const character of line) width += MARK.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}

/** `text` with spaces behind it, as wide as `width`. */
export function padTo(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - widthOf(text)));
}

/** The end of `text`, which tells it from others, behind an ellipsis if there is more; at most `width` wide. */
export function endOf(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  const characters = Array.from(text);
  while (characters.length > 0 && widthOf(characters.join("")) > width - 1) characters.shift();
  return `…${characters.join("")}`;
}

/** Rows under a heading, in aligned columns. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, ...rows].map((row) => row.map(printableLine));
  const widths = head.map((_, column) =>
    lines.reduce((widest, line) => Math.max(widest, widthOf(line[column] ?? "")), 0),
  );
  return lines
    .map((line) =>
      line
        .map((cell, column) => padTo(cell, widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/**
 * Breaks a line at spaces so that it fits into `columns`. Words stay whole, even those that do not fit.
 *
 * @param columns - `undefined` breaks nothing.
 * @param hang - By how much the lines after the first are indented.
 */
export function wrapLine(line: string, columns: number | undefined, hang = 0): string {
  if (columns === undefined || widthOf(line) <= columns) return line;
  const [indent = ""] = /^ */.exec(line) ?? [];
  const lines: string[] = [];
  let current = indent;
  let gap = "";
  let empty = true;
  for (const part of line.slice(indent.length).split(/( +)/)) {
    if (part.startsWith(" ")) {
      gap = part;
    } else if (!empty && widthOf(current) + gap.length + widthOf(part) > columns) {
      lines.push(current);
      current = " ".repeat(hang) + part;
    } else {
      current += (empty ? "" : gap) + part;
      empty = false;
    }
  }
  return [...lines, current].join("\n");
}

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** `127 MB`, in decimal units, rounded to one decimal place. */
export function formatBytes(bytes: number): string {
  const [value, unit] = scaled(bytes);
  return `${value} ${unit}`;
}

/** Like {@link formatBytes}, but always 8 characters wide, so that changing figures do not move. */
export function fixedBytes(bytes: number): string {
  const [value, unit] = scaled(bytes);
  return `${value.toFixed(unit === "B" ? 0 : 1)} ${unit}`.padStart(8);
}

function scaled(bytes: number): [value: number, unit: (typeof UNITS)[number]] {
  for (let value = bytes, i = 0; ; value /= 1000, i++) {
    const rounded = i === 0 ? Math.round(value) : Math.round(value * 10) / 10;
    if (rounded < 1000 || i === UNITS.length - 1) return [rounded, UNITS[i] ?? "PB"];
  }
}

/** `2026-07-01`, in UTC. */
export function formatDay(date: Date): string {
  return date.toISOString().slice(0, 10);
}

/** `PendingDeletion` as `pending deletion`. */
export function formatState(state: string): string {
  return state.replaceAll(/(?<=[a-z])(?=[A-Z])/g, " ").toLowerCase();
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
