import { getEventListeners, once } from "node:events";
import { rejection } from "@env/testkit/refusal";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Calls } from "../src/calls.ts";
import type { AwsKmsClient } from "../src/client.ts";
import { checkOptions } from "../src/options.ts";
import { fakeClient } from "./support/fake-client.ts";

const key = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const answer = { Plaintext: new Uint8Array(32), KeyId: key };

function callsOf(client: AwsKmsClient, more: object = {}): Calls {
  return new Calls(checkOptions({ client, key, timeout: 50, ...more }));
}

/** Decrypts nothing in particular. */
function decrypt(calls: Calls, signal?: AbortSignal): Promise<unknown> {
  return calls.call("Decrypt", signal, (client, tokens, options) =>
    client.decrypt({ KeyId: key, EncryptionContext: {}, ...tokens }, options),
  );
}

afterEach(() => {
  vi.useRealTimers();
});

describe("the deadline", () => {
  it("ends a call that the client continues, and aborts the client's signal", async () => {
    let signal: AbortSignal | undefined;
    const client = fakeClient({
      decrypt: (_, options) => {
        signal = options.abortSignal;
        return new Promise(() => undefined);
      },
    });
    const error = await rejection(decrypt(callsOf(client)));
    expect(error).toMatchObject({
      name: "TimeoutError",
      operation: "Decrypt",
      message: "Decrypt: TimeoutError; no answer within 50 ms",
    });
    expect(signal?.aborted).toBe(true);
  });

  it("is the same error where the client does listen", async () => {
    const client = fakeClient({
      decrypt: async (_, { abortSignal }) => {
        await once(abortSignal, "abort");
        throw Object.assign(new Error("aborted"), { name: "AbortError" });
      },
    });
    expect((await rejection(decrypt(callsOf(client)))).name).toBe("TimeoutError");
  });

  it("counts waiting for grant tokens, and then sends nothing", async () => {
    const send = vi.fn<AwsKmsClient["decrypt"]>().mockResolvedValue(answer);
    let give: (tokens: string[]) => void = () => undefined;
    const grantTokens = (): Promise<string[]> =>
      new Promise((resolve) => {
        give = resolve;
      });
    const call = decrypt(callsOf(fakeClient({ decrypt: send }), { grantTokens }));
    expect((await rejection(call)).name).toBe("TimeoutError");
    give(["late"]);
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
    expect(send).not.toHaveBeenCalled();
  });

  it("is 20 seconds where none is given", async () => {
    vi.useFakeTimers();
    const client = fakeClient({ decrypt: () => new Promise(() => undefined) });
    const call = rejection(decrypt(callsOf(client, { timeout: undefined })));
    await vi.advanceTimersByTimeAsync(19_999);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect((await call).message).toBe("Decrypt: TimeoutError; no answer within 20000 ms");
  });

  it("leaves no timer and no listener behind", async () => {
    vi.useFakeTimers();
    const { signal } = new AbortController();
    await decrypt(callsOf(fakeClient({ decrypt: async () => answer })), signal);
    await rejection(decrypt(callsOf(fakeClient({})), signal));
    expect(vi.getTimerCount()).toBe(0);
    expect(getEventListeners(signal, "abort")).toEqual([]);
  });
});

describe("the caller's signal", () => {
  it("ends a call with its reason, and aborts the client's signal", async () => {
    const controller = new AbortController();
    const reason = new Error("the caller has left");
    let signal: AbortSignal | undefined;
    const client = fakeClient({
      decrypt: (_, options) => {
        signal = options.abortSignal;
        controller.abort(reason);
        return new Promise(() => undefined);
      },
    });
    expect(await rejection(decrypt(callsOf(client), controller.signal))).toBe(reason);
    expect(signal?.aborted).toBe(true);
  });

  it("ends a call before it is sent", async () => {
    const reason = new Error("the caller has left");
    const call = decrypt(callsOf(fakeClient({})), AbortSignal.abort(reason));
    expect(await rejection(call)).toBe(reason);
  });
});

it("wipes a plaintext that arrives after the deadline", async () => {
  const late = { Plaintext: new Uint8Array(32).fill(7), KeyId: key };
  let respond: () => void = () => undefined;
  const client = fakeClient({
    decrypt: () =>
      new Promise((resolve) => {
        respond = () => resolve(late);
      }),
  });
  expect((await rejection(decrypt(callsOf(client)))).name).toBe("TimeoutError");
  respond();
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  expect(late.Plaintext).toEqual(new Uint8Array(32));
});

describe("grant tokens", () => {
  it.each([
    [
      "a function that throws",
      () => {
        throw new Error("SECRET");
      },
      "the function for grant tokens threw",
    ],
    [
      "a function that rejects",
      async () => {
        throw new Error("SECRET");
      },
      "the function for grant tokens threw",
    ],
    ["no list", () => "SECRET", "grant tokens are at most 10 texts of 1 to 8192 characters"],
    ["a list of anything", () => [1], "grant tokens are at most 10 texts of 1 to 8192 characters"],
    [
      "too many",
      () => Array.from({ length: 11 }, () => "SECRET"),
      "grant tokens are at most 10 texts of 1 to 8192 characters",
    ],
    [
      "one too long",
      () => ["x".repeat(8193)],
      "grant tokens are at most 10 texts of 1 to 8192 characters",
    ],
  ])("are refused before anything is sent: %s", async (_, grantTokens, hint) => {
    const error = await rejection(decrypt(callsOf(fakeClient({}), { grantTokens })));
    expect(error.message).toBe(`Decrypt: GrantTokensError; ${hint}`);
  });
});

it("asks a client once: there are no retries", async () => {
  const send = vi
    .fn<AwsKmsClient["decrypt"]>()
    .mockRejectedValue(Object.assign(new Error("slow down"), { name: "ThrottlingException" }));
  expect((await rejection(decrypt(callsOf(fakeClient({ decrypt: send }))))).name).toBe(
    "ThrottlingException",
  );
  expect(send).toHaveBeenCalledTimes(1);
});
