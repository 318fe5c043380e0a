import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  AssumeRoleWithWebIdentityCommand,
  STSClient,
  STSServiceException,
  type AssumeRoleWithWebIdentityCommandOutput,
} from "@aws-sdk/client-sts";
import { IAM } from "@aws-sdk/client-iam";
import { KMS } from "@aws-sdk/client-kms";
import type { KmsServerOptions } from "../../src/index.ts";
import { SignJWT, UnsecuredJWT } from "jose";
import { tempFolder } from "@env/testkit/folder";
import { rejection } from "@env/testkit/refusal";
import { expect, it, onTestFinished, vi } from "vitest";
import { auditRecords } from "../../../kms/test/support/keystore.ts";
import { startedIssuer, type Issuer } from "../support/issuer.ts";
import { sdk, strictServer, type Started } from "../support/server.ts";

interface Setup extends Started {
  readonly issuer: Issuer;
  readonly provider: string;
  readonly role: string;
  readonly iam: IAM;
  readonly enter: (token: string, more?: object) => Promise<AssumeRoleWithWebIdentityCommandOutput>;
}

const MANY_TOKENS: KmsServerOptions = { limits: { tokensPerSecond: 1000 } };

interface Choices {
  /** Default: the audience, and a repository of one owner. */
  readonly condition?: object;
  /** The issuer's URL. Default: where it listens. */
  readonly url?: string;
  readonly server?: KmsServerOptions;
}

/**
 * A role that trusts an issuer, made over the wire.
 *
 * @param choose - Is given the path of a file with the issuer's keys.
 */
async function setup(choose: (keys: string) => Choices = () => ({})): Promise<Setup> {
  const issuer = await startedIssuer("/id/EX1");
  const file = join(tempFolder(), "keys.json");
  writeFileSync(file, JSON.stringify({ keys: issuer.keys }));
  const { condition, url = issuer.url, server = MANY_TOKENS } = choose(file);
  const started = await strictServer(server);
  const config = { endpoint: started.url, region: "local", maxAttempts: 1 };
  const iam = new IAM({ ...config, credentials: started.credentials });
  onTestFinished(() => iam.destroy());
  const { OpenIDConnectProviderArn: provider = "" } = await iam.createOpenIDConnectProvider({
    Url: url,
    ClientIDList: ["sts.amazonaws.com"],
  });
  const name = url.replace(/^https?:\/\//, "");
  const statement = {
    Effect: "Allow",
    Principal: { Federated: provider },
    Action: ["sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"],
    Condition: condition ?? {
      StringEquals: { [`${name}:aud`]: "sts.amazonaws.com" },
      StringLike: { [`${name}:sub`]: "repo:acme/*" },
    },
  };
  const { Role } = await iam.createRole({
    RoleName: "ci",
    AssumeRolePolicyDocument: JSON.stringify({ Version: "2012-10-17", Statement: [statement] }),
  });
  await iam.putRolePolicy({
    RoleName: "ci",
    PolicyName: "list",
    PolicyDocument: JSON.stringify({
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Action: "kms:List*", Resource: "*" }],
    }),
  });
  const role = Role?.Arn ?? "";
  // It has no credentials: the call is not signed.
  const sts = new STSClient(config);
  onTestFinished(() => sts.destroy());
  const enter: Setup["enter"] = (WebIdentityToken, more = {}) =>
    sts.send(
      new AssumeRoleWithWebIdentityCommand({
        RoleArn: role,
        RoleSessionName: "build",
        WebIdentityToken,
        ...more,
      }),
    );
  return { ...started, issuer, provider, role, iam, enter };
}

/** What a call is refused with: AWS's name and the HTTP status. */
async function refused(call: Promise<unknown>): Promise<[string, unknown]> {
  const error = await rejection(call);
  if (error instanceof STSServiceException) return [error.name, error.$metadata.httpStatusCode];
  throw error;
}

