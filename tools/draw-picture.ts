/**
 * Draws `docs/envelope-encryption.svg`, the picture of the README, from what it shows: three parties, and six steps between
 * them.
 *
 * The mistake it stops: a picture that shows what the program no longer does, because nobody can edit it. With `--check` it
 * fails where the file is not what it would draw.
 *
 *     node --conditions=@env/source tools/draw-picture.ts [--check]
 *
 * @module
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { command, report } from "./command.ts";
import { root } from "./workspace.ts";

const WIDTH = 880;
const HEIGHT = 452;
/** Where the boxes of the parties end, and what each of them sees begins. */
const FOOT = 356;

/** What moves or is kept, by its color. */
type Thing = "ciphertext" | "CMK" | "context" | "data key" | "plaintext" | "wrapped";

interface Party {
  readonly title: string;
  readonly below: string;
  readonly left: number;
  readonly right: number;
  readonly sees: string;
  readonly never: string;
}

const kms: Party = {
  title: "KMS",
  below: "AWS, Google, Vault, your own",
  left: 10,
  right: 190,
  sees: "sees keys and the context",
  never: "never sees your data",
};
const application: Party = {
  title: "Your application",
  below: "the only place with plaintext",
  left: 350,
  right: 560,
  sees: "sees plaintext and data keys",
  never: "never sees the CMK",
};
const storage: Party = {
  title: "Storage",
  below: "a database, a disk, a bucket",
  left: 690,
  right: 870,
  sees: "sees ciphertext and lengths",
  never: "cannot open any of it",
};

const shapes: readonly string[] = [
  ...[kms, application, storage].flatMap(party),
  // Both directions need the CMK, which is drawn once.
  ...chips(kms, 191, ["CMK"]),
  label("small", middle(kms), 232, "never leaves"),

  // Writing.
  ...step("1  GenerateDataKey", application, kms, 92),
  ...chips([kms, application], 102, ["context"]),
  ...chips([kms, application], 140, ["data key", "wrapped"]),
  ...arrow(kms.right, application.left, 164),
  label("step", middle(application), 104, "2  encrypt"),
  ...change(120, "plaintext", "ciphertext"),
  label("small", middle(application), 164, "then forget the data key"),
  ...step("3  store both", application, storage, 154),
  ...chips(storage, 144, ["wrapped", "ciphertext"]),
  label("small", middle(storage), 184, "one message"),
  `<path class="rule" d="M${kms.right + 10} 206H${storage.left - 10}"/>`,

  // Reading.
  ...step("4  read", storage, application, 252),
  ...step("5  Decrypt", application, kms, 252),
  ...chips([kms, application], 262, ["context", "wrapped"]),
  ...chips([kms, application], 300, ["data key"]),
  ...arrow(kms.right, application.left, 324),
  label("step", middle(application), 294, "6  verify, then decrypt"),
  ...change(310, "ciphertext", "plaintext"),

  label(
    "small",
    WIDTH / 2,
    440,
    "context: who may open the message and what it is for, such as tenant=acme. It is not secret.",
  ),
];

const DESCRIPTION =
  "To write, the application calls GenerateDataKey and gets a data key and the same key wrapped by the CMK. It encrypts with the data key and stores the wrapped key and the ciphertext as one message. To read, it sends the wrapped key and the context to the KMS, gets the data key back, verifies and decrypts. The KMS never sees the data, and the storage never sees the data key or the plaintext.";

/** Colors by class, in light and in dark. The text is of the same size everywhere, so widths of chips can be computed. */
const STYLE = `
  text { font: 13px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328; }
  .title { font-size: 16px; font-weight: 600; }
  .step, .strong { font-weight: 600; }
  .small { font-size: 11.5px; fill: #59636e; }
  .chip { font-size: 12px; }
  .back { fill: #ffffff; }
  .box { fill: #f6f8fa; stroke: #d1d9e0; }
  .arrow { stroke: #59636e; stroke-width: 1.5; fill: none; }
  .head { fill: #59636e; }
  .rule { stroke: #d1d9e0; stroke-dasharray: 4 4; }
  .data-key { fill: #ffd8a8; }
  .cmk { fill: #ffb3ad; }
  .wrapped { fill: #e5d7fb; stroke: #8250df; }
  .plaintext { fill: #b7e4c7; }
  .ciphertext { fill: #d0d7de; }
  .context { fill: #ffffff; stroke: #d1d9e0; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .small { fill: #9198a1; }
    .back { fill: #0d1117; }
    .box { fill: #151b23; stroke: #3d444d; }
    .arrow { stroke: #9198a1; }
    .head { fill: #9198a1; }
    .rule { stroke: #3d444d; }
    .data-key { fill: #7a4a00; }
    .cmk { fill: #8e1519; }
    .wrapped { fill: #3c2a63; stroke: #ab7df8; }
    .plaintext { fill: #1b5e33; }
    .ciphertext { fill: #3d444d; }
    .context { fill: #0d1117; stroke: #3d444d; }
  }
  `;

