import { describe, expect, it } from "vitest";
import type { TransitPolicy, TransitPolicyRule } from "../../src/transit/index.ts";
import { parsePolicy } from "../../src/transit/policy-text.ts";
import { base64, call, open, type Answer } from "./support.ts";

const plaintext = base64("x");
const denied = { status: 403, body: { errors: ["1 error occurred:\n\t* permission denied\n\n"] } };

async function withRules(rules: readonly TransitPolicyRule[], namespaces: string[] = []) {
  const server = await open({ namespaces });
  server.createKey("k");
  server.setPolicy("p", rules);
  const token = server.createToken({ policies: ["p"] });
  return {
    server,
    as: (method: string, path: string, body?: object): Promise<Answer> =>
      call(server, method, path, body, { authorization: `Bearer ${token}` }),
  };
}

describe("a policy", () => {
  it("allows what it lists and nothing else", async () => {
    const { as } = await withRules([{ path: "transit/encrypt/k", capabilities: ["update"] }]);
    expect(await as("POST", "transit/encrypt/k", { plaintext })).toMatchObject({ status: 200 });
    expect(await as("POST", "transit/decrypt/k", { ciphertext: "x" })).toMatchObject(denied);
    expect(await as("GET", "transit/keys/k")).toMatchObject(denied);
  });

  it("has to allow create for encrypt to make a key", async () => {
    const { as, server } = await withRules([
      { path: "transit/encrypt/*", capabilities: ["update"] },
    ]);
    expect(await as("POST", "transit/encrypt/typo", { plaintext })).toMatchObject(denied);
    expect(server.root("GET", "transit/keys/typo").status).toBe(404);
  });

  it("is ruled by the path that fits best, and deny wins there", async () => {
    const { as } = await withRules([
      { path: "transit/*", capabilities: ["read", "update"] },
      { path: "transit/keys/*", capabilities: ["deny"] },
    ]);
    expect(await as("GET", "transit/keys/k")).toMatchObject(denied);
    expect(await as("POST", "transit/encrypt/k", { plaintext })).toMatchObject({ status: 200 });
  });

  it("requires, allows and denies parameters", async () => {
    const path = "transit/encrypt/k";
    const { as } = await withRules([
      {
        path,
        capabilities: ["update"],
        required_parameters: ["associated_data"],
        allowed_parameters: { associated_data: [base64("a"), base64("b")], "*": [] },
        denied_parameters: { batch_input: [], nonce: ["7"], key_version: [7] },
      },
    ]);
    const send = async (body: object) => (await as("POST", path, body)).status;
    expect(await send({ plaintext, associated_data: base64("a") })).toBe(200);
    expect(await send({ plaintext })).toBe(403);
    expect(await send({ plaintext, associated_data: base64("c") })).toBe(403);
    expect(await send({ batch_input: [], associated_data: base64("a") })).toBe(403);
    expect(await send({ plaintext, key_version: 1, associated_data: base64("a") })).toBe(200);
    expect(await send({ plaintext, nonce: "7", associated_data: base64("a") })).toBe(403);
    // A number in a policy is never equal to one in a request: the version is missing, not denied.
    expect(await send({ plaintext, key_version: 7, associated_data: base64("a") })).toBe(400);
  });

  it("has the namespace in its paths, wherever the request has it", async () => {
    const { as, server } = await withRules(
      [{ path: "team/a/transit/keys/k", capabilities: ["read"] }],
      ["team/a"],
    );
    expect((await as("GET", "team/a/transit/keys/k")).status).toBe(404);
    server.createKey("k", { namespace: "team/a" });
    expect((await as("GET", "team/a/transit/keys/k")).status).toBe(200);
    const header = { "x-vault-token": server.rootToken, "x-vault-namespace": "team/a/" };
    expect((await call(server, "GET", "transit/keys/k", undefined, header)).status).toBe(200);
  });
});

