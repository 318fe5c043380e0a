/**
 * Bar charts as SVG, one file per chart, without a library.
 *
 * Colours come from a style sheet in the file that follows the reader's light or dark setting; text
 * and bars are dark on light and light on dark, on a transparent ground.
 *
 * @module
 */

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** The value as it is read: "1,850 MiB/s". */
  readonly text: string;
  /** Whether this bar is ours, which is drawn in colour. */
  readonly ours: boolean;
}

export interface Chart {
  readonly title: string;
  readonly bars: readonly Bar[];
}

const WIDTH = 760;
const LABELS = 250;
const VALUES = 130;
const BAR = 18;
const STEP = 26;
const TOP = 40;

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328; }
  .title { font-weight: 600; font-size: 15px; }
  .ours { fill: #0a6cc4; }
  .peer { fill: #9aa4af; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .ours { fill: #58a6ff; }
    .peer { fill: #6e7781; }
  }`;

/** Lengths are proportional to values, from zero. */
export function barChart({ title, bars }: Chart): string {
  const most = Math.max(...bars.map(({ value }) => value));
  const height = TOP + bars.length * STEP + 8;
  const drawn = bars.map(({ label, value, text, ours }, i) => {
    const y = TOP + i * STEP;
    const width = Math.max(1, (value / most) * (WIDTH - LABELS - VALUES));
    const middle = y + BAR - 5;
    return [
      `  <text x="${LABELS - 10}" y="${middle}" text-anchor="end">${escape(label)}</text>`,
      `  <rect class="${ours ? "ours" : "peer"}" x="${LABELS}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2"/>`,
      `  <text x="${(LABELS + width + 8).toFixed(1)}" y="${middle}">${escape(text)}</text>`,
    ].join("\n");
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img">`,
    `  <title>${escape(title)}</title>`,
    `  <style>${STYLE}\n  </style>`,
    `  <text class="title" x="0" y="20">${escape(title)}</text>`,
    ...drawn,
    "</svg>",
    "",
  ].join("\n");
}

function escape(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