/** The picture, as SVG. */
export function picture(): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-labelledby="title description">
  <title id="title">Envelope encryption: who sees what</title>
  <desc id="description">${DESCRIPTION}</desc>
  <style>${STYLE}</style>
  <rect class="back" width="${WIDTH}" height="${HEIGHT}" rx="12"/>
${shapes.map((shape) => `  ${shape}\n`).join("")}</svg>
`;
}

await command(import.meta, (args) => {
  const file = join(root, "docs/envelope-encryption.svg");
  if (!args.includes("--check")) writeFileSync(file, picture());
  const isDrawn = readFileSync(file, "utf8") === picture();
  const finding = "docs/envelope-encryption.svg is stale; run tools/draw-picture.ts and commit it";
  return report("picture", isDrawn ? [] : [finding], "docs/envelope-encryption.svg is drawn");
});

function party(one: Party): readonly string[] {
  const { left, right, title, below, sees, never } = one;
  const x = middle(one);
  return [
    `<rect class="box" x="${left}" y="10" width="${right - left}" height="${FOOT - 10}" rx="10"/>`,
    label("title", x, 36, title),
    label("small", x, 55, below),
    label("plain", x, FOOT + 30, sees),
    label("strong", x, FOOT + 52, never),
  ];
}

/** What one party asks of another, or gives to it. */
function step(text: string, from: Party, to: Party, y: number): readonly string[] {
  const [start, end] = from.left < to.left ? [from.right, to.left] : [from.left, to.right];
  return [label("step", (start + end) / 2, y - 10, text), ...arrow(start, end, y)];
}

/** What the application makes of something. */
function change(y: number, from: Thing, to: Thing): readonly string[] {
  const { left, right } = application;
  const [start, end] = [left + 8 + widthOf(from), right - 8 - widthOf(to)];
  return [...chip(left + 8, y, from), ...arrow(start + 4, end - 4, y + 10), ...chip(end, y, to)];
}

/** Things side by side, in the middle of a party or between two. */
function chips(
  where: Party | readonly [Party, Party],
  y: number,
  things: readonly Thing[],
): readonly string[] {
  const gap = 4;
  const width = things.reduce((sum, thing) => sum + widthOf(thing) + gap, -gap);
  const center = "title" in where ? middle(where) : (where[0].right + where[1].left) / 2;
  let x = center - width / 2;
  return things.flatMap((thing) => {
    const drawn = chip(x, y, thing);
    x += widthOf(thing) + gap;
    return drawn;
  });
}

function chip(x: number, y: number, thing: Thing): readonly string[] {
  const width = widthOf(thing);
  const name = thing.toLowerCase().replace(" ", "-");
  return [
    `<rect class="${name}" x="${x}" y="${y}" width="${width}" height="20" rx="4"/>`,
    label("chip", x + width / 2, y + 14, thing),
  ];
}

function arrow(from: number, to: number, y: number): readonly string[] {
  const back = Math.sign(from - to);
  return [
    `<path class="arrow" d="M${from} ${y}H${to + 7 * back}"/>`,
    `<path class="head" d="M${to} ${y}l${9 * back} -5v10z"/>`,
  ];
}

function label(kind: string, x: number, y: number, text: string): string {
  return `<text class="${kind}" x="${x}" y="${y}" text-anchor="middle">${text}</text>`;
}

function middle({ left, right }: Party): number {
  return (left + right) / 2;
}

function widthOf(thing: Thing): number {
  return 36 + 4 * thing.length;
}
