import { Cmk } from "@env/core";
import { doctor, type CmkDriver, type DoctorReport } from "@env/core/driver";
import { MemoryKmsError } from "@env/core/testing";
import { describe, expect, it } from "vitest";
import { StubKey, type StubKeyOptions } from "../support/stub-kms.ts";

const context = { tenant: "acme" };

/** What a report says about the operations, one letter each. */
function may({ mayGenerate, mayWrap, mayUnwrap, mayRewrap }: DoctorReport): string {
  return [mayGenerate, mayWrap, mayUnwrap, mayRewrap]
    .map((one) => (one === undefined ? "?" : one ? "y" : "n"))
    .join("");
}

function checks({ problems }: DoctorReport): string {
  return problems.map(({ check }) => check).join(" ");
}

/** A CMK of a stub's driver with other members, which fails in the operations named. */
function altered(
  key: StubKey,
  failing: readonly string[],
  error: unknown,
  more: Partial<CmkDriver> = {},
): Cmk {
  const { driver } = key;
  const generate = driver.generate?.bind(driver);
  const guard =
    <R, T>(operation: string, call: (request: R) => Promise<T>) =>
    async (request: R): Promise<T> => {
      if (failing.includes(operation)) throw error;
      return call(request);
    };
  return new Cmk({
    ...driver,
    wrap: guard("wrap", (request) => driver.wrap(request)),
    unwrap: guard("unwrap", (request) => driver.unwrap(request)),
    ...(generate && { generate: guard("generate", generate) }),
    ...more,
  });
}

const denied = new MemoryKmsError("ERR_ENVELOPE_KMS_ACCESS_DENIED");

describe("a driver that describes nothing", () => {
  it.each<[StubKeyOptions, readonly string[]]>([
    [{}, ["generate", "wrap", "unwrap"]],
    [{ withoutGenerate: true }, ["wrap", "unwrap"]],
    // Cmk proves a rewrap inside the KMS with another one; of the current version it has nothing to prove.
    [{ withRewrap: true }, ["generate", "wrap", "unwrap", "rewrap"]],
  ])("is tried with a data key: %o", async (options, calls) => {
    const key = new StubKey("first", options);
    expect(await doctor(key.cmk, { context })).toEqual({
      provider: "stub",
      keyId: "first",
      label: "first",
      reachable: true,
      mayGenerate: true,
      mayWrap: true,
      mayUnwrap: true,
      mayRewrap: true,
      keyVersion: "1",
      latencyMs: expect.any(Number),
      problems: [],
    });
    expect(key.calls).toEqual(calls);
  });

  it("that cannot be reached is one problem, and nothing more is tried", async () => {
    const key = new StubKey("first");
    key.fails = "ERR_ENVELOPE_KMS_UNAVAILABLE";
    const report = await doctor(key.cmk);
    expect(report).toMatchObject({ reachable: false, latencyMs: undefined });
    expect([may(report), checks(report)]).toEqual(["????", "reach"]);
    expect(key.calls).toEqual(["generate"]);
  });

  it.each([
    ["generate", "nyyy", "generate"],
    ["wrap", "ynyn", "wrap rewrap"],
    ["unwrap", "yynn", "unwrap rewrap"],
  ])("may be denied %s", async (operation, expected, of) => {
    const report = await doctor(altered(new StubKey("first"), [operation], denied));
    expect([may(report), checks(report)]).toEqual([expected, of]);
  });

  it("is not quoted, since its errors may hold secrets", async () => {
    const report = await doctor(altered(new StubKey("first"), ["unwrap"], new Error("SECRET")));
    expect(report.problems[0]).toEqual({
      check: "unwrap",
      code: "ERR_ENVELOPE_KMS_ERROR",
      message: expect.stringMatching(/^stub first: The KMS failed unexpectedly\. [A-Z][^]*\.$/),
    });
  });

  it("that cannot wrap leaves open whether it may unwrap", async () => {
    const all = ["generate", "wrap"];
    const report = await doctor(altered(new StubKey("first"), all, denied));
    expect([may(report), checks(report)]).toEqual(["nn?n", "generate wrap unwrap rewrap"]);
  });

  it("whose own wrapped key is refused may not unwrap", async () => {
    const refused = new MemoryKmsError("ERR_ENVELOPE_KMS_REJECTED");
    const report = await doctor(altered(new StubKey("first"), ["unwrap"], refused));
    expect(may(report)).toBe("yynn");
  });

  it("leaves open what was throttled, and a refusal decides about rewraps", async () => {
    const throttled = new MemoryKmsError("ERR_ENVELOPE_KMS_THROTTLED");
    const key = new StubKey("first");
    expect(may(await doctor(altered(key, ["unwrap"], throttled)))).toBe("yy??");
    const unwrap = () => Promise.reject(throttled);
    const report = await doctor(altered(key, ["wrap"], denied, { unwrap }));
    expect(may(report)).toBe("yn?n");
    expect(report.problems.at(-1)).toMatchObject({ check: "rewrap", code: denied.code });
  });
});

