import { describe, expect, it } from "vitest";
import { isSame, Sessions } from "../../src/console/sessions.ts";

const ALICE = { principal: "arn:aws:iam::000000000000:user/alice", accessKeyId: "AKIAALICE" };

function made(): { readonly sessions: Sessions; readonly wait: (ms: number) => void } {
  let now = 1000;
  const sessions = new Sessions({ idle: 10, longest: 25 }, () => now);
  return { sessions, wait: (ms) => void (now += ms) };
}

describe("a session", () => {
  it("ends when it was not renewed for the idle time", () => {
    const { sessions, wait } = made();
    const { cookie } = sessions.begin(ALICE);
    wait(9);
    expect(sessions.find(cookie)?.session).toMatchObject(ALICE);
    wait(1);
    expect(sessions.find(cookie)).toBeUndefined();
    expect(sessions.renew(cookie)).toBeUndefined();
  });

  it("ends at its time, however often it is renewed", () => {
    const { sessions, wait } = made();
    let opened = sessions.begin(ALICE);
    expect(opened.session.expires).toBe(1025);
    for (let i = 0; i < 3; i++) {
      wait(8);
      opened = sessions.renew(opened.cookie) ?? opened;
      expect(opened.session.expires).toBe(1025);
    }
    wait(1);
    expect(sessions.find(opened.cookie)).toBeUndefined();
  });

  it("has other secrets after each renewal, and only those", () => {
    const { sessions } = made();
    const first = sessions.begin(ALICE);
    const second = sessions.renew(first.cookie);
    expect(second?.cookie).not.toBe(first.cookie);
    expect(second?.token).not.toBe(first.token);
    expect(sessions.find(first.cookie)).toBeUndefined();
    expect(sessions.renew(first.cookie)).toBeUndefined();
    expect(sessions.find(second?.cookie ?? "")?.token).toBe(second?.token);
  });

  it("ends for a new one where there are too many, first of the same access key", () => {
    const { sessions } = made();
    const bob = sessions.begin({ ...ALICE, accessKeyId: "AKIABOB" });
    const own = Array.from({ length: 11 }, () => sessions.begin(ALICE));
    expect(own.map(({ cookie }) => sessions.find(cookie) !== undefined)).toEqual([
      false,
      ...Array.from({ length: 10 }, () => true),
    ]);
    for (let i = 0; i < 990; i++) sessions.begin({ ...ALICE, accessKeyId: `AKIA${i}` });
    expect(sessions.find(bob.cookie)).toBeUndefined();
    expect(sessions.find(own.at(-1)?.cookie ?? "")).toBeDefined();
  });
});

it("secrets are compared whole", () => {
  expect(isSame("a", "a")).toBe(true);
  expect(isSame("a", "b")).toBe(false);
  expect(isSame("", "a")).toBe(false);
});
