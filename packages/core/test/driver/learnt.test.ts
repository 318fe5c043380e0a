import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Learnt } from "@env/core/driver";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** Answers 1, 2, 3, … */
function counter() {
  let asked = 0;
  const ask = vi.fn<() => Promise<number>>(async () => ++asked);
  return { ask, learnt: new Learnt({ ask, maxAge: 1000 }) };
}

describe("a fact that was learnt", () => {
  it("is asked for once, by all who wait, and believed for maxAge", async () => {
    const { ask, learnt } = counter();
    expect(learnt.known).toBeUndefined();
    expect(await Promise.all([learnt.get(), learnt.get()])).toEqual([1, 1]);
    vi.advanceTimersByTime(999);
    expect(await learnt.get()).toBe(1);
    vi.advanceTimersByTime(1);
    expect(learnt.known).toBe(1);
    expect(await learnt.get()).toBe(2);
    expect(ask).toHaveBeenCalledTimes(2);
  });

  it("may come from elsewhere, and then is as young", async () => {
    const { ask, learnt } = counter();
    learnt.learn(7);
    vi.advanceTimersByTime(999);
    expect(await learnt.get()).toBe(7);
    expect(ask).not.toHaveBeenCalled();
  });

  it("is asked for anew once it was forgotten", async () => {
    const { learnt } = counter();
    await learnt.get();
    learnt.forget();
    expect(learnt.known).toBeUndefined();
    expect(await learnt.get()).toBe(2);
  });

  it("is not taken from an answer to a question from before it was forgotten", async () => {
    const answers: ((value: number) => void)[] = [];
    const ask = (): Promise<number> => new Promise((resolve) => answers.push(resolve));
    const learnt = new Learnt({ ask, maxAge: 1000 });
    const before = learnt.get();
    learnt.forget();
    const after = learnt.get();
    answers[0]?.(1);
    expect(await before).toBe(1);
    expect(learnt.known).toBeUndefined();
    answers[1]?.(2);
    expect(await after).toBe(2);
    expect(learnt.known).toBe(2);
  });

  it("stays known where the question fails, and is asked for again", async () => {
    const answers = [1, new Error("down"), 3];
    const ask = async (): Promise<number> => {
      const answer = answers.shift();
      if (typeof answer === "number") return answer;
      throw answer;
    };
    const learnt = new Learnt({ ask, maxAge: 1000 });
    await learnt.get();
    vi.advanceTimersByTime(1000);
    await expect(learnt.get()).rejects.toThrow("down");
    expect(learnt.known).toBe(1);
    expect(await learnt.get()).toBe(3);
  });
});

describe("a call that is watched", () => {
  it("makes the fact forgotten if its error contradicts it", async () => {
    const gone = new Error("gone");
    const learnt = new Learnt({
      ask: async () => 1,
      maxAge: 1000,
      contradictedBy: (error) => error === gone,
    });
    learnt.learn(7);
    expect(await learnt.watch(async () => "answer")).toBe("answer");
    const other = new Error("other");
    await expect(learnt.watch(() => Promise.reject(other))).rejects.toBe(other);
    expect(learnt.known).toBe(7);
    await expect(learnt.watch(() => Promise.reject(gone))).rejects.toBe(gone);
    expect(learnt.known).toBeUndefined();
  });
});
