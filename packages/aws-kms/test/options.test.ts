import { KMSClient } from "@aws-sdk/client-kms";
import { documentedOptions } from "@env/testkit/options-table";
import { rejection } from "@env/testkit/refusal";
import { describe, expect, it } from "vitest";
import { awsKms, awsKmsDriver, doctor, type AwsKmsOptions } from "../src/index.ts";
import { checkOptions, table } from "../src/options.ts";
import { fakeClient } from "./support/fake-client.ts";

const uuid = "1234abcd-12ab-34cd-56ef-1234567890ab";
const arn = `arn:aws:kms:eu-west-1:111122223333:key/${uuid}`;
const mrk = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";
const client = fakeClient({});
const tokens = (count: number) => Array.from({ length: count }, () => "token");

const keyProblem = "key must be a key ARN, a key id, alias/name or an alias ARN";
const attemptsProblem = "maxAttempts must be a whole number, at least 1";
const timeoutProblem = "timeout must be a whole number of milliseconds, 1 to 2147483647";
const tokenProblem = "grant tokens are at most 10 texts of 1 to 8192 characters";
const clientProblem =
  "client must be a KMS of @aws-sdk/client-kms, with a method per operation; KMSClient has none";
const bothProblem = "a client has its own region, endpoint and retries; pass either, not both";
const alsoProblem = "alsoUnwrap must list key ARNs: they are what entries are labelled with";
const endpointProblem =
  "endpoint must be https, or http to this machine; insecure: true allows any http";

const bad: readonly (readonly [what: string, options: unknown, problem: string])[] = [
  ["nothing", undefined, "options are required"],
  ["null", null, "options are required"],
  ["an unknown option", { key: arn, keyId: arn }, 'unknown option "keyId"'],
  ["credentials", { key: arn, credentials: {} }, 'unknown option "credentials"'],
  ["no key", { client }, keyProblem],
  ["a key that is none", { client, key: "alias/" }, keyProblem],
  ["a key that is no text", { client, key: 1 }, keyProblem],
  ["no time", { client, key: arn, timeout: 0 }, timeoutProblem],
  ["half a millisecond", { client, key: arn, timeout: 0.5 }, timeoutProblem],
  ["more time than timers have", { client, key: arn, timeout: 2 ** 31 }, timeoutProblem],
  ["too many grant tokens", { client, key: arn, grantTokens: tokens(11) }, tokenProblem],
  ["an empty grant token", { client, key: arn, grantTokens: [""] }, tokenProblem],
  ["a grant token alone", { client, key: arn, grantTokens: "token" }, tokenProblem],
  ["a KMSClient", { client: new KMSClient({ region: "eu-west-1" }), key: arn }, clientProblem],
  ["a client without a method", { client: { ...client, decrypt: 1 }, key: arn }, clientProblem],
  ["null for a client", { client: null, key: arn }, clientProblem],
  ["a client and a region", { client, key: arn, region: "eu-west-1" }, bothProblem],
  ["a client and FIPS", { client, key: arn, useFipsEndpoint: false }, bothProblem],
  [
    "a region that is none",
    { key: "alias/a", region: "x.evil.example" },
    "region must be the name of a region, like eu-west-1",
  ],
  [
    "another region than the key's",
    { key: arn, region: "us-east-1" },
    "region is not the one in the key's ARN; leave it out",
  ],
  ["a profile without a name", { key: arn, profile: "" }, "profile must be the name of a profile"],
  ["an endpoint that is no URL", { key: arn, endpoint: "kms" }, "endpoint must be a URL"],
  ["an endpoint without TLS", { key: arn, endpoint: "http://kms.example" }, endpointProblem],
  [
    "an endpoint named like this machine",
    { key: arn, endpoint: "http://127.0.0.1.example" },
    endpointProblem,
  ],
  ["another scheme", { key: arn, endpoint: "ftp://127.0.0.1" }, endpointProblem],
  [
    "another scheme, insecure or not",
    { key: arn, endpoint: "ftp://127.0.0.1", insecure: true },
    endpointProblem,
  ],
  ["insecure as text", { key: arn, insecure: "yes" as never }, "insecure must be a boolean"],
  [
    "an endpoint with credentials",
    { key: arn, endpoint: "https://me:pw@kms.example" },
    "endpoint must be an origin without credentials, query or fragment",
  ],
  [
    "an endpoint with a query",
    { key: arn, endpoint: "https://kms.example/?a" },
    "endpoint must be an origin without credentials, query or fragment",
  ],
  [
    "FIPS at an endpoint",
    { key: arn, endpoint: "https://kms.example", useFipsEndpoint: true },
    "endpoint says where to call; FIPS and dual-stack choose among AWS's endpoints",
  ],
  [
    "a flag that is a text",
    { key: arn, useDualstackEndpoint: "true" },
    "useDualstackEndpoint must be a boolean",
  ],
  ["no attempt", { key: arn, maxAttempts: 0 }, attemptsProblem],
  [
    "another retry mode",
    { key: arn, retryMode: "legacy" },
    "retryMode must be standard or adaptive",
  ],
  ["an id in alsoUnwrap", { client, key: arn, alsoUnwrap: [uuid] }, alsoProblem],
  [
    "an alias in alsoUnwrap",
    { client, key: arn, alsoUnwrap: [arn.replace("key/", "alias/")] },
    alsoProblem,
  ],
  ["one ARN for alsoUnwrap", { client, key: arn, alsoUnwrap: arn }, alsoProblem],
  [
    "a key of another region in alsoUnwrap",
    { client, key: arn, alsoUnwrap: [arn.replace("eu-west-1", "us-east-1")] },
    "alsoUnwrap names a key of another region; make a CMK of its own for it",
  ],
];

