/**
 * The rows as text: for a terminal and for Markdown.
 *
 * @module
 */
import { median, ratio, spread } from "./measure.ts";
import { verdict, type Row } from "./row.ts";

const HEAD = ["figure", "ours", "peer", "", "ratio", "has to be", "spread", ""] as const;
/** Numbers stand right. */
const RIGHT = new Set([1, 3, 4, 5, 6]);

/** Cells of one row, in the order of {@link HEAD}. */
export function cellsOf(row: Row): string[] {
  const ours = row.ours === undefined ? "" : quantity(median(row.ours), row.unit);
  const noise = row.ours === undefined ? "" : percent(spread(row.ours));
  if (row.kind === "limit") {
    const below = row.below === undefined ? "" : `< ${quantity(row.below, row.unit)}`;
    return [row.figure, ours, "", "", "", below, noise, verdict(row)];
  }
  const { peer, theirs, atLeast } = row;
  const measured = theirs === undefined ? "" : quantity(median(theirs), row.unit);
  const times = theirs === undefined ? "" : ratio(row.ours, theirs).toFixed(2);
  const bound = atLeast === undefined ? "" : `≥ ${atLeast}`;
  const both = theirs === undefined ? noise : `${noise} / ${percent(spread(theirs))}`;
  return [row.figure, ours, peer, measured, times, bound, both, verdict(row)];
}

/** The rows as a table for a terminal, followed by the notes. */
export function textTable(rows: readonly Row[]): string {
  const lines = [HEAD, ...rows.map((row) => cellsOf(row))];
  const widths = HEAD.map((_, column) =>
    Math.max(...lines.map((cells) => (cells[column] ?? "").length)),
  );
  const text = lines.map((cells) =>
    cells
      .map((cell, i) =>
        RIGHT.has(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
  return [...text, "", ...notesOf(rows)].join("\n");
}

/** The rows as a table for a document. */
export function markdownTable(rows: readonly Row[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const marks = HEAD.map((_, i) => (RIGHT.has(i) ? "--:" : "---"));
  const notes = notesOf(rows).map((note) => `- ${note}`);
  return [line(HEAD), line(marks), ...rows.map((row) => line(cellsOf(row))), "", ...notes].join(
    "\n",
  );
}

/** Each note once, with the figures it is about. */
function notesOf(rows: readonly Row[]): string[] {
  const figures = new Map<string, Set<string>>();
  for (const { figure, note } of rows) {
    if (note === undefined) continue;
    figures.set(note, (figures.get(note) ?? new Set()).add(figure));
  }
  return [...figures].map(([note, about]) => `${[...about].join("; ")}: ${note}`);
}

/** A number with its unit, in three digits or whole. */
export function quantity(value: number, unit: Row["unit"]): string {
  const digits = unit === "reads" || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  const text = value.toLocaleString("en-US", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
  });
  return `${text} ${unit}`;
}

function percent(part: number): string {
  return `${Math.round(part * 100)} %`;
}
