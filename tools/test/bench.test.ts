import { describe, expect, it } from "vitest";
import { parseSpeed } from "../bench/figures/memory.ts";
import { median, ratio, spread, takeTurns } from "../bench/measure.ts";
import { chartsOf, toJson, withMeasured, type Run } from "../bench/report.ts";
import { verdict, type Row } from "../bench/row.ts";
import { barChart } from "../bench/svg.ts";
import { cellsOf, markdownTable, quantity, textTable } from "../bench/table.ts";

const faster = {
  kind: "comparison",
  figure: "stream encrypt",
  unit: "MiB/s",
  ours: [1900, 2000, 2200],
  peer: "snail",
  theirs: [100, 100, 110],
  atLeast: 12,
} as const satisfies Row;
const slower: Row = { ...faster, peer: "hare", theirs: [1900, 2000, 2200], atLeast: 1.5 };
const absent: Row = { ...faster, peer: "ghost", theirs: undefined, note: "missing: get it" };
const light = {
  kind: "limit",
  figure: "memory",
  unit: "MB",
  ours: [60, 58, 59],
  below: 96,
} as const;
const rows = [faster, slower, absent, light];

const run: Run = {
  date: "2026-01-31",
  quick: false,
  rounds: 3,
  machine: {
    packages: "built",
    cpu: "A processor",
    cores: 2,
    memoryGiB: 8,
    system: "linux x64",
    node: "24.0.0",
    opensslInNode: "3.5.0",
    peers: { snail: "1.0.0", openssl: "OpenSSL 3.0.0" },
    loadBefore: 0.1,
  },
  rows,
};

describe("numbers", () => {
  it("take the middle, or the mean of two in the middle", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([10, 1, 2, 4])).toBe(3);
    expect(() => median([])).toThrow("nothing was measured");
  });

  it("have a spread that is a part of the median, and none where all are equal", () => {
    expect(spread([90, 100, 130])).toBeCloseTo(0.4);
    expect(spread([0, 0])).toBe(0);
  });

  it("are compared within their round, so that a slow minute hits both sides", () => {
    expect(ratio([100, 10, 100], [50, 5, 50])).toBe(2);
    expect(ratio([100, 10, 1], [50, 10, 10])).toBe(1);
    expect(() => ratio([1, 2], [1])).toThrow(RangeError);
  });
});

describe("turns", () => {
  it("shift by one from round to round, after a round that is not counted", async () => {
    const order: string[] = [];
    let clock = 0;
    const side = (name: string) => ({ name, measure: () => ++clock });
    const values = await takeTurns([side("a"), side("b"), side("c")], {
      rounds: 2,
      prepare: () => void order.push("|"),
      turn: (name, round) => void order.push(name + round),
    });
    expect(order.join(" ")).toBe("| a0 b0 c0 | b1 c1 a1 | c2 a2 b2");
    expect(values).toEqual(
      new Map([
        ["a", [6, 8]],
        ["b", [4, 9]],
        ["c", [5, 7]],
      ]),
    );
  });

  it("refuse what is no measurement", async () => {
    const broken = { name: "broken", measure: () => Number.NaN };
    await expect(takeTurns([broken], { rounds: 1 })).rejects.toThrow("broken measured NaN");
  });
});