describe("a policy's parameters", () => {
  const path = "transit/decrypt/k";
  const update = ["update"] as const;
  const status = async (rules: TransitPolicy, body: object): Promise<number> => {
    const server = await open();
    server.createKey("k");
    server.setPolicy("p", rules);
    const token = server.createToken({ policies: ["p"] });
    return (await call(server, "POST", path, body, { "x-vault-token": token })).status;
  };

  it("are those of the request itself: what a batch holds is not looked at", async () => {
    const allowed_parameters = { context: ["YQ=="], "*": [] };
    const rules = [{ path, capabilities: update, allowed_parameters }];
    expect(await status(rules, { ciphertext: "x", context: "Yg==" })).toBe(403);
    // Decided by the engine, and so allowed: this is not how to confine anybody.
    expect(await status(rules, { batch_input: [{ ciphertext: "x", context: "Yg==" }] })).toBe(400);
  });

  it("are one name in any case, and a value may begin or end with *", async () => {
    const refused = [{ path, capabilities: update, denied_parameters: { Batch_Input: [] } }];
    expect(await status(refused, { batch_input: [] })).toBe(403);
    expect(await status(refused, { BATCH_INPUT: [] })).toBe(403);
    const allowed_parameters = { ciphertext: ["vault:*"], context: ["*A==", "*B*"] };
    const allowed = [{ path, capabilities: update, allowed_parameters }];
    expect(await status(allowed, { ciphertext: "vault:v1:x", context: "QA==" })).toBe(400);
    expect(await status(allowed, { ciphertext: "vault:v1:x", context: "QBB=" })).toBe(400);
    expect(await status(allowed, { ciphertext: "vault:v1:x", context: "QQ==" })).toBe(403);
    expect(await status(allowed, { ciphertext: "other" })).toBe(403);
  });

  it("are all denied by *, and none is what a request without any has", async () => {
    const rules = [{ path, capabilities: update, denied_parameters: { "*": [] } }];
    expect(await status(rules, { ciphertext: "x" })).toBe(403);
    expect(await status(rules, {})).toBe(400);
  });

  it("add up over the policies of a token, and deny wins", async () => {
    const one = {
      path,
      capabilities: update,
      allowed_parameters: { ciphertext: ["a", "vault:v1"] },
    };
    const two = { path, capabilities: update, allowed_parameters: { context: ["YQ=="] } };
    expect(await status([one], { ciphertext: "a", context: "YQ==" })).toBe(403);
    expect(await status([one, two], { ciphertext: "a", context: "YQ==" })).toBe(400);
    expect(await status([one, two], { ciphertext: "b", context: "YQ==" })).toBe(403);
    const every = { ...one, allowed_parameters: { ciphertext: [] } };
    expect(await status([one, every], { ciphertext: "b" })).toBe(400);
    const required = { ...two, required_parameters: ["nonce"] };
    expect(await status([one, required], { ciphertext: "a" })).toBe(403);
    expect(await status([one, { path, capabilities: ["deny"] }], { ciphertext: "a" })).toBe(403);
  });
});

describe("a policy's path", () => {
  it.each([
    ["transit/+/k", true],
    ["+/decrypt/k", true],
    ["transit/decrypt/+", true],
    ["transit/+/*", true],
    ["transit/+", false],
    ["+/k", false],
    ["transit/decrypt/k/*", false],
  ])("may have + for a segment: %s", async (path, allows) => {
    const { as } = await withRules([{ path, capabilities: ["update"] }]);
    const { status } = await as("POST", "transit/decrypt/k", { ciphertext: "x" });
    expect(status).toBe(allows ? 400 : 403);
  });

  it.each([
    ["transit/decrypt/k", "transit/decrypt/*"],
    ["transit/decrypt/*", "transit/*"],
    ["transit/decrypt/+", "transit/+/k"],
    ["transit/decrypt/+", "transit/decrypt/*"],
    ["transit/+/k", "+/+/k"],
  ])("decides where it says more: %s before %s", async (specific, general) => {
    for (const closed of [specific, general]) {
      const rules = [specific, general].map((path) => ({
        path,
        capabilities: [path === closed ? "deny" : "update"] as const,
      }));
      const { as } = await withRules(rules);
      const { status } = await as("POST", "transit/decrypt/k", { ciphertext: "x" });
      expect(status).toBe(closed === specific ? 403 : 400);
    }
  });
});

describe("a policy in HCL", () => {
  it("says what its rules say", () => {
    expect(
      parsePolicy(`
        # who reads
        path "transit/decrypt/k" { // all of it
          capabilities = ["update"]
          required_parameters = ["context",]
          allowed_parameters = {
            "ciphertext" = []
            context = ["a\\"b", 7, true]
          }
          denied_parameters = { "batch_input" = [], "nonce" = [] }
        }
        path "sys/*" { capabilities = ["deny"] }
      `),
    ).toEqual([
      {
        path: "transit/decrypt/k",
        capabilities: ["update"],
        required_parameters: ["context"],
        allowed_parameters: { ciphertext: [], context: ['a"b', 7, true] },
        denied_parameters: { batch_input: [], nonce: [] },
      },
      { path: "sys/*", capabilities: ["deny"] },
    ]);
    expect(parsePolicy("")).toEqual([]);
  });

  it.each([
    ["paths {}", "expected path, got paths"],
    ['path "a"', "expected text, got the end"],
    ['path "a" { }', "a path has capabilities"],
    ['path "a" ["update"]', "a path has a block"],
    ['path "a" { capabilites = [] }', 'unknown member "capabilites"'],
    ['path "a" { capabilities = [', "expected text, got the end"],
    ['path "a" { capabilities = ["write"] }', 'unknown capability "write"'],
    [
      'path "a" { capabilities = [] allowed_parameters = { "b" = "c" } }',
      "parameters are a map of lists",
    ],
    ["path 'a' { }", "unexpected character at 5"],
  ])("is refused: %s", async (text, problem) => {
    const server = await open();
    expect(() => server.setPolicy("p", text)).toThrow(new SyntaxError(problem));
  });
});

