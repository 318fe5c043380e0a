import { expect, it } from "vitest";
import { estimate } from "../.vitepress/theme/cost.ts";

const load = {
  encrypts: 10,
  decrypts: 20,
  processes: 1,
  contexts: 1,
  dataKeys: 1,
  maxAge: 0,
  maxMessages: 1000,
};

it("counts a call for each message without a cache", () => {
  const { calls, dollars, exposed } = estimate(load);
  expect({ calls, exposed }).toEqual({ calls: 30, exposed: 1 });
  expect(dollars).toBeCloseTo((30 * 2_592_000 * 0.03) / 10_000 + 1);
});

it("replaces a data key at four fifths of its time or of its messages, whichever is first", () => {
  expect(estimate({ ...load, decrypts: 0, maxAge: 50 })).toMatchObject({
    exposed: 400,
    calls: 0.025,
  });
  expect(estimate({ ...load, decrypts: 0, maxAge: 500 })).toMatchObject({
    exposed: 800,
    calls: 0.0125,
  });
});

it("saves nothing where data keys are rarely used twice", () => {
  expect(estimate({ ...load, maxAge: 50, contexts: 1000, dataKeys: 1_000_000 }).calls).toBe(30);
});
