import { expect, it } from "vitest";
import { CallLog } from "../src/call-log.ts";
import { rejection } from "../src/refusal.ts";

it("records calls in order and counts them by operation", async () => {
  const log = new CallLog((text: string) => new Error(text));
  for (const operation of ["wrap", "unwrap", "wrap"]) await log.enter(operation);
  expect(log.calls).toEqual(["wrap", "unwrap", "wrap"]);
  expect([log.count("wrap"), log.count("rewrap")]).toEqual([2, 0]);
});

it("holds a call back until its gate opens, then fails it as asked", async () => {
  const log = new CallLog((text: string) => new Error(text));
  let open = (): void => undefined;
  log.gate = new Promise((resolve) => {
    open = resolve;
  });
  const failed = rejection(log.enter("wrap"));
  expect(log.calls).toEqual(["wrap"]);
  log.fails = "down"; // Read behind the gate.
  open();
  expect((await failed).message).toBe("down");
});
