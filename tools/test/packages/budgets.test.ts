import { expect, it } from "vitest";
import { overBudget, type Cost } from "../../packages/budgets.ts";

const budget: Cost = { packed: 10, unpacked: 40, modules: 3, code: 20 };

it("finds nothing where a package costs no more than its budget", () => {
  expect(overBudget("a", budget, budget)).toEqual([]);
});

it("names each cost that is over the budget, and the next step", () => {
  const found = overBudget("a", { ...budget, packed: 11, modules: 4 }, budget);
  expect(found).toEqual([
    expect.stringMatching(/^a: packed is 11 KiB, and at most 10 KiB is allowed; find what was/),
    expect.stringMatching(/^a: modules is 4, and at most 3 is allowed; .* raise the budget in/),
  ]);
});

it("asks for a budget where a package has none", () => {
  expect(overBudget("a package without one", budget)).toEqual([
    expect.stringContaining(JSON.stringify(budget)),
  ]);
});