describe.each([
  ["awsKms", async (options: AwsKmsOptions) => awsKms(options)],
  ["awsKmsDriver", async (options: AwsKmsOptions) => awsKmsDriver(options)],
  ["doctor", async (options: AwsKmsOptions) => doctor(options)],
])("%s refuses", (_, use) => {
  it.each(bad)("%s", async (_what, options, problem) => {
    const error = await rejection(use(options as AwsKmsOptions));
    const ranged = problem === timeoutProblem || problem === attemptsProblem;
    expect(error).toBeInstanceOf(ranged ? RangeError : TypeError);
    expect(error.message).toBe(problem);
  });
});

it.each([
  ["a key id", { client, key: uuid }],
  ["a multi-Region key of another region in alsoUnwrap", { client, key: arn, alsoUnwrap: [mrk] }],
  ["a function for grant tokens", { client, key: arn, grantTokens: () => [] }],
  ["ten grant tokens", { client, key: arn, grantTokens: tokens(10) }],
  ["any endpoint where insecure says so", { key: arn, endpoint: "http://kms", insecure: true }],
  ["a local endpoint", { key: "alias/a", endpoint: "http://127.0.0.1:8080", region: "local" }],
  ["a local endpoint by name", { key: "alias/a", endpoint: "http://localhost:8080" }],
  ["a local endpoint of IPv6", { key: "alias/a", endpoint: "http://[::1]:8080" }],
  [
    "a remote endpoint",
    { key: "alias/a", endpoint: "https://vpce-1.kms.eu-west-1.vpce.amazonaws.com" },
  ],
  ["the region once more", { key: arn, region: "eu-west-1" }],
])("takes %s", (_, options) => {
  expect(awsKms(options as AwsKmsOptions).provider).toBe("aws-kms");
});

it("takes the region of the key's ARN, and copies lists", () => {
  const alsoUnwrap = [arn];
  const grantTokens = ["token"];
  const settings = checkOptions({ key: arn, alsoUnwrap, grantTokens });
  alsoUnwrap.pop();
  grantTokens.pop();
  expect(settings).toMatchObject({
    timeout: 20_000,
    alsoUnwrap: [arn],
    grantTokens: ["token"],
    connection: { region: "eu-west-1" },
  });
  expect(checkOptions({ key: "alias/a" }).connection.region).toBe(undefined);
});

it("are all in the README", () => {
  const documented = documentedOptions(new URL("../README.md", import.meta.url));
  const known = [...Object.keys({ ...table.key, ...table.connection }), "client"];
  expect(documented.toSorted()).toEqual(known.toSorted());
});
