import { getEventListeners, once } from "node:events";
import { rejection } from "@env/testkit/refusal";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Calls } from "../src/calls.ts";
import type { GcpKmsClient, SendOptions } from "../src/client.ts";
import { checkOptions } from "../src/options.ts";
import { fakeClient } from "./support/fake-client.ts";

const key = "projects/p/locations/l/keyRings/r/cryptoKeys/k";

function callsOf(client: GcpKmsClient, more: object = {}): Calls {
  return new Calls(checkOptions({ client, key, timeout: 50, ...more }));
}

function getKey(calls: Calls, signal?: AbortSignal): Promise<unknown> {
  return calls.call("GetCryptoKey", signal, (client, options) =>
    client.getCryptoKey({ name: key }, options),
  );
}

const never = (): Promise<never> => new Promise(() => undefined);

afterEach(() => {
  vi.useRealTimers();
});

describe("the deadline", () => {
  it("ends a call that the client continues, and aborts the client's signal", async () => {
    let given: SendOptions | undefined;
    const client = fakeClient({
      getCryptoKey: (_, options) => {
        given = options;
        return never();
      },
    });
    expect(await rejection(getKey(callsOf(client)))).toMatchObject({
      name: "TimeoutError",
      message: "GetCryptoKey: TimeoutError; no answer within 50 ms",
    });
    expect(given?.signal.aborted).toBe(true);
  });

  it("is the same error where the client does listen", async () => {
    const client = fakeClient({
      getCryptoKey: async (_, { signal }) => {
        await once(signal, "abort");
        throw Object.assign(new Error("cancelled"), { code: 1 });
      },
    });
    expect((await rejection(getKey(callsOf(client)))).name).toBe("TimeoutError");
  });

  it("is 10 seconds where none is given", async () => {
    vi.useFakeTimers();
    const client = fakeClient({ getCryptoKey: never });
    const call = rejection(getKey(callsOf(client, { timeout: undefined })));
    await vi.advanceTimersByTimeAsync(9999);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect((await call).message).toBe("GetCryptoKey: TimeoutError; no answer within 10000 ms");
  });

  it("leaves no timer and no listener behind", async () => {
    vi.useFakeTimers();
    const { signal } = new AbortController();
    const client = fakeClient({ getCryptoKey: async () => [{ name: key }] });
    expect(await getKey(callsOf(client), signal)).toEqual({ name: key });
    expect(vi.getTimerCount()).toBe(0);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });
});

describe("the caller's signal", () => {
  it("ends a call with its reason, whatever the client does", async () => {
    const controller = new AbortController();
    const call = rejection(getKey(callsOf(fakeClient({ getCryptoKey: never })), controller.signal));
    const reason = new Error("the caller has left");
    controller.abort(reason);
    expect(await call).toBe(reason);
  });

  it("that was aborted before sends nothing", async () => {
    const getCryptoKey = vi.fn<GcpKmsClient["getCryptoKey"]>();
    const reason = new Error("the caller has left");
    const call = getKey(callsOf(fakeClient({ getCryptoKey })), AbortSignal.abort(reason));
    expect(await rejection(call)).toBe(reason);
    expect(getCryptoKey).not.toHaveBeenCalled();
  });

  it("has a late answer wiped", async () => {
    const plaintext = new Uint8Array(32).fill(7);
    let answer: (value: [object]) => void = () => undefined;
    const late = new Promise<[object]>((resolve) => {
      answer = resolve;
    });
    const controller = new AbortController();
    const leave = (): void => controller.abort(new Error("the caller has left"));
    const getCryptoKey = () => {
      setImmediate(leave);
      return late;
    };
    await rejection(getKey(callsOf(fakeClient({ getCryptoKey })), controller.signal));
    answer([{ plaintext }]);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    expect(plaintext).toEqual(new Uint8Array(32));
  });
});

it.each([undefined, 1, 7])("bounds what the SDK repeats: %s attempts", async (maxAttempts) => {
  let given: SendOptions | undefined;
  const client = fakeClient({
    getCryptoKey: async (_, options) => {
      given = options;
      return [{}];
    },
  });
  await getKey(callsOf(client, { maxAttempts }));
  // 14 is UNAVAILABLE. Too late, 4, is not repeated: the answer would be too late again.
  expect(given?.retry.retryCodes).toEqual([14]);
  expect(given?.retry.backoffSettings.maxRetries).toBe(maxAttempts ?? 3);
  expect(given?.retry.backoffSettings).not.toHaveProperty("totalTimeoutMillis");
  // The SDK's own deadline is the second one.
  expect(given?.timeout).toBe(1050);
  expect(given?.retry.backoffSettings.initialRpcTimeoutMillis).toBe(1050);
});

it.each([[[]], [[null]], [[undefined]], [["SECRET"]]])("takes %o for no answer", async (answer) => {
  const getCryptoKey = async () => answer as unknown as [object];
  const error = await rejection(getKey(callsOf(fakeClient({ getCryptoKey }))));
  expect(error.message).toBe(
    "GetCryptoKey: InvalidAnswer; not an answer of Cloud KMS: it is empty",
  );
});

it("has a client get ready before it calls it, and does not call one that cannot", async () => {
  const steps: string[] = [];
  const initialize = vi.fn<() => Promise<unknown>>(async () => steps.push("initialize"));
  const getCryptoKey = async () => {
    steps.push("getCryptoKey");
    return [{}] as const;
  };
  const calls = callsOf({ ...fakeClient({ getCryptoKey }), initialize });
  await getKey(calls);
  expect(steps).toEqual(["initialize", "getCryptoKey"]);
  initialize.mockRejectedValueOnce(new Error("Could not load the default credentials"));
  expect((await rejection(getKey(calls))).name).toBe("CredentialsError");
  expect(steps).toHaveLength(2);
});

it("shows nothing of what a client throws", async () => {
  const getCryptoKey = async () => {
    throw Object.assign(new Error("SECRET"), { code: 7, config: { body: "SECRET" } });
  };
  const error = await rejection(getKey(callsOf(fakeClient({ getCryptoKey }))));
  expect(error.message).toBe("GetCryptoKey: PERMISSION_DENIED");
});
