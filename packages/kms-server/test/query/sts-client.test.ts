import { STS, STSServiceException } from "@aws-sdk/client-sts";
import { rejection } from "@env/testkit/refusal";
import { expect, it, onTestFinished } from "vitest";
import { stsActions } from "../../src/query/sts-actions.ts";
import { startedIssuer } from "../support/issuer.ts";
import { commandsOf, strictServer, type Credentials, type Started } from "../support/server.ts";

const ACCOUNT = "000000000000";
const ALICE = `arn:aws:iam::${ACCOUNT}:user/alice`;
const APP = `arn:aws:iam::${ACCOUNT}:role/app`;
const session = { RoleArn: APP, RoleSessionName: "work" };
const credentials: unknown = {
  AccessKeyId: expect.stringMatching(/^ASIA[A-Z2-7]{16}$/),
  SecretAccessKey: expect.stringMatching(/^[\w+/]{40}$/),
  SessionToken: expect.stringMatching(/^[\w+/]+={0,2}$/),
  Expiration: expect.any(Date),
};

/** A server with a user who may assume a role, and the user's client. */
async function setup(): Promise<
  Started & { readonly sts: STS; readonly called: ReadonlySet<string> }
> {
  const started = await strictServer();
  const { keystore, url } = started;
  const Principal = { AWS: ALICE };
  const Action = ["sts:AssumeRole", "sts:TagSession"];
  const trust = {
    Version: "2012-10-17",
    Statement: [
      { Effect: "Allow", Principal, Action },
      { Effect: "Allow", Principal: "*", Action: "sts:AssumeRoleWithWebIdentity" },
    ],
  };
  await keystore.iam.put({ arn: ALICE });
  await keystore.iam.put({ arn: APP, role: { trust: JSON.stringify(trust) } });
  const sts = client(url, await keystore.iam.accessKeys.create(ALICE));
  return { ...started, sts, called: commandsOf(sts) };
}

function client(url: string, keys: Credentials & { readonly sessionToken?: string }): STS {
  const sts = new STS({ endpoint: url, region: "local", credentials: keys, maxAttempts: 1 });
  onTestFinished(() => sts.destroy());
  return sts;
}

it("serves every action that it offers to AWS's SDK", async () => {
  const { keystore, url, sts, called } = await setup();
  expect(await sts.getCallerIdentity({})).toMatchObject({
    Arn: ALICE,
    Account: ACCOUNT,
    UserId: (await keystore.iam.get(ALICE)).userId,
  });
  const tagged = { ...session, Tags: [{ Key: "team", Value: "blue" }], DurationSeconds: 900 };
  const assumed = await sts.assumeRole(tagged);
  const arn = `arn:aws:sts::${ACCOUNT}:assumed-role/app/work`;
  expect(assumed).toMatchObject({
    Credentials: credentials,
    AssumedRoleUser: { Arn: arn, AssumedRoleId: expect.stringMatching(/^AROA[A-Z2-7]{17}:work$/) },
    PackedPolicySize: 1,
  });
  const { AccessKeyId = "", SecretAccessKey = "", SessionToken = "" } = assumed.Credentials ?? {};
  const role = client(url, {
    accessKeyId: AccessKeyId,
    secretAccessKey: SecretAccessKey,
    sessionToken: SessionToken,
  });
  expect(await role.getCallerIdentity({})).toMatchObject({
    Arn: arn,
    UserId: assumed.AssumedRoleUser?.AssumedRoleId,
  });
  expect(await sts.getSessionToken({})).toMatchObject({ Credentials: credentials });

  const issuer = await startedIssuer();
  await keystore.iam.access.call(
    { principal: "root" },
    { source: "iam", operation: "CreateOpenIDConnectProvider", readOnly: false, parameters: {} },
    ({ directory }) =>
      directory.createProvider({
        issuer: issuer.url,
        clientIds: ["sts.amazonaws.com"],
        thumbprints: [],
        tags: {},
      }),
  );
  const WebIdentityToken = await issuer.token();
  expect(await sts.assumeRoleWithWebIdentity({ ...session, WebIdentityToken })).toMatchObject({
    Credentials: credentials,
    SubjectFromWebIdentityToken: "repo:acme/app",
    Audience: "sts.amazonaws.com",
    Provider: `arn:aws:iam::${ACCOUNT}:oidc-provider/${issuer.url.slice("http://".length)}`,
  });
  expect([...called].toSorted()).toEqual([...stsActions.keys()].toSorted());
});

it("throws the SDK's own classes for what it refuses", async () => {
  const { sts } = await setup();
  for (const [what, call, name, status] of [
    [
      "a role that trusts somebody else",
      () => sts.assumeRole({ ...session, RoleArn: `${APP}-too` }),
      "AccessDenied",
      403,
    ],
    [
      "a session's name",
      () => sts.assumeRole({ ...session, RoleSessionName: "a b" }),
      "ValidationError",
      400,
    ],
    [
      "a duration",
      () => sts.assumeRole({ ...session, DurationSeconds: 899 }),
      "ValidationError",
      400,
    ],
    [
      "a policy",
      () => sts.assumeRole({ ...session, Policy: "{" }),
      "MalformedPolicyDocumentException",
      400,
    ],
    [
      "a managed policy that is not there",
      () =>
        sts.assumeRole({ ...session, PolicyArns: [{ arn: `arn:aws:iam::${ACCOUNT}:policy/x` }] }),
      "MalformedPolicyDocumentException",
      400,
    ],
    [
      "tags that take too much room",
      () =>
        sts.assumeRole({
          ...session,
          Tags: Array.from({ length: 50 }, (_, i) => ({ Key: `${i}`, Value: "v".repeat(200) })),
        }),
      "PackedPolicyTooLargeException",
      400,
    ],
    [
      "a transitive tag that is not a tag",
      () => sts.assumeRole({ ...session, TransitiveTagKeys: ["team"] }),
      "ValidationError",
      400,
    ],
    [
      "a token",
      () => sts.assumeRoleWithWebIdentity({ ...session, WebIdentityToken: "a.b.c" }),
      "InvalidIdentityTokenException",
      400,
    ],
    [
      "an action that is not offered",
      () => sts.getFederationToken({ Name: "bob" }),
      "InvalidAction",
      400,
    ],
  ] as const) {
    const error = await rejection(call());
    expect(error, what).toBeInstanceOf(STSServiceException);
    expect(error, what).toMatchObject({ name, $metadata: { httpStatusCode: status } });
  }
});