describe("a row", () => {
  it("is ok, short or missing, and nothing where nothing was promised", () => {
    expect(rows.map(verdict)).toEqual(["ok", "short", "missing", "ok"]);
    expect(verdict({ ...light, ours: [96] })).toBe("short");
    expect(verdict({ ...light, ours: undefined })).toBe("missing");
    const { atLeast: _, ...free } = faster;
    expect(verdict(free)).toBe("");
  });

  it("shows both sides, their ratio and their noise", () => {
    expect(cellsOf(faster)).toEqual([
      "stream encrypt",
      "2,000 MiB/s",
      "snail",
      "100 MiB/s",
      "20.00",
      "≥ 12",
      "15 % / 10 %",
      "ok",
    ]);
    expect(cellsOf(light)).toEqual(["memory", "59.0 MB", "", "", "", "< 96.0 MB", "3 %", "ok"]);
  });

  it("names a peer that is missing, and how to get it", () => {
    expect(cellsOf(absent)[2]).toBe("ghost");
    expect(textTable(rows)).toContain("stream encrypt: missing: get it");
  });

  it("stands in columns of equal width", () => {
    const lines = textTable(rows).split("\n").slice(0, 4);
    expect(new Set(lines.map((line) => line.indexOf(" MiB/s") > 0 || line[0] === "f"))).toEqual(
      new Set([true]),
    );
    expect(new Set(lines.slice(1).map((line) => line.indexOf("2,000 MiB/s"))).size).toBe(1);
    expect(markdownTable(rows).split("\n")).toHaveLength(rows.length + 4);
  });

  it("rounds to three digits, and counts whole", () => {
    expect(quantity(1234.5, "MiB/s")).toBe("1,235 MiB/s");
    expect(quantity(12.34, "ms")).toBe("12.3 ms");
    expect(quantity(1.234, "ms")).toBe("1.23 ms");
    expect(quantity(2, "reads")).toBe("2 reads");
  });
});

describe("a chart", () => {
  it("has a bar for each side that was measured, of lengths like the values", () => {
    const charts = chartsOf(rows);
    expect([...charts.keys()]).toEqual(["stream-encrypt.svg"]);
    const chart = charts.get("stream-encrypt.svg");
    expect(chart?.bars.map(({ label }) => label)).toEqual(["env", "snail", "hare"]);
    const svg = barChart(chart ?? { title: "", bars: [] });
    const widths = [...svg.matchAll(/<rect [^>]*? width="([\d.]+)"/g)].map((match) =>
      Number(match[1]),
    );
    expect((widths[1] ?? 0) / (widths[0] ?? 1)).toBeCloseTo(100 / 2000, 3);
    expect(svg).toContain("prefers-color-scheme: dark");
  });

  it("is well-formed whatever a name holds", () => {
    const bars = [{ label: `<b> & "c"`, value: 1, text: "1", ours: true }];
    const svg = barChart({ title: "a < b", bars });
    expect(svg).toContain("&lt;b&gt; &amp; &quot;c&quot;");
    expect(svg).toContain("<title>a &lt; b</title>");
  });
});

describe("a report", () => {
  it("keeps all values beside what was made of them", () => {
    const { rows: kept, machine } = JSON.parse(toJson(run)) as {
      rows: Record<string, unknown>[];
      machine: object;
    };
    expect(kept[0]).toMatchObject({ ...faster, median: 2000, theirMedian: 100, ratio: 20 });
    expect(kept[2]).toMatchObject({ peer: "ghost", verdict: "missing" });
    expect(machine).toEqual(run.machine);
  });

  it("replaces what stands between the marks and nothing else", () => {
    const document = "before\n<!-- measured -->\nold\n<!-- /measured -->\nafter\n";
    const once = withMeasured(document, run, ["a-chart.svg"]);
    expect(once).toMatch(/^before\n<!-- measured -->\n\nMeasured on 2026-01-31/);
    expect(once).toContain("\n- this library as built\n");
    expect(once).toContain("![a chart](a-chart.svg)");
    expect(once).not.toContain("old");
    expect(once.endsWith("<!-- /measured -->\nafter\n")).toBe(true);
    expect(withMeasured(once, run, ["a-chart.svg"])).toBe(once);
    expect(() => withMeasured("no marks", run, [])).toThrow("has no <!-- measured -->");
  });
});

describe("openssl's report", () => {
  it("is read by its rate", () => {
    expect(parseSpeed("+H:16384\n+F:25:AES-256-GCM:3225780224.00\n")).toBe(3_225_780_224);
    expect(() => parseSpeed("+H:16384\n")).toThrow("printed no rate");
  });
});