it("gives the session the source identity of the token", async () => {
  const { issuer, enter, url, keystore } = await setup();
  const token = await issuer.token({ "https://aws.amazon.com/source_identity": "alice" });
  const { SourceIdentity, Credentials } = await enter(token);
  expect(SourceIdentity).toBe("alice");
  const { AccessKeyId = "", SecretAccessKey = "", SessionToken = "" } = Credentials ?? {};
  const credentials = {
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    sessionToken: SessionToken,
  };
  await sdk(url, { credentials }).listKeys();
  const { userIdentity } = (await auditRecords(keystore)).at(-1) ?? {};
  expect(userIdentity?.sessionContext?.sourceIdentity).toBe("alice");
});

it("gives credentials of a role to whom a provider vouches for", async () => {
  const { issuer, provider, role, enter, url } = await setup();
  const answer = await enter(await issuer.token());
  expect(answer).toMatchObject({
    Provider: provider,
    Audience: "sts.amazonaws.com",
    SubjectFromWebIdentityToken: "repo:acme/app",
    AssumedRoleUser: { Arn: role.replace("iam", "sts").replace("role", "assumed-role") + "/build" },
  });
  const { AccessKeyId = "", SecretAccessKey = "", SessionToken = "" } = answer.Credentials ?? {};
  const kms = sdk(url, {
    credentials: {
      accessKeyId: AccessKeyId,
      secretAccessKey: SecretAccessKey,
      sessionToken: SessionToken,
    },
  });
  expect((await kms.listKeys()).Keys).toEqual([]);
  expect((await rejection(kms.createKey())).name).toBe("AccessDeniedException");
});

it("is used by SDKs that find a token's file in the environment, as in Kubernetes", async () => {
  const { issuer, role, url } = await setup();
  const file = join(tempFolder(), "token");
  writeFileSync(file, await issuer.token());
  vi.stubEnv("AWS_WEB_IDENTITY_TOKEN_FILE", file);
  vi.stubEnv("AWS_ROLE_ARN", role);
  vi.stubEnv("AWS_ENDPOINT_URL", url);
  onTestFinished(() => void vi.unstubAllEnvs());
  const kms = new KMS({ region: "local", maxAttempts: 1 });
  onTestFinished(() => kms.destroy());
  expect((await kms.listKeys()).Keys).toEqual([]);
});

it("records the call as the subject's, and without its token", async () => {
  const { issuer, provider, keystore, enter } = await setup();
  const token = await issuer.token();
  await enter(token);
  await refused(enter(await issuer.token({ sub: "repo:evil/app" })));
  const records = await auditRecords(keystore);
  expect(records.slice(-2)).toMatchObject([
    {
      eventName: "AssumeRoleWithWebIdentity",
      eventSource: "sts.amazonaws.com",
      sourceIPAddress: "127.0.0.1",
      userIdentity: {
        type: "WebIdentityUser",
        identityProvider: provider,
        userName: "repo:acme/app",
        principalId: `${provider}:sts.amazonaws.com:repo:acme/app`,
      },
      additionalEventData: { decisions: [{ because: "trust-policy", allowed: true }] },
    },
    { errorCode: "AccessDeniedException", userIdentity: { userName: "repo:evil/app" } },
  ]);
  expect(JSON.stringify(records)).not.toContain(token);
});

