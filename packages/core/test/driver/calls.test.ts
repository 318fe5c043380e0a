import { boundedCall, ownClient, wipePlaintext, type KmsCallFacts } from "@env/core/driver";
import { expect, it, vi } from "vitest";

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
  await vi.waitFor(() => expect(plaintext).toEqual(new Uint8Array(32)));
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
