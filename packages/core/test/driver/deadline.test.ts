import { describe, expect, it, onTestFinished, vi } from "vitest";
import { withDeadline } from "@env/core/driver";

const tooLate = new Error("late");
const late = (): Error => tooLate;
const never = new Promise<never>(() => undefined);

describe("withDeadline", () => {
  it("gives what the work gives, and leaves no timer and no listener", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    onTestFinished(() => void vi.useRealTimers());
    const controller = new AbortController();
    const { signal } = controller;
    let ending: AbortSignal | undefined;
    const work = async (given: AbortSignal): Promise<number> => {
      ending = given;
      expect(vi.getTimerCount()).toBe(1);
      return 7;
    };
    expect(await withDeadline(work, { signal, timeout: 60_000, late })).toBe(7);
    expect(vi.getTimerCount()).toBe(0);
    controller.abort();
    expect(ending?.aborted).toBe(false);
  });

  it("makes no error where the deadline is kept", async () => {
    const made = vi.fn<() => Error>(late);
    await withDeadline(async () => 7, { signal: undefined, timeout: 60_000, late: made });
    expect(made).not.toHaveBeenCalled();
    const options = { signal: undefined, timeout: 1, late: made };
    await expect(withDeadline(() => never, options)).rejects.toBe(tooLate);
    expect(made).toHaveBeenCalledOnce();
  });

  it("throws what the work throws", async () => {
    const error = new Error("of the work");
    const work = async (): Promise<never> => {
      throw error;
    };
    await expect(withDeadline(work, { signal: undefined, timeout: 60_000, late })).rejects.toBe(
      error,
    );
  });

  it("throws what `late` makes past the deadline, whether or not the work heeds its signal", async () => {
    for (const heeds of [true, false]) {
      const work = (ending: AbortSignal): Promise<never> =>
        heeds
          ? new Promise((_, reject) => {
              ending.addEventListener("abort", () => reject(new Error("an SDK's")));
            })
          : never;
      await expect(withDeadline(work, { signal: undefined, timeout: 1, late })).rejects.toBe(
        tooLate,
      );
    }
  });

  it("throws the reason of the signal, one that was aborted before included", async () => {
    const reason = new Error("left");
    const controller = new AbortController();
    const options = { signal: controller.signal, timeout: 60_000, late };
    const running = withDeadline(() => never, options);
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
    const seen: boolean[] = [];
    const work = (ending: AbortSignal): Promise<never> => {
      seen.push(ending.aborted);
      return never;
    };
    await expect(withDeadline(work, options)).rejects.toBe(reason);
    expect(seen).toEqual([true]);
  });

  it("gives a result that comes too late to `drop`", async () => {
    let resolve: ((result: string) => void) | undefined;
    const promise = new Promise<string>((done) => (resolve = done));
    const dropped: string[] = [];
    const drop = (result: string): void => void dropped.push(result);
    const options = { signal: undefined, timeout: 1, late, drop };
    await expect(withDeadline(() => promise, options)).rejects.toBe(tooLate);
    expect(dropped).toEqual([]);
    resolve?.("secret");
    await promise;
    await Promise.resolve();
    expect(dropped).toEqual(["secret"]);
  });
});
