import { writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { populated, type Populated } from "../support/principals.ts";

const met = [
  "- { principal: user/alice, action: Decrypt, key: alias/app, context: { tenant: acme }, expect: allow, because: key-policy-and-iam }",
  "- { principal: user/alice, action: Decrypt, key: alias/app, expect: deny }",
  "- { principal: user/eve, action: Decrypt, key: alias/app, expect: deny, because: explicit-deny }",
];

function simulate(
  { run, path }: Populated,
  lines: readonly string[],
  ...more: string[]
): ReturnType<Populated["run"]> {
  writeFileSync(path("x.yaml"), lines.join("\n"));
  return run(["policy", "simulate", path("x.yaml"), ...more]);
}

describe("envelope policy simulate", () => {
  it("ends with 0 where everything is as expected", async () => {
    const { code, stdout, stderr } = await simulate(await populated(), met);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.toString()).toMatch(/\n\n3 expectations met\n$/);
    expect(stdout.toString().match(/^✓ /gm)).toHaveLength(3);
  });

  it.each([
    [
      "another answer",
      "{ principal: user/eve, action: Decrypt, key: alias/app, expect: allow }",
      'expected allow, got deny (explicit-deny: identity policy "no", statement 1)',
    ],
    [
      "another reason",
      "{ principal: user/alice, action: Decrypt, key: alias/app, expect: deny, because: explicit-deny }",
      "expected deny (explicit-deny), got deny (no-identity-policy-allows)",
    ],
    [
      "a key that is not there",
      "{ principal: user/eve, action: Decrypt, key: alias/none, expect: deny }",
      "expected deny, but Alias arn:aws:kms:local:000000000000:alias/none is not found.",
    ],
    [
      "no such action",
      "{ principal: user/eve, action: Decryt, key: alias/app, expect: deny }",
      "expected deny, but AWS KMS has no action kms:decryt. Did you mean kms:Decrypt?",
    ],
    [
      "no such principal",
      "{ principal: eve, action: Decrypt, key: alias/app, expect: deny }",
      "expected deny, but principal must be",
    ],
  ])("is surprised by %s, and goes on behind it", async (_, line, message) => {
    const env = await populated();
    const { code, stdout } = await simulate(env, [`- ${line}`, ...met]);
    expect(code).toBe(9);
    expect(stdout.toString()).toContain(`\n${env.path("x.yaml")}:1: ${message}`);
    expect(stdout.toString()).toMatch(/\n1 of 4 expectations failed\n$/);
    expect(stdout.toString().match(/^✗ /gm)).toHaveLength(1);
  });

  it("answers in JSON", async () => {
    const line =
      "- { name: bob, principal: user/bob, action: Decrypt, key: alias/app, expect: allow }";
    const { code, stdout, stderr } = await simulate(await populated(), [line], "--json");
    expect({ code, stderr }).toEqual({ code: 9, stderr: "" });
    expect(JSON.parse(stdout.toString())).toEqual({
      total: 1,
      failed: 1,
      outcomes: [
        {
          line: 1,
          name: "bob",
          principal: "user/bob",
          action: "Decrypt",
          key: "alias/app",
          expect: "allow",
          met: false,
          answer: "deny",
          answerBecause: "no-identity-policy-allows",
          unknownPrincipal: true,
        },
      ],
    });
  });

  it("notes once whom the keystore does not know", async () => {
    const line = "- { principal: user/bob, action: Decrypt, key: alias/app, expect: deny }";
    const { code, stderr } = await simulate(await populated(), [line, line]);
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: "note: user/bob is not in this keystore, so no IAM policies apply\n",
    });
  });

  it("reads stdin, and asks about aliases, services, conditions and tokens", async () => {
    const { run } = await populated();
    const input = Buffer.from(
      JSON.stringify([
        { principal: "root", action: "CreateAlias", alias: "alias/new", expect: "allow" },
        {
          principal: "root",
          action: "Decrypt",
          key: "alias/app",
          via: "s3",
          conditions: { "aws:SourceIp": "10.0.0.1" },
          grantTokens: [],
          expect: "allow",
        },
      ]),
    );
    expect(await run(["policy", "simulate", "-"], { input })).toMatchObject({ code: 0 });
  });

  it("takes no file for one without surprises that it cannot make sense of", async () => {
    const env = await populated();
    const { code, stderr } = await simulate(env, ["- { principal: root }"]);
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("x.yaml:1:3: an expectation needs expect"),
    });
    expect(await env.run(["policy", "simulate", env.path("none.yaml")])).toMatchObject({ code: 7 });
  });

  it("takes a keystore that cannot be opened for no surprise", async () => {
    const env = await populated();
    const { code } = await simulate(env, met, "--keystore", env.path("none.kms"));
    expect(code).toBe(6);
  });

  it("stops at a keystore that was altered", async () => {
    const env = await populated();
    const database = new DatabaseSync(env.path("dev.kms"));
    database.exec("UPDATE cmk SET sealed = zeroblob(100)");
    database.close();
    const { code, stdout } = await simulate(env, met);
    expect({ code, stdout: stdout.toString() }).toEqual({ code: 6, stdout: "" });
  });
});
