import { describe, expect, it } from "vitest";
import { drawReport, type CheckedCmk } from "../../src/commands/config-report.ts";

const well: CheckedCmk = {
  provider: "aws-kms",
  keyId: "arn:aws:kms:eu-west-1:000000000000:key/00000000-0000-4000-8000-000000000000",
  label: null,
  reachable: true,
  mayGenerate: true,
  mayWrap: true,
  mayUnwrap: true,
  mayRewrap: true,
  keyVersion: "0123456789abcdef0123456789abcdef",
  latencyMs: 12.4,
  problems: [],
};
const poor: CheckedCmk = {
  ...well,
  provider: "vault-transit",
  keyId: "transit/orders",
  mayUnwrap: false,
  mayRewrap: null,
  keyVersion: null,
  latencyMs: 0.34,
  problems: ["unwrap", "rewrap"].map((check) => ({
    check,
    code: "ERR_ENVELOPE_KMS_ACCESS_DENIED",
    message: "denied; allow update on transit/decrypt/orders",
  })),
};
const crypto = { name: "node", version: "OpenSSL 3.5.8", problem: null };
const draw = (columns?: number, cmks: readonly CheckedCmk[] = [well, poor]): string =>
  drawReport({ environment: "production", ok: false, cmks, problems: [], crypto }, columns);
const widest = (text: string): number =>
  Math.max(...(text.split("\n\n")[0] ?? "").split("\n").map((line) => line.length));

describe("drawReport", () => {
  it("gives a pipe all but the whole of a long version", () => {
    const { keyId } = well;
    expect(draw()).toBe(`\
CMK  PROVIDER       KEY${" ".repeat(72)}  REACHABLE  GENERATE  WRAP  UNWRAP  REWRAP  VERSION       LATENCY
1    aws-kms        ${keyId}  yes        yes       yes   yes     yes     0123456789a…  12 ms
2    vault-transit  transit/orders${" ".repeat(61)}  yes        yes       yes   no      ?       ?             0.3 ms

CMK 2 vault-transit transit/orders
  unwrap, rewrap: denied; allow update on transit/decrypt/orders (ERR_ENVELOPE_KMS_ACCESS_DENIED)

production: problems found
crypto: node (OpenSSL 3.5.8)`);
  });

  it("leaves out the beginning of keys where the terminal has no room for them", () => {
    for (const columns of [110, 120, 150]) {
      const drawn = draw(columns);
      expect(widest(drawn)).toBe(columns);
      expect(drawn).toMatch(/1 {4}aws-kms {8}….*8000-000000000000 {2}yes/);
    }
  });

  it.each([30, 40, 80])("is a list in %i columns", (columns) => {
    const [first, second] = draw(columns).split("\n\n");
    expect(first).toBe(`\
CMK 1
  provider   aws-kms
  key        ${well.keyId}
  reachable  yes
  generate   yes
  wrap       yes
  unwrap     yes
  rewrap     yes
  version    0123456789a…
  latency    12 ms`);
    expect(second).toContain("CMK 2\n  provider   vault-transit\n");
    expect(second).toContain("\n  unwrap     no\n  rewrap     ?\n");
  });

  it("keeps control characters of a key and of a message away from the terminal", () => {
    const problems = [{ check: "key", code: "C", message: "\u001b[2J\nx" }];
    const drawn = draw(undefined, [{ ...poor, keyId: "a\u001b[2J\nb", problems }]);
    expect(drawn).not.toContain("\u001b");
    expect(drawn.split("\n")).toHaveLength(8);
  });

  it("says what is wrong with the configuration as a whole", () => {
    const problems = [{ check: "minWrapped", message: "too few" } as const];
    const report = { environment: "e", ok: false, cmks: [well], problems, crypto };
    expect(drawReport(report, undefined)).toMatch(
      /\n\nconfiguration\n {2}minWrapped: too few\n\ne: problems/,
    );
  });
});
