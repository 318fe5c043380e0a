import type { Entry, RewrapReport } from "@env/core";
import { describe, expect, it } from "vitest";
import { KeyUsage } from "../src/key-usage.ts";

const entry = (keyId: string, provider = "other"): Entry => ({
  provider,
  keyId,
  wrapped: new Uint8Array(10),
});

const report = (
  keyId: string,
  action: RewrapReport["action"],
  fromVersion?: string,
  keyVersion?: string,
): RewrapReport => ({ provider: "other", keyId, action, fromVersion, keyVersion });

const rows = (usage: KeyUsage): string[] =>
  usage.rows.map(
    ({ keyId, keyVersion, before, after }) => `${keyId} ${keyVersion} ${before}>${after}`,
  );

describe("KeyUsage", () => {
  it("takes the versions that the KMS reported if the entries have none", () => {
    const usage = new KeyUsage();
    usage.add([entry("a")], [report("a", "rewrapped", "1", "2")]);
    usage.add([entry("a")], [report("a", "current", "2", "2")]);
    expect(rows(usage)).toEqual(["a 1 1>0", "a 2 1>2"]);
  });

  it("counts the entries that were added and removed", () => {
    const usage = new KeyUsage();
    usage.add([entry("a")], [report("a", "removed"), report("b", "added", undefined, "7")]);
    expect(rows(usage)).toEqual(["a undefined 1>0", "b 7 0>1"]);
  });

  it("leaves a file that failed where it was", () => {
    const usage = new KeyUsage();
    usage.add([entry("a"), entry("b")], undefined);
    expect(rows(usage)).toEqual(["a undefined 1>1", "b undefined 1>1"]);
  });

  it("counts the entries that were kept, also those of another provider with the same id", () => {
    const usage = new KeyUsage();
    const kept = report("a", "kept");
    usage.add([entry("a"), entry("a", "third")], [kept, { ...kept, provider: "third" }]);
    expect(usage.rows.map(({ provider, before, after }) => [provider, before, after])).toEqual([
      ["other", 1, 1],
      ["third", 1, 1],
    ]);
  });

  it("orders versions as numbers", () => {
    const usage = new KeyUsage();
    for (const version of ["10", "9"]) usage.add([], [report("a", "added", undefined, version)]);
    expect(rows(usage)).toEqual(["a 9 0>1", "a 10 0>1"]);
  });
});
