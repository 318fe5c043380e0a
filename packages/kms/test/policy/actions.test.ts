import { expect, it } from "vitest";
import { actions, isCrossAccount } from "../../src/policy/actions.ts";
import { grantOperations, isKeyAction } from "../../src/catalogue/actions.ts";

it("knows each action once, by its name in lower case", () => {
  expect(actions.size).toBe(58);
  for (const [name, action] of actions) expect(name).toBe(`kms:${action.name.toLowerCase()}`);
});

it("has every action on a key that a state is known for", () => {
  const onKeys = [...actions.values()].filter(({ name }) => isKeyAction(name));
  expect(onKeys.length).toBeGreaterThan(40);
  for (const { name, resources } of onKeys) expect(resources, name).toContain("key");
});

it("asks for alias actions on both alias and key", () => {
  const both = [...actions.values()].filter(({ resources }) => resources.includes("alias"));
  expect(both.map(({ name }) => name)).toEqual(["CreateAlias", "DeleteAlias", "UpdateAlias"]);
  expect(both.every(({ resources }) => resources.includes("key"))).toBe(true);
});

it("has nothing across accounts that is not about a key", () => {
  expect(isCrossAccount("kms:DECRYPT")).toBe(true);
  expect(isCrossAccount("kms:CreateKey")).toBe(false);
  expect(isCrossAccount("kms:Nothing")).toBe(false);
  expect(isCrossAccount("Decrypt")).toBe(false);
});

it("can be granted only what is possible across accounts", () => {
  for (const operation of grantOperations) {
    expect(isCrossAccount(`kms:${operation}`), operation).toBe(true);
  }
});
