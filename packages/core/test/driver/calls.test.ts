import {
  boundedCall,
  ClientCalls,
  ownClient,
  readAnswer,
  wipePlaintext,
  type KmsCallFacts,
} from "@env/core/driver";
import { describe, expect, it, vi } from "vitest";

const bounds = {
  operation: "Decrypt",
  signal: undefined,
  timeout: 20,
  late: ({ operation, hint }: KmsCallFacts) => new Error(`${operation}: ${hint}`),
  failed: (thrown: unknown, operation: string) =>
    new Error(`${operation} failed`, { cause: thrown }),
};

it("names the operation of an error, and of a missing answer", async () => {
  const thrown = new Error("secret");
  const failing = boundedCall(() => Promise.reject(thrown), bounds);
  await expect(failing).rejects.toMatchObject({ message: "Decrypt failed", cause: thrown });
  const hanging = boundedCall(() => new Promise<object>(() => undefined), bounds);
  await expect(hanging).rejects.toThrow("Decrypt: no answer within 20 ms");
});

it("throws the reason of the caller's signal unchanged", async () => {
  const reason = new Error("the caller has left");
  const signal = AbortSignal.abort(reason);
  const work = (): Promise<object> => new Promise(() => undefined);
  await expect(boundedCall(work, { ...bounds, signal })).rejects.toBe(reason);
});

it.each(["plaintext", "Plaintext"])("wipes the %s of an answer that arrives late", async (name) => {
  let resolve: (answer: object) => void = () => undefined;
  const answer = new Promise<object>((fulfil) => {
    resolve = fulfil;
  });
  await expect(boundedCall(() => answer, bounds)).rejects.toThrow("no answer");
  const plaintext = new Uint8Array(32).fill(7);
  resolve({ [name]: plaintext });
  await expect.poll(() => plaintext).toEqual(new Uint8Array(32));
});

it("wipes plaintext and nothing else", () => {
  const answer = { plaintext: "text", ciphertext: new Uint8Array([1]) };
  wipePlaintext(answer);
  expect(answer).toEqual({ plaintext: "text", ciphertext: new Uint8Array([1]) });
});

it("makes one client for all who call at the same time, and closes it", async () => {
  const end = vi.fn<(client: object) => void>();
  const make = vi.fn<() => Promise<object>>(async () => ({}));
  const own = ownClient(make, end);
  const [one, two] = await Promise.all([own.get(), own.get()]);
  expect(one).toBe(two);
  expect(make).toHaveBeenCalledTimes(1);
  await own.close();
  expect(end).toHaveBeenCalledExactlyOnceWith(one);
});

it("makes a client again after a failure", async () => {
  const client = {};
  const make = vi.fn<() => Promise<object>>().mockRejectedValueOnce(new Error("no region"));
  make.mockResolvedValue(client);
  const own = ownClient(make, () => undefined);
  await expect(own.get()).rejects.toThrow("no region");
  expect(await own.get()).toBe(client);
});

it("has nothing to close if no client was made", async () => {
  const end = vi.fn<(client: object) => void>();
  await ownClient(async () => ({}), end).close();
  const failing = ownClient(() => Promise.reject(new Error("no")), end);
  await failing.get().catch(() => undefined);
  await failing.close();
  expect(end).not.toHaveBeenCalled();
});

describe("a body", () => {
  const tooLong = (): Error => new Error("too long");

  it("is read up to its limit", async () => {
    async function* body(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array([1, 2]);
      yield new Uint8Array([3]);
    }
    expect(await readAnswer(body(), 3, tooLong)).toEqual(new Uint8Array([1, 2, 3]));
    await expect(readAnswer(body(), 2, tooLong)).rejects.toThrow("too long");
  });

  it("is left at its limit, so that its stream ends", async () => {
    let [sent, left] = [0, false];
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) {
          sent++;
          yield new Uint8Array(10);
        }
      } finally {
        left = true;
      }
    }
    await expect(readAnswer(endless(), 25, tooLong)).rejects.toThrow("too long");
    expect([sent, left]).toEqual([3, true]);
  });
});

describe("calls with a client", () => {
  interface Named {
    readonly name: string;
  }
  class Calls extends ClientCalls<Named> {
    used(): Promise<Named> {
      return this.run("Decrypt", undefined, async (client) => client);
    }
  }
  const { timeout, late, failed } = { ...bounds, timeout: 10_000 };

  function callsOf(client: Named | undefined): { calls: Calls; events: string[] } {
    const events: string[] = [];
    const own = ownClient(
      async () => {
        events.push("made");
        return { name: "own" };
      },
      () => {
        events.push("closed");
      },
    );
    const requirePrivate = (given: Named | undefined): void => {
      events.push(`checked ${given?.name}`);
      if (given?.name === "plain") throw new Error("plain HTTP");
    };
    return { calls: new Calls({ client, own, requirePrivate, timeout, late, failed }), events };
  }

  it("use one of their own, make it once and close it", async () => {
    const { calls, events } = callsOf(undefined);
    await calls.connect();
    expect((await calls.used()).name).toBe("own");
    await calls.close();
    expect(events).toEqual(["checked undefined", "made", "checked undefined", "closed"]);
  });

  it("use the one that was passed in, and leave it open", async () => {
    const { calls, events } = callsOf({ name: "given" });
    expect((await calls.used()).name).toBe("given");
    await calls.close();
    expect(events).toEqual(["checked given"]);
  });

  it("fail before anything is sent if the client is not private", async () => {
    const { calls } = callsOf({ name: "plain" });
    await expect(calls.used()).rejects.toMatchObject({
      message: "Decrypt failed",
      cause: { message: "plain HTTP" },
    });
  });
});