describe("what a driver describes", () => {
  const described = {
    isAnswer: () => true,
    madeUp: () => new Uint8Array(1),
    permission: (operation: string, keyId: string) => `${operation} on ${keyId}`,
  };

  it("is in the report, with problems as texts or as errors", async () => {
    const describeKey: CmkDriver["describe"] = () => ({
      ...described,
      ask: async () => ({ label: "canonical", keyVersion: "7", problems: ["disabled", denied] }),
    });
    const key = new StubKey("first");
    const all = ["generate", "wrap", "unwrap"];
    const report = await doctor(
      altered(key, all, denied, { describe: describeKey, matches: () => true }),
    );
    expect(report).toMatchObject({ label: "canonical", keyVersion: "7", reachable: true });
    expect(report.problems.slice(0, 2)).toEqual([
      { check: "key", code: "ERR_ENVELOPE_KMS_KEY_STATE", message: "disabled" },
      { check: "key", code: "ERR_ENVELOPE_KMS_ACCESS_DENIED", message: denied.message },
    ]);
    expect(report.problems[2]?.message).toMatch(/; allow generate on first$/);
    expect(report.problems.at(-2)?.message).toMatch(/; allow unwrap on canonical$/);
  });

  it("can be bytes that no key wrapped, whose refusal shows the permission to unwrap", async () => {
    const describeKey: CmkDriver["describe"] = () => ({
      ...described,
      ask: async () => ({ problems: [] }),
    });
    const all = ["generate", "wrap"];
    const more = { describe: describeKey };
    const report = await doctor(altered(new StubKey("first"), all, denied, more));
    expect([may(report), checks(report)]).toEqual(["nnyn", "generate wrap rewrap"]);
  });

  it("can be dry runs, which all run at once, for each key", async () => {
    const asked: string[] = [];
    const describeKey: CmkDriver["describe"] = () => ({
      ...described,
      ask: async () => ({ problems: [] }),
      async dryRun(operation, { keyId, context: { map } }) {
        asked.push(`${operation} ${keyId} ${map["env:format"]}`);
        if (operation === "rewrap" && keyId === "old") throw denied;
      },
    });
    const key = new StubKey("first", { withRewrap: true });
    const driver: CmkDriver = { ...key.driver, describe: describeKey };
    const report = await doctor(new Cmk(driver, { alsoUnwrap: ["old"] }));
    expect(may(report)).toBe("yyyn");
    expect(asked.toSorted()).toEqual(
      [
        "generate first",
        "rewrap first",
        "rewrap old",
        "unwrap first",
        "unwrap old",
        "wrap first",
      ].map((one) => `${one} 1`),
    );
    expect(key.calls).toEqual([]);
  });

  it("may need a label that is not known: then the problem is the key's", async () => {
    const describeKey: CmkDriver["describe"] = () => ({
      ...described,
      ask: () => Promise.reject(denied),
      madeUp: (label) => (label === undefined ? undefined : new Uint8Array(1)),
    });
    const more = { describe: describeKey, matches: () => false };
    const report = await doctor(altered(new StubKey("first"), ["generate", "wrap"], denied, more));
    expect([may(report), checks(report)]).toEqual(["nnnn", "key generate wrap unwrap rewrap"]);
  });
});

it("refuses what it cannot use before any call", async () => {
  const key = new StubKey("first");
  const misspelt = { contxt: {} } as object;
  await expect(doctor(key.cmk, misspelt)).rejects.toThrow(new TypeError('unknown option "contxt"'));
  await expect(doctor(key.cmk, { context: { "env:format": "2" } })).rejects.toMatchObject({
    code: "ERR_ENVELOPE_INVALID_CONTEXT",
  });
  const reason = new Error("the caller has left");
  await expect(doctor(key.cmk, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  await key.cmk.close();
  await expect(doctor(key.cmk)).rejects.toMatchObject({ code: "ERR_ENVELOPE_CLOSED" });
  expect(key.calls).toEqual([]);
});

it("leaves the CMK open", async () => {
  const key = new StubKey("first");
  await doctor(key.cmk);
  expect(may(await doctor(key.cmk))).toBe("yyyy");
});
