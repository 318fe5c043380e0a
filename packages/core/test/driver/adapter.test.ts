import { adapterOf, KmsCallError, type Adapter, type OpenOptions } from "@env/core/driver";
import { describe, expect, it } from "vitest";
import { StubKey } from "../support/stub-kms.ts";

interface Options {
  readonly key: string;
  readonly region?: string | undefined;
  readonly alsoUnwrap?: readonly string[] | undefined;
}

interface Given extends OpenOptions {
  readonly region?: string | undefined;
}

/** An adapter for stub keys that records what it is asked for. */
class Stub {
  readonly checked: object[] = [];
  closed = 0;
  /** What connecting fails with. */
  fails: Error | undefined;

  readonly adapter: Adapter<Options, Given> = adapterOf({
    scheme: "stub",
    check: (options: Options) => {
      this.checked.push(options);
      return { key: options.key, alsoUnwrap: options.alsoUnwrap ?? [] };
    },
    parse: () => ({ key: "first", region: "here", alsoUnwrap: ["second"] }),
    options: {
      key: { key: {}, alsoUnwrap: { opener: true }, timeout: { opener: true } },
      connection: { region: { opener: true }, profile: {} },
      client: { methods: [], must: "", has: "" },
    },
    callsOf: (settings) => new StubKey(settings.key),
    driverOf: (_, { driver }) => ({
      ...driver,
      close: async () => {
        this.closed++;
      },
    }),
    connect: async () => {
      if (this.fails !== undefined) throw this.fails;
    },
  });
}

describe("an opener", () => {
  it("adds its options to what the URI says: further keys beside, others instead", async () => {
    const stub = new Stub();
    await stub.adapter.open("stub:first");
    await stub.adapter.open("stub:first", { alsoUnwrap: ["third"], region: undefined });
    await stub.adapter.open("stub:first", { region: "there", timeout: 5, baseDirectory: "/" });
    expect(stub.checked).toEqual([
      { key: "first", region: "here", alsoUnwrap: ["second"] },
      { key: "first", region: "here", alsoUnwrap: ["second", "third"] },
      { key: "first", region: "there", alsoUnwrap: ["second"], timeout: 5 },
    ]);
  });

  it("opens the key that the URI names", async () => {
    const cmk = await new Stub().adapter.open("stub:first");
    expect([cmk.provider, cmk.keyId]).toEqual(["stub", "first"]);
    await cmk.close();
  });

  it("refuses an option that is misspelt, or not for openers, before it reads the URI", async () => {
    const stub = new Stub();
    const misspelt = { regoin: "there" } as object;
    await expect(stub.adapter.open("stub:first", misspelt)).rejects.toThrow(
      new TypeError('unknown option "regoin"'),
    );
    await expect(stub.adapter.open("stub:first", { profile: "p" } as object)).rejects.toThrow(
      new TypeError('unknown option "profile"'),
    );
    expect(stub.checked).toEqual([]);
  });

  it("turns the failure of a first connection into one of the configuration", async () => {
    const stub = new Stub();
    stub.fails = new KmsCallError("SdkMissing", { hint: "install it" });
    await expect(stub.adapter.open("stub:first")).rejects.toMatchObject({
      code: "ERR_ENVELOPE_CONFIG",
      message: "stub URI: it cannot be opened; install it",
    });
    stub.fails = new TypeError("a bug");
    await expect(stub.adapter.open("stub:first")).rejects.toBe(stub.fails);
  });
});

it("makes a CMK and a driver from options", async () => {
  const { adapter } = new Stub();
  await using cmk = adapter.create({ key: "first" });
  expect(cmk.keyId).toBe("first");
  expect(adapter.driver({ key: "second" }).keyId).toBe("second");
});

it("has a doctor that closes the CMK it opened", async () => {
  const stub = new Stub();
  expect(await stub.adapter.doctor({ key: "first" })).toMatchObject({ mayUnwrap: true });
  expect(stub.closed).toBe(1);
});