it("decides by any claim, and bounds the session by its policy, its time and its tags", async () => {
  const { issuer, provider, iam, role, enter, keystore } = await setup();
  const name = issuer.url.slice("http://".length);
  const trust = (Condition: object): Promise<unknown> =>
    iam.updateAssumeRolePolicy({
      RoleName: "ci",
      PolicyDocument: JSON.stringify({
        Version: "2012-10-17",
        Statement: [
          {
            Effect: "Allow",
            Principal: { Federated: provider },
            Action: ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
            Condition,
          },
        ],
      }),
    });
  await trust({
    StringEquals: { [`${name}:repository`]: "acme/app", "aws:RequestTag/team": "blue" },
    "ForAnyValue:StringEquals": { [`${name}:groups`]: "deploy" },
    Bool: { [`${name}:email_verified`]: "true" },
    IpAddress: { "aws:SourceIp": "127.0.0.1" },
  });
  const claims = {
    repository: "acme/app",
    groups: ["build", "deploy"],
    email_verified: true,
    "https://aws.amazon.com/tags": { principal_tags: { team: ["blue"] } },
  };
  const Policy = JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Action: "kms:ListAliases", Resource: "*" }],
  });
  const { Credentials } = await enter(await issuer.token(claims), { Policy, DurationSeconds: 900 });
  const { AccessKeyId = "", SessionToken } = Credentials ?? {};
  expect(await keystore.iam.credential(AccessKeyId, SessionToken)).toMatchObject({
    session: { role, tags: { team: "blue" }, policies: [Policy] },
  });
  for (const wrong of [
    { repository: "acme/other" },
    { groups: ["build"] },
    { email_verified: false },
    { "https://aws.amazon.com/tags": { principal_tags: { team: ["red"] } } },
  ]) {
    const call = enter(await issuer.token({ ...claims, ...wrong }));
    expect(await refused(call), JSON.stringify(wrong)).toEqual(["AccessDenied", 403]);
  }
  // The name of a claim in another case does not take its place.
  const doubled = enter(
    await issuer.token({ ...claims, repository: "evil", Repository: "acme/app" }),
  );
  expect(await refused(doubled)).toEqual(["AccessDenied", 403]);
  const tags = { principal_tags: { team: ["blue", "red"] } };
  const odd = enter(await issuer.token({ ...claims, "https://aws.amazon.com/tags": tags }));
  expect(await refused(odd)).toEqual(["IDPRejectedClaimException", 403]);
});

it("refuses tokens that are forged, of others, for others, or not of now", async () => {
  const { issuer, provider, iam, enter } = await setup();
  const other = await startedIssuer();
  const now = Math.floor(Date.now() / 1000);
  const pem = issuer.publicKey.export({ type: "spki", format: "pem" });
  const claims = {
    iss: issuer.url,
    sub: "repo:acme/app",
    aud: "sts.amazonaws.com",
    iat: now,
    exp: now + 600,
  };
  const good = await issuer.token();
  const [header = "", payload = "", signature = ""] = good.split(".");
  const flipped = `${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`;
  const ec = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const forged: Record<string, string> = {
    "not signed": new UnsecuredJWT(claims).encode(),
    "signed with the public key as a secret": await new SignJWT(claims)
      .setProtectedHeader({ alg: "HS256", kid: "1" })
      .sign(Buffer.from(pem)),
    "signed with another algorithm": await new SignJWT(claims)
      .setProtectedHeader({ alg: "ES256", kid: "1" })
      .sign(ec),
    "signed by another issuer": await other.token({ iss: issuer.url }),
    "of another issuer": await other.token(),
    "with a key of its own": await new SignJWT(claims)
      .setProtectedHeader({ alg: "ES256", jwk: { kty: "EC" } })
      .sign(ec),
    "with another signature": `${header}.${payload}.${flipped}`,
    "of a key that nobody has": await issuer.token({}, { kid: "2" }),
    "for another audience": await issuer.token({ aud: "vault" }),
    "not a token": "a.b.c",
    "without an issuer": await new SignJWT({ sub: "x" })
      .setProtectedHeader({ alg: "RS256" })
      .sign(issuer.privateKey),
  };
  for (const [what, token] of Object.entries(forged)) {
    expect(await refused(enter(token)), what).toEqual(["InvalidIdentityTokenException", 400]);
  }
  for (const [claim, code] of [
    [{ exp: now - 120 }, "ExpiredTokenException"],
    [{ nbf: now + 120 }, "IDPRejectedClaimException"],
    [{ sub: "" }, "IDPRejectedClaimException"],
    [{ "https://aws.amazon.com/source_identity": 7 }, "IDPRejectedClaimException"],
    [{ "https://aws.amazon.com/source_identity": "x" }, "ValidationError"],
  ] as const) {
    expect((await refused(enter(await issuer.token(claim))))[0], JSON.stringify(claim)).toBe(code);
  }
  // Clocks differ by some seconds.
  for (const claim of [{ exp: now - 10 }, { nbf: now + 10 }]) {
    await expect(enter(await issuer.token(claim))).resolves.toBeDefined();
  }
  expect(await refused(enter("a".repeat(20_001)))).toEqual(["ValidationError", 400]);
  await iam.removeClientIDFromOpenIDConnectProvider({
    OpenIDConnectProviderArn: provider,
    ClientID: "sts.amazonaws.com",
  });
  expect(await refused(enter(good))).toEqual(["InvalidIdentityTokenException", 400]);
  await iam.deleteOpenIDConnectProvider({ OpenIDConnectProviderArn: provider });
  expect(await refused(enter(good))).toEqual(["InvalidIdentityTokenException", 400]);
});

