import { expect, it, onTestFinished, vi } from "vitest";
import { RotationAge } from "../src/rotation-age.ts";

const NOON = Date.UTC(2030, 0, 2, 12);

function asked(answer: () => Date | undefined): { count: number; age: RotationAge } {
  vi.useFakeTimers({ toFake: ["Date"], now: NOON });
  onTestFinished(() => void vi.useRealTimers());
  const state = {
    count: 0,
    age: new RotationAge({
      oldestRotation: async () => {
        state.count++;
        return answer();
      },
    }),
  };
  return state;
}

async function valueOf({ age }: { readonly age: RotationAge }): Promise<number | undefined> {
  return (await age.gauges())[0]?.value;
}

it("ages by itself, and is found anew once an hour", async () => {
  let oldest = NOON - 1500;
  const state = asked(() => new Date(oldest));
  expect(await Promise.all([valueOf(state), valueOf(state)])).toEqual([1, 1]);
  vi.setSystemTime(NOON + 3_599_000);
  oldest = NOON + 3_599_000;
  expect(await valueOf(state)).toBe(3600);
  expect(state.count).toBe(1);
  vi.setSystemTime(NOON + 3_600_000);
  expect(await valueOf(state)).toBe(1);
  expect(state.count).toBe(2);
});

it("is absent where no key rotates, and where the keystore cannot be read", async () => {
  const none = asked(() => undefined);
  expect(await valueOf(none)).toBeUndefined();
  expect(await valueOf(none)).toBeUndefined();
  expect(none.count).toBe(1);
  let fails = true;
  const broken = asked(() => {
    if (fails) throw new Error("closed");
    return new Date(NOON - 60_000);
  });
  expect(await valueOf(broken)).toBeUndefined();
  fails = false;
  expect(await valueOf(broken)).toBe(60);
});
