/** The default limit, made small: nobody chose it, so it is not applied in silence. */
import { until } from "@env/testkit/turns";
import { expect, it, vi } from "vitest";
import type * as RetentionModule from "../../src/audit/retention.ts";
import { fill, filledLog } from "./support/log.ts";

vi.mock(import("../../src/audit/retention.ts"), async (original) => ({
  ...(await original()),
  defaultRetention: { maxRecords: 100 },
}));

// Requirements: A6
it("keeps the last million records", async () => {
  const { defaultRetention } = await vi.importActual<typeof RetentionModule>(
    "../../src/audit/retention.ts",
  );
  expect(defaultRetention).toEqual({ maxRecords: 1_000_000 });
});

// Requirements: A7
it("warns once when it cuts off records that nobody limited", async () => {
  const warn = vi.spyOn(process, "emitWarning").mockReturnValue();
  const { log } = await filledLog(150);
  await fill(log, 1, 150);
  await until(() => warn.mock.calls.length > 0);
  expect(warn.mock.calls[0]?.[0]).toMatch(/has more than 100 records; the oldest 52 were deleted/);
  await fill(log, 1100, 151);
  await until(async () => (await log.anchor()).sequence > 1253);
  expect(warn).toHaveBeenCalledOnce();
  expect((await log.page({ operations: ["RotateAuditLog"] })).entries.length).toBeGreaterThan(0);
  warn.mockRestore();
});

it("cuts off nothing where everything is to be kept", async () => {
  const { log } = await filledLog(150, { retention: "none" });
  await fill(log, 1, 150);
  expect(await log.applyRetention()).toEqual({ removed: 0, archives: [] });
  expect((await log.verify()).base.sequence).toBe(0);
});
