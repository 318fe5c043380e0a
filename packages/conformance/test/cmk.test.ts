import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { cmkCases } from "../src/cmk.ts";
import type { CmkHarness, CmkSetup, ConformanceCase } from "../src/harness.ts";
import { memoryHarness } from "../src/memory.ts";

const honest = memoryHarness((value) => inspect(value, { depth: 10, showHidden: true }));

/** The honest harness, with setups changed. */
function harness(
  change: (setup: CmkSetup) => CmkSetup,
  skips: Record<string, string> = {},
): CmkHarness {
  return { ...honest, open: async () => change(await honest.open()), skips };
}

function named(cases: readonly ConformanceCase[], name: string): ConformanceCase {
  const found = cases.find((c) => c.name === name);
  if (found === undefined) throw new Error(`no case is named ${name}`);
  return found;
}

const MISSING_KEY = "D5 wrapDataKey tells a missing key as such";
const THROTTLED = "D5 wrapDataKey tells a throttled call as such";

describe("cmkCases", () => {
  it("starts every name with its clause", () => {
    for (const c of cmkCases(honest)) expect(c.name).toMatch(new RegExp(`^${c.clause} [a-z0-9]`));
  });

  it.for(["D13", "D", "d3", "throttled", "D5 tells a missing key as such"])(
    "refuses a skip of %s, which is not a clause, an ability or a case",
    (what) => {
      expect(() => cmkCases({ ...honest, skips: { [what]: "reason" } })).toThrow(TypeError);
    },
  );

  it.for(["", "  "])("refuses a skip without a reason: %j", (reason) => {
    expect(() => cmkCases({ ...honest, skips: { D11: reason } })).toThrow(TypeError);
  });

  it("skips a clause, an ability or one case, each with its reason", () => {
    const cases = cmkCases(
      harness((setup) => setup, {
        D11: "no versions",
        throttle: "no limits",
        [MISSING_KEY]: "why",
      }),
    );
    const rotation = cases.filter(({ clause }) => clause === "D11");
    expect(new Set(rotation.map(({ skip }) => skip))).toEqual(new Set(["no versions"]));
    expect(named(cases, THROTTLED).skip).toBe("no limits");
    expect(named(cases, "D10 the errors after throttle hold no secret").skip).toBe("no limits");
    expect(named(cases, MISSING_KEY).skip).toBe("why");
    expect(named(cases, "D5 unwrapDataKey tells a missing key as such").skip).toBeUndefined();
  });

  it("does not open a setup for a skipped case", async () => {
    let opened = 0;
    const counted = { ...honest, open: () => (opened++, honest.open()), skips: { D5: "reason" } };
    await named(cmkCases(counted), MISSING_KEY).run();
    expect(opened).toBe(0);
  });

  it("fails a case whose ability is missing without a reason", async () => {
    const cases = cmkCases(
      harness((setup) => {
        delete setup.throttle;
        return setup;
      }),
    );
    await expect(named(cases, THROTTLED).run()).rejects.toThrow("skips.throttle");
    await expect(named(cases, MISSING_KEY).run()).resolves.toBeUndefined();
  });

  it("fails where a reason is given for an ability that is there", async () => {
    const cases = cmkCases(harness((setup) => setup, { throttle: "no limits" }));
    await expect(named(cases, MISSING_KEY).run()).rejects.toThrow("skips.throttle");
  });

  it("opens a setup per case and closes it, also after a failure", async () => {
    const log: string[] = [];
    const cases = cmkCases(
      harness((setup) => {
        log.push("open");
        return { ...setup, missing: setup.first, close: () => void log.push("close") };
      }),
    );
    await expect(named(cases, MISSING_KEY).run()).rejects.toThrow("ERR_ENVELOPE_KMS_KEY_NOT_FOUND");
    await named(cases, "D1 wraps of one data key differ").run();
    expect(log).toEqual(["open", "close", "open", "close"]);
  });
});
