import { describe, expect, it } from "vitest";
import type { TransitPolicyRule } from "../../src/transit-server/index.ts";
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
        denied_parameters: { batch_input: [], key_version: [7] },
      },
    ]);
    const send = async (body: object) => (await as("POST", path, body)).status;
    expect(await send({ plaintext, associated_data: base64("a") })).toBe(200);
    expect(await send({ plaintext })).toBe(403);
    expect(await send({ plaintext, associated_data: base64("c") })).toBe(403);
    expect(await send({ batch_input: [], associated_data: base64("a") })).toBe(403);
    expect(await send({ plaintext, key_version: 1, associated_data: base64("a") })).toBe(200);
    expect(await send({ plaintext, key_version: 7, associated_data: base64("a") })).toBe(403);
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
    for (const [wrong, problem] of [
      [{ secret_id: "s" }, "missing role_id"],
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
