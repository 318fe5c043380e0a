import { getEventListeners } from "node:events";
import { rejection } from "@env/testkit/refusal";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Calls, type Request } from "../src/calls.ts";
import type { VaultTransitClient } from "../src/client.ts";
import { checkOptions } from "../src/options.ts";

const answer = { data: { plaintext: "" } };
const never = (): Promise<never> => new Promise(() => undefined);

function callsOf(write: VaultTransitClient["write"], timeout?: number): Calls {
  const client = { read: never, write };
  return new Calls(checkOptions({ client, key: "k", timeout }));
}

function decrypt(calls: Calls, signal?: AbortSignal): Promise<unknown> {
  return calls.run("decrypt", signal, (request) => request("decrypt", "transit/decrypt/k", {}));
}

/** Lets everything run that is due now. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

afterEach(() => {
  vi.useRealTimers();
});

describe("the deadline", () => {
  it("ends a call that the client continues, and aborts the client's signal", async () => {
    let signal: AbortSignal | undefined;
    const calls = callsOf((_, __, options) => {
      ({ signal } = options);
      return never();
    }, 20);
    expect((await rejection(decrypt(calls))).message).toBe(
      "decrypt: Timeout; no answer within 20 ms",
    );
    expect(signal?.aborted).toBe(true);
  });

  it("is 10 seconds for all of an operation", async () => {
    vi.useFakeTimers();
    const calls = callsOf(never);
    const work = async (request: Request) => {
      await request("encrypt", "transit/encrypt/k", {}).catch(() => undefined);
      return request("decrypt", "transit/decrypt/k", {});
    };
    const call = rejection(calls.run("decrypt", undefined, work));
    await vi.advanceTimersByTimeAsync(9999);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect((await call).message).toBe("decrypt: Timeout; no answer within 10000 ms");
  });

  it("leaves no timer and no listener behind", async () => {
    vi.useFakeTimers();
    const { signal } = new AbortController();
    await decrypt(
      callsOf(async () => answer),
      signal,
    );
    await rejection(
      decrypt(
        callsOf(() => Promise.reject(new Error("SECRET"))),
        signal,
      ),
    );
    expect(vi.getTimerCount()).toBe(0);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });

  it("wipes a plaintext that arrives after the deadline", async () => {
    const late = { plaintext: new Uint8Array(32).fill(7) };
    let respond: () => void = () => undefined;
    const calls = callsOf(never, 20);
    const work = (): Promise<typeof late> =>
      new Promise((resolve) => {
        respond = () => resolve(late);
      });
    expect((await rejection(calls.run("datakey", undefined, work))).name).toBe("Timeout");
    respond();
    await turn();
    expect(late.plaintext).toEqual(new Uint8Array(32));
  });
});

describe("the caller's signal", () => {
  it("ends a call with its reason, and aborts the client's signal", async () => {
    const controller = new AbortController();
    const reason = new Error("the caller has left");
    let signal: AbortSignal | undefined;
    const calls = callsOf((_, __, options) => {
      ({ signal } = options);
      controller.abort(reason);
      return never();
    });
    expect(await rejection(decrypt(calls, controller.signal))).toBe(reason);
    expect(signal?.aborted).toBe(true);
  });

  it("ends a call before it is sent", async () => {
    const reason = new Error("the caller has left");
    const send = vi.fn<VaultTransitClient["write"]>().mockResolvedValue(answer);
    expect(await rejection(decrypt(callsOf(send), AbortSignal.abort(reason)))).toBe(reason);
    expect(send).not.toHaveBeenCalled();
  });
});

it("asks a client once: there are no retries", async () => {
  const denied = Object.assign(new Error("SECRET"), {
    response: { statusCode: 403, body: { errors: ["permission denied"] } },
  });
  const send = vi.fn<VaultTransitClient["write"]>().mockRejectedValue(denied);
  const error = await rejection(decrypt(callsOf(send)));
  expect(error).toMatchObject({ name: "AccessDenied", operation: "decrypt" });
  expect(error.cause).toBeUndefined();
  expect(send).toHaveBeenCalledTimes(1);
});
