import { describe, expect, it, onTestFinished, vi } from "vitest";
import { openKeystore, type Keystore } from "../../src/index.ts";
import type { ConsoleSessions } from "../../src/server.ts";
import { tempKeystore } from "../support/keystore.ts";

const NOON = Date.UTC(2030, 0, 1, 12);
const TIMES = { idle: 10_000, longest: 25_000 };
const ROOT = "arn:aws:iam::000000000000:root";

interface Setup {
  readonly keystore: Keystore;
  readonly accessKeyId: string;
  readonly sessions: ConsoleSessions;
  /** Those of another process, as far as it shares anything. */
  readonly elsewhere: ConsoleSessions;
  /** Those of a process that begins now. */
  readonly later: () => Promise<ConsoleSessions>;
}

async function setup(): Promise<Setup> {
  vi.useFakeTimers({ toFake: ["Date"], now: NOON });
  onTestFinished(() => void vi.useRealTimers());
  const { keystore, path, root } = await tempKeystore();
  const later = async (): Promise<ConsoleSessions> => {
    const another = await openKeystore(path, { root });
    onTestFinished(() => another.close());
    return another.iam.consoleSessions(TIMES);
  };
  const { accessKeyId } = await keystore.iam.accessKeys.create("root");
  const sessions = keystore.iam.consoleSessions(TIMES);
  return { keystore, accessKeyId, sessions, elsewhere: await later(), later };
}

function wait(ms: number): void {
  vi.setSystemTime(Date.now() + ms);
}

function opened<T>(session: T | undefined): T {
  if (session === undefined) throw new Error("there is no session");
  return session;
}

describe("a session", () => {
  it("is known in every process, also in one that begins later", async () => {
    const { sessions, elsewhere, later, accessKeyId } = await setup();
    const { cookie, ...session } = opened(await sessions.begin(accessKeyId));
    expect(session).toEqual({
      principal: ROOT,
      accessKeyId,
      expires: NOON + TIMES.longest,
      token: expect.stringMatching(/^[\w-]{43}$/),
    });
    expect(cookie).toMatch(/^AKIA[A-Z2-7]{16}\.[\w-]{43}$/);
    for (const one of [sessions, elsewhere, await later()]) {
      expect(await one.find(cookie)).toEqual(session);
    }
    await elsewhere.end(cookie);
    for (const one of [sessions, elsewhere, await later()]) {
      expect(await one.find(cookie)).toBeUndefined();
      expect(await one.renew(cookie)).toBeUndefined();
    }
    // Nothing is left to end.
    await sessions.end(cookie);
  });

  it("has other secrets after each renewal, and only those, in every process", async () => {
    const { sessions, elsewhere, accessKeyId } = await setup();
    const first = opened(await sessions.begin(accessKeyId));
    const { cookie, ...second } = opened(await elsewhere.renew(first.cookie));
    expect(second).toEqual({ ...second, expires: first.expires, principal: ROOT, accessKeyId });
    expect(cookie).not.toBe(first.cookie);
    expect(second.token).not.toBe(first.token);
    expect(await sessions.find(first.cookie)).toBeUndefined();
    expect(await sessions.renew(first.cookie)).toBeUndefined();
    expect(await sessions.find(cookie)).toEqual(second);
  });

  it("is renewed once where two processes try at the same time", async () => {
    const { sessions, elsewhere, accessKeyId } = await setup();
    const { cookie } = opened(await sessions.begin(accessKeyId));
    const renewed = await Promise.all([sessions, elsewhere].map((one) => one.renew(cookie)));
    expect(renewed.filter((one) => one !== undefined)).toHaveLength(1);
  });

  it("ends when it was not renewed for the idle time", async () => {
    const { sessions, elsewhere, accessKeyId } = await setup();
    const { cookie } = opened(await sessions.begin(accessKeyId));
    wait(TIMES.idle - 1);
    expect(await elsewhere.find(cookie)).toBeDefined();
    wait(1);
    expect(await elsewhere.find(cookie)).toBeUndefined();
    expect(await sessions.renew(cookie)).toBeUndefined();
  });

  it("ends at its time, however often it is renewed", async () => {
    const { sessions, accessKeyId } = await setup();
    let session = opened(await sessions.begin(accessKeyId));
    for (let i = 0; i < 3; i++) {
      wait(8000);
      session = opened(await sessions.renew(session.cookie));
      expect(session.expires).toBe(NOON + TIMES.longest);
    }
    wait(1000);
    expect(await sessions.find(session.cookie)).toBeUndefined();
  });

  it("ends with its access key, and when the key is deactivated", async () => {
    const { keystore, sessions, elsewhere, accessKeyId } = await setup();
    const { accessKeys } = keystore.iam;
    const first = opened(await sessions.begin(accessKeyId));
    await accessKeys.setActive(accessKeyId, false);
    expect(await elsewhere.find(first.cookie)).toBeUndefined();
    expect(await sessions.begin(accessKeyId)).toBeUndefined();
    await accessKeys.setActive(accessKeyId, true);
    expect(await elsewhere.find(first.cookie)).toBeUndefined();
    const second = opened(await sessions.begin(accessKeyId));
    await accessKeys.delete(accessKeyId);
    expect(await elsewhere.find(second.cookie)).toBeUndefined();
  });

  it("ends for a new one where its access key has ten", async () => {
    const { keystore, sessions, accessKeyId } = await setup();
    const other = await keystore.iam.accessKeys.create("root");
    const kept = opened(await sessions.begin(other.accessKeyId));
    const own = [];
    for (let i = 0; i < 10; i++) own.push(opened(await sessions.begin(accessKeyId)));
    const [oldest, second] = own;
    const renewed = opened(await sessions.renew(oldest?.cookie ?? ""));
    await sessions.begin(accessKeyId);
    expect(await sessions.find(second?.cookie ?? "")).toBeUndefined();
    expect(await sessions.find(renewed.cookie)).toBeDefined();
    expect(await sessions.find(kept.cookie)).toBeDefined();
  });

  it("does not belong to a cookie that is made up", async () => {
    const { sessions, accessKeyId } = await setup();
    const { cookie } = opened(await sessions.begin(accessKeyId));
    const secret = cookie.slice(accessKeyId.length + 1);
    const wrong = [
      "",
      secret,
      accessKeyId,
      `${accessKeyId}.`,
      `${accessKeyId}.${"A".repeat(43)}`,
      `AKIA${"A".repeat(16)}.${secret}`,
      `${cookie}A`,
    ];
    for (const one of wrong) expect(await sessions.find(one)).toBeUndefined();
  });
});

it("a list of access keys does not show sessions", async () => {
  const { keystore, sessions, accessKeyId } = await setup();
  await sessions.begin(accessKeyId);
  const [listed] = await keystore.iam.accessKeys.list();
  expect(listed).toEqual({ accessKeyId, owner: ROOT, created: new Date(NOON), active: true });
});
