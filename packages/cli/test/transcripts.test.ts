import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { expect, it } from "vitest";
import { formatTranscript, parseTranscript, play } from "./support/transcript.ts";

// UPDATE_TRANSCRIPTS=1 writes what came out; read the difference before you keep it.
const update = process.env["UPDATE_TRANSCRIPTS"] === "1";
const folder = join(import.meta.dirname, "transcripts");

for (const name of readdirSync(folder).toSorted()) {
  it(`goes as written in ${name}`, async ({ onTestFinished }) => {
    const path = join(folder, name);
    const text = readFileSync(path, "utf8");
    const steps = parseTranscript(text);
    expect(steps.length).toBeGreaterThan(2);
    const played = await play(steps, tempFolder(onTestFinished));
    if (update) writeFileSync(path, text.slice(0, text.indexOf("$ ")) + formatTranscript(played));
    else expect(formatTranscript(played)).toBe(formatTranscript(steps));
  });
}
