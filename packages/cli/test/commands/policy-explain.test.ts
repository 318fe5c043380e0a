import { describe, expect, it } from "vitest";
import { ACCOUNT, populated, policy } from "../support/principals.ts";

const decrypt = ["--action", "kms:Decrypt", "--key", "alias/app"];
const asks = (as: string, ...more: string[]): string[] => ["--as", as, ...decrypt, ...more];
const acme = ["--context", "tenant=acme"];

describe("envelope policy check", () => {
  it.each([
    ["root", [], 0, "allowed  account-root"],
    ["user/alice", acme, 0, "allowed  key-policy-and-iam"],
    [`arn:aws:iam::${ACCOUNT}:user/alice`, acme, 0, "allowed  key-policy-and-iam"],
    ["user/alice", ["--context", "tenant=other"], 9, "denied  no-identity-policy-allows\n"],
    ["user/alice", [], 9, "denied  no-identity-policy-allows\n"],
    [
      "user/alice",
      [...acme, "--condition", "KMS:encryptionAlgorithm=RSAES_OAEP_SHA_256"],
      9,
      "denied  no-identity-policy-allows\n",
    ],
    ["user/eve", acme, 9, 'denied  explicit-deny: identity policy "no", statement 1\n'],
    ["arn:aws:iam::111122223333:user/x", acme, 9, "denied  no-key-policy-allows\n"],
  ])("answers for %s with %j by exit code %i", async (as, more, code, line) => {
    const { run } = await populated();
    const result = await run(["policy", "check", ...asks(as, ...more)]);
    expect(result).toMatchObject({ code, stderr: "" });
    expect(result.stdout.toString().slice(0, line.length)).toBe(line);
  });

  it.each([
    ["a key that is not there", ["--as", "root", "--action", "Decrypt", "--key", "alias/no"], 4],
    ["no such action", ["--as", "root", "--action", "Decryt", "--key", "alias/app"], 2],
    ["no key", ["--as", "root", "--action", "Decrypt"], 2],
    ["no principal", ["--action", "Decrypt", "--key", "alias/app"], 2],
    ["what is no principal", asks("alice"), 2],
    ["what is no service", asks("root", "--via", "S3!"), 2],
    ["a condition that is no pair", asks("root", "--condition", "x"), 2],
    ["a context that is no pair", asks("root", "--context", "x"), 2],
  ])("tells a question with %s from a denial", async (_, args, code) => {
    const { run } = await populated();
    const result = await run(["policy", "check", ...args]);
    expect(result).toMatchObject({ code, stderr: expect.stringMatching(/^error: /) });
    expect(result.stdout.toString()).toBe("");
  });

  it("asks who may assume a role", async () => {
    const { run } = await populated();
    const args = ["--as", "user/alice", "--action", "sts:AssumeRole", "--role", "role/app"];
    const { code, stdout } = await run(["policy", "check", ...args]);
    expect({ code, text: stdout.toString() }).toEqual({
      code: 9,
      text: "denied  no-trust-policy-allows\n",
    });
    const explained = await run(["policy", "explain", ...args]);
    expect(explained.stdout.toString()).toContain(
      `in the trust policy: { "Effect": "Allow", "Principal": { "AWS": "arn:aws:iam::${ACCOUNT}:user/alice" }, "Action": "sts:AssumeRole" }`,
    );
    const root = await run(["policy", "check", ...args.with(1, "root")]);
    expect(root).toMatchObject({
      code: 2,
      stderr: "error: Roles may not be assumed by root accounts.\n",
    });
  });

  it("asks about grants: that are to be made, through others, and that are to be retired", async () => {
    const { run, open } = await populated();
    const bounds = { EncryptionContextSubset: { tenant: "acme" } };
    let granted = { GrantId: "", GrantToken: "" };
    {
      using keystore = await open({ grantDelay: 600_000 });
      const { KeyMetadata } = await keystore.as().describeKey({ KeyId: "alias/app" });
      granted = await keystore.as().createGrant({
        KeyId: KeyMetadata.KeyId,
        GranteePrincipal: `arn:aws:iam::${ACCOUNT}:role/app`,
        RetiringPrincipal: `arn:aws:iam::${ACCOUNT}:user/alice`,
        Operations: ["CreateGrant", "Decrypt"],
        Constraints: bounds,
      });
    }
    const check = async (as: string, action: string, ...more: string[]): Promise<string> => {
      const args = ["policy", "check", "--as", as, "--action", action, ...more];
      const { code, stdout, stderr } = await run(args);
      return `${code} ${stdout.toString()}${stderr}`;
    };
    const key = ["--key", "alias/app"];
    const create = [...key, "--grant-token", granted.GrantToken, "--grant-operation", "Decrypt"];
    const subset = ["--grant-context-subset", "tenant=acme"];
    const app = (...more: string[]): Promise<string> => check("role/app", "CreateGrant", ...more);
    expect(await app(...create, ...subset, "--grantee", "user/alice")).toMatch(
      /^0 allowed {2}grant/,
    );
    expect(await app(...create, "--grant-context-equals", "tenant=acme")).toMatch(/^0 allowed/);
    expect(await app(...create)).toMatch(/^9 denied/);
    expect(await app(...create, ...subset, "--grant-operation", "Encrypt")).toMatch(/^9 denied/);
    expect(await app(...key, ...subset)).toBe(
      "2 error: a new grant needs at least one operation\nhint: add --grant-operation\n",
    );
    expect(await app(...create, ...subset, "--grant-context-equals", "a=b")).toMatch(
      /^2 error: More than one constraint supplied/,
    );
    const service = ["--grantee-service", "rds.amazonaws.com"];
    const source = ["--grant-source-arn", `arn:aws:rds:local:${ACCOUNT}:db:orders`];
    const retiring = ["--retiring-service", "rds.amazonaws.com"];
    expect(await app(...create, ...subset, ...service, ...source, ...retiring)).toMatch(
      /^0 allowed/,
    );
    expect(await app(...create, ...subset, ...service, "--grantee", "user/alice")).toMatch(
      /^2 error: You must specify either grantee or granteeService, but not both/,
    );

    const byToken = ["--grant-token", granted.GrantToken];
    const byId = [...key, "--grant", granted.GrantId];
    for (const grant of [byToken, byId]) {
      expect(await check("user/alice", "RetireGrant", ...grant)).toMatch(/^0 allowed/);
      expect(await check("role/app", "RetireGrant", ...grant)).toMatch(/^9 denied/);
    }
    expect(await check("user/alice", "RetireGrant")).toMatch(
      /^2 error: RetireGrant is an action on/,
    );
  });

  it("says nothing with --quiet, and all of it with --json", async () => {
    const { run } = await populated();
    const quiet = await run(["policy", "check", ...asks("user/eve"), "--quiet"]);
    expect({ ...quiet, stdout: quiet.stdout.toString() }).toEqual({
      code: 9,
      stdout: "",
      stderr: "",
    });
    const { code, stdout, stderr } = await run(["policy", "check", ...asks("user/eve"), "--json"]);
    expect({ code, stderr }).toEqual({ code: 9, stderr: "" });
    expect(JSON.parse(stdout.toString())).toEqual({
      allowed: false,
      because: "explicit-deny",
      deciding: 'identity policy "no", statement 1',
      principal: `arn:aws:iam::${ACCOUNT}:user/eve`,
      action: "kms:Decrypt",
      resource: expect.stringMatching(/^arn:aws:kms:local:000000000000:key\//),
    });
  });

  it.each(["user/bob", "assumed-role/nobody/session"])(
    "notes that the keystore does not know %s, whose name may be misspelt",
    async (as) => {
      const { run } = await populated();
      const { code, stderr } = await run(["policy", "check", ...asks(as)]);
      expect({ code, stderr }).toEqual({
        code: 9,
        stderr: `note: ${as} is not in this keystore, so no IAM policies apply\n`,
      });
    },
  );

  it.each(["user/eve", "role/app", "assumed-role/app/session", "root", "s3.amazonaws.com"])(
    "has no such note for %s",
    async (as) => {
      const { run } = await populated();
      expect((await run(["policy", "check", ...asks(as)])).stderr).toBe("");
    },
  );

  it("passes on the service, further conditions and several values of one", async () => {
    const { run, open } = await populated();
    {
      using keystore = await open();
      const text = policy({
        Effect: "Allow",
        Action: "kms:Decrypt",
        Resource: "*",
        Condition: {
          StringEquals: { "kms:ViaService": "s3.local.amazonaws.com" },
          IpAddress: { "aws:SourceIp": "10.0.0.0/8" },
          "ForAllValues:StringEquals": { "aws:TagKeys": ["a", "b"] },
          Null: { "aws:TagKeys": "false" },
        },
      });
      await keystore.iam.putPolicy(`arn:aws:iam::${ACCOUNT}:role/app`, { name: "via", text });
    }
    const given = ["--via", "s3", "--condition", "aws:SourceIp=10.1.2.3"];
    const tags = ["--condition", "aws:TagKeys=a", "--condition", "aws:TagKeys=b"];
    const check = async (...more: string[]): Promise<number> =>
      (await run(["policy", "check", ...asks("role/app", ...more)])).code;
    expect(await check(...given, ...tags)).toBe(0);
    expect(await check(...given, ...tags, "--condition", "aws:TagKeys=c")).toBe(9);
    expect(await check(...given)).toBe(9);
    expect(await check(...tags)).toBe(9);
  });

  it("counts a grant by its token before it is effective everywhere", async () => {
    const { run, open } = await populated();
    let token = "";
    {
      using keystore = await open({ grantDelay: 300_000 });
      const GranteePrincipal = `arn:aws:iam::${ACCOUNT}:role/app`;
      const { KeyMetadata } = await keystore.as().describeKey({ KeyId: "alias/app" });
      const { KeyId } = KeyMetadata;
      const grant = { KeyId, GranteePrincipal, Operations: ["Decrypt"] } as const;
      token = (await keystore.as().createGrant(grant)).GrantToken;
    }
    expect(await run(["policy", "check", ...asks("role/app")])).toMatchObject({ code: 9 });
    const granted = await run(["policy", "check", ...asks("role/app", "--grant-token", token)]);
    expect(granted).toMatchObject({ code: 0 });
    expect(granted.stdout.toString()).toMatch(/^allowed {2}grant: grant [0-9a-f]{64}\n$/);
  });

  it("asks about an empty context where none is given, as the operation does", async () => {
    const { run, open } = await populated();
    {
      using keystore = await open();
      const GranteePrincipal = `arn:aws:iam::${ACCOUNT}:role/app`;
      const { KeyMetadata } = await keystore.as().describeKey({ KeyId: "alias/app" });
      const Constraints = { EncryptionContextEquals: { tenant: "acme" } };
      const { KeyId } = KeyMetadata;
      const grant = { KeyId, GranteePrincipal, Operations: ["Decrypt"], Constraints } as const;
      await keystore.as().createGrant(grant);
    }
    const { stdout } = await run(["policy", "explain", ...asks("role/app")]);
    expect(stdout.toString()).toContain(
      'EncryptionContextEquals is {"tenant":"acme"}, the encryption context is {}',
    );
    expect(await run(["policy", "check", ...asks("role/app", ...acme)])).toMatchObject({ code: 0 });
  });

  it("does and records nothing", async () => {
    const { run, open } = await populated();
    const records = async (): Promise<number> => {
      using keystore = await open();
      return (await keystore.audit.anchor()).sequence;
    };
    const before = await records();
    expect(before).toBeGreaterThan(0);
    await run(["policy", "check", ...asks("user/eve")]);
    await run(["policy", "explain", ...asks("user/alice")]);
    expect(await records()).toBe(before);
  });
});

describe("envelope policy explain", () => {
  it("notes whom the keystore does not know", async () => {
    const { run } = await populated();
    expect(await run(["policy", "explain", ...asks("user/bob")])).toMatchObject({
      code: 0,
      stderr: "note: user/bob is not in this keystore, so no IAM policies apply\n",
    });
  });

  it("shows the tree and ends with 0, whatever the answer", async () => {
    const { run } = await populated();
    const { code, stdout, stderr } = await run(["policy", "explain", ...asks("user/alice")]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const shown = stdout.toString();
    expect(shown).toMatch(
      /^denied {2}no-identity-policy-allows\n {2}user\/alice asks for kms:Decrypt/,
    );
    expect(shown).toContain('\n  ✗ statement 1 "UseApp", Allow: does not match\n');
    expect(shown).toContain("✗ condition  fails: kms:EncryptionContext:tenant is absent");
    expect(shown).toContain("✓ condition  holds: kms:EncryptionAlgorithm is SYMMETRIC_DEFAULT");
    expect(shown).toContain("\n  2. a grant for user/alice with Decrypt\n");
  });

  it("has the decision that the KMS then makes", async () => {
    const { run, open } = await populated();
    for (const tenant of ["acme", "other"]) {
      const question = ["--as", "user/alice", "--action", "generatedatakey", "--key", "alias/app"];
      const context = ["--context", `tenant=${tenant}`];
      const { stdout } = await run(["policy", "explain", ...question, ...context, "--json"]);
      using keystore = await open();
      const called = await keystore
        .as(`arn:aws:iam::${ACCOUNT}:user/alice`)
        .generateDataKey({
          KeyId: "alias/app",
          KeySpec: "AES_256",
          EncryptionContext: { tenant },
        })
        .then(() => true)
        .catch(() => false);
      expect(JSON.parse(stdout.toString())).toMatchObject({
        decision: { allowed: called },
        action: "kms:GenerateDataKey",
        policies: [{ policy: { type: "key policy" } }, { policy: { name: "use" } }],
      });
    }
  });

  it("takes a short key for one of this keystore, whoever asks", async () => {
    const { run } = await populated();
    const { stdout } = await run([
      "policy",
      "explain",
      ...asks("arn:aws:iam::111122223333:role/x"),
    ]);
    expect(stdout.toString()).toContain("arn:aws:kms:local:000000000000:key/");
  });

  it("asks about an alias", async () => {
    const { run } = await populated();
    const args = ["--as", "root", "--action", "CreateAlias", "--alias", "alias/new"];
    const { code, stdout } = await run(["policy", "explain", ...args]);
    expect({ code, stdout: stdout.toString() }).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("arn:aws:kms:local:000000000000:alias/new"),
    });
  });
});