it("fetches only what the issuer has at its own address, once for many tokens", async () => {
  const { issuer, enter } = await setup();
  const tokens = await Promise.all(Array.from({ length: 5 }, () => issuer.token()));
  await Promise.all(tokens.map((token) => enter(token)));
  expect(issuer.asked).toEqual(["/id/EX1/.well-known/openid-configuration", "/id/EX1/keys"]);
});

it.each<[string, (issuer: Issuer, elsewhere: Issuer) => Issuer["answer"]]>([
  ["is gone", () => (_, response) => response.destroy()],
  ["fails", () => (_, response) => response.writeHead(500).end()],
  [
    "sends elsewhere",
    (_, elsewhere) => (_request, response) =>
      response.writeHead(302, { location: `${elsewhere.url}/keys` }).end(),
  ],
  [
    "has its keys elsewhere",
    (issuer, elsewhere) => (_, response) =>
      response.end(JSON.stringify({ issuer: issuer.url, jwks_uri: `${elsewhere.url}/keys` })),
  ],
  [
    "calls itself something else",
    (issuer, elsewhere) => (_, response) =>
      response.end(JSON.stringify({ issuer: elsewhere.url, jwks_uri: `${issuer.url}/keys` })),
  ],
  ["answers no JSON", () => (_, response) => response.end("<internal-page>")],
  ["answers without end", () => (_, response) => flood(response)],
])("does not wait for, or follow, an issuer that %s", async (_, answer) => {
  const { issuer, enter } = await setup();
  const elsewhere = await startedIssuer();
  issuer.answer = answer(issuer, elsewhere);
  const error = await rejection(enter(await issuer.token()));
  expect(error.name).toBe("IDPCommunicationErrorException");
  expect(error.message).not.toContain("internal-page");
  expect(elsewhere.asked).toEqual([]);
  issuer.answer = undefined;
  await expect(enter(await issuer.token())).resolves.toBeDefined();
});

function flood(response: { write(text: string, next: () => void): void }): void {
  response.write(" ".repeat(65_536), () => flood(response));
}

it("takes the keys of an issuer from a file, and fetches nothing", async () => {
  const { issuer, enter } = await setup((keys) => ({
    url: "https://issuer.invalid/realm",
    server: { jwksFiles: { "https://issuer.invalid/realm": keys } },
  }));
  const token = await issuer.token({ iss: "https://issuer.invalid/realm" });
  await expect(enter(token)).resolves.toMatchObject({ Audience: "sts.amazonaws.com" });
  expect(await refused(enter(await issuer.token()))).toEqual([
    "InvalidIdentityTokenException",
    400,
  ]);
  expect(issuer.asked).toEqual([]);
});

it("throttles an address that sends many tokens", async () => {
  const { issuer, enter } = await setup(() => ({ server: { limits: { tokensPerSecond: 0.001 } } }));
  await expect(enter(await issuer.token())).resolves.toBeDefined();
  expect(await refused(enter(await issuer.token()))).toEqual(["Throttling", 400]);
});