describe("a namespace that is missing", () => {
  it.each([
    ["GET", "transit/keys/k", undefined],
    ["POST", "transit/encrypt/k", { plaintext }],
    ["POST", "auth/approle/login", { role_id: "r", secret_id: "s" }],
    ["GET", "auth/token/lookup-self", undefined],
  ])("is told before the token is looked at: %s %s", async (method, path, body) => {
    const server = await open({ namespaces: ["team"] });
    server.addAppRole({ roleId: "r", secretId: "s" });
    for (const token of ["no", server.rootToken]) {
      const headers = { "x-vault-token": token, "x-vault-namespace": "team/none" };
      expect(await call(server, method, path, body, headers)).toMatchObject({
        status: 404,
        body: { errors: ["namespace not found"] },
      });
    }
  });
});

describe("a token", () => {
  it.each([
    ["openbao-2.5", "permission denied"],
    ["vault", "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"],
  ] as const)("that nobody knows is refused as %s does", async (flavour, text) => {
    const server = await open({ flavour });
    const answer = await call(server, "GET", "transit/keys/k", undefined, {
      "x-vault-token": "no",
    });
    expect(answer).toMatchObject({ status: 403, body: { errors: [text] } });
    const none = await call(server, "GET", "transit/keys/k", undefined, {});
    expect(none).toMatchObject({ status: 403, body: { errors: ["permission denied"] } });
  });

  it("ages, is renewed up to its end, and ends", async () => {
    const server = await open();
    const token = server.createToken({ ttl: 100, maxTtl: 150 });
    const own = (method: string, path: string) =>
      call(server, method, `auth/token/${path}`, undefined, { "x-vault-token": token });
    server.advance(60);
    expect((await own("GET", "lookup-self")).data["ttl"]).toBe(40);
    const renewed = (await own("POST", "renew-self")).body["auth"];
    expect(renewed).toMatchObject({ client_token: token, lease_duration: 90, renewable: true });
    server.advance(91);
    expect((await own("GET", "lookup-self")).status).toBe(403);
  });

  it("is not renewed in its last second", async () => {
    const server = await open();
    const token = server.createToken({ ttl: 100, maxTtl: 100 });
    server.advance(99.5);
    const headers = { "x-vault-token": token };
    expect(await call(server, "POST", "auth/token/renew-self", undefined, headers)).toMatchObject({
      status: 500,
      body: { errors: ["1 error occurred:\n\t* past the max TTL, cannot renew\n\n"] },
    });
  });

  it("of root never expires", async () => {
    const server = await open();
    expect((await call(server, "GET", "auth/token/lookup-self")).data).toMatchObject({ ttl: 0 });
  });
});

describe("logins", () => {
  it("by AppRole give a token with the role's policies", async () => {
    const server = await open();
    server.createKey("k");
    server.addAppRole({ roleId: "r", secretId: "s", policies: ["root"], ttl: 60 });
    const login = (body: object) => call(server, "POST", "auth/approle/login", body, {});
    const { body } = await login({ role_id: "r", secret_id: "s" });
    const auth = body["auth"] as Record<string, unknown>;
    expect(auth).toMatchObject({ lease_duration: 60, renewable: true, token_type: "service" });
    const headers = { "x-vault-token": String(auth["client_token"]) };
    expect((await call(server, "GET", "transit/keys/k", undefined, headers)).status).toBe(200);
    for (const none of [{}, { secret_id: "s" }]) {
      expect(await login(none)).toMatchObject({
        status: 500,
        body: { errors: ["missing role_id"] },
      });
    }
    for (const [wrong, problem] of [
      [{ role_id: "r" }, "missing secret_id"],
      [{ role_id: "r", secret_id: "no" }, "invalid role or secret ID"],
    ] as const) {
      expect(await login(wrong)).toMatchObject({ status: 400, body: { errors: [problem] } });
    }
  });

  it("by Kubernetes want role and token to fit", async () => {
    const server = await open();
    server.addKubernetesRole({ role: "r", jwt: "j" });
    const login = (body: object) => call(server, "POST", "auth/kubernetes/login", body, {});
    expect((await login({ role: "r", jwt: "j" })).status).toBe(200);
    expect((await login({ role: "r", jwt: "no" })).status).toBe(403);
  });
});
