import { documentedOptions } from "@env/testkit/options-table";
import { rejection } from "@env/testkit/refusal";
import { describe, expect, it } from "vitest";
import { doctor, gcpKms, gcpKmsDriver, type GcpKmsOptions } from "../src/index.ts";
import { checkOptions, table } from "../src/options.ts";
import { fakeClient } from "./support/fake-client.ts";
import { grpcClient } from "./support/sdk.ts";

const key = "projects/p/locations/l/keyRings/r/cryptoKeys/k";
const client = fakeClient({});

const form = "projects/P/locations/L/keyRings/R/cryptoKeys/K";
const keyProblem = `key must be ${form}`;
const alsoProblem = `alsoUnwrap must list names of keys, ${form}`;
const timeoutProblem = "timeout must be a whole number of milliseconds, 1 to 1073741824";
const attemptsProblem = "maxAttempts must be a whole number, at least 1";
const clientProblem = "client must be a KeyManagementServiceClient of @google-cloud/kms";
const bothProblem = "a client has its own endpoint and universe; pass either, not both";
const endpointProblem =
  "endpoint must be https, or http to this machine; insecure: true allows any http";
const originProblem = "endpoint must be an origin without credentials, path, query or fragment";

const bad: readonly (readonly [what: string, options: unknown, problem: string])[] = [
  ["nothing", undefined, "options are required"],
  ["null", null, "options are required"],
  ["an unknown option", { key, keyId: key }, 'unknown option "keyId"'],
  ["credentials", { key, credentials: {} }, 'unknown option "credentials"'],
  ["no key", { client }, keyProblem],
  ["a key that is none", { client, key: "orders" }, keyProblem],
  ["a key that is no text", { client, key: 1 }, keyProblem],
  [
    "a version of a key",
    { client, key: `${key}/cryptoKeyVersions/1` },
    "key must name a key and not one of its versions; the primary version wraps",
  ],
  ["one further key alone", { client, key, alsoUnwrap: key }, alsoProblem],
  ["a further key that is none", { client, key, alsoUnwrap: ["orders"] }, alsoProblem],
  ["a version to unwrap", { client, key, alsoUnwrap: [`${key}/cryptoKeyVersions/1`] }, alsoProblem],
  ["no time", { client, key, timeout: 0 }, timeoutProblem],
  ["half a millisecond", { client, key, timeout: 0.5 }, timeoutProblem],
  ["more time than timers have", { client, key, timeout: 2 ** 30 + 1 }, timeoutProblem],
  ["no attempt", { client, key, maxAttempts: 0 }, attemptsProblem],
  ["half an attempt", { client, key, maxAttempts: 1.5 }, attemptsProblem],
  ["a client without a method", { client: { ...client, decrypt: 1 }, key }, clientProblem],
  ["null for a client", { client: null, key }, clientProblem],
  ["a client and an endpoint", { client, key, endpoint: "https://kms.example" }, bothProblem],
  ["a client and a universe", { client, key, universeDomain: "example.goog" }, bothProblem],
  [
    "a universe that is none",
    { key, universeDomain: "a/b" },
    "universeDomain must be a domain, like googleapis.com",
  ],
  ["an endpoint that is no URL", { key, endpoint: "kms" }, "endpoint must be a URL"],
  ["an endpoint without TLS", { key, endpoint: "http://kms.example" }, endpointProblem],
  ["one named like this machine", { key, endpoint: "http://127.0.0.1.example" }, endpointProblem],
  ["another scheme", { key, endpoint: "ftp://127.0.0.1" }, endpointProblem],
  ["credentials in the endpoint", { key, endpoint: "https://me:x@kms.example" }, originProblem],
  ["a path in the endpoint", { key, endpoint: "https://kms.example/v1" }, originProblem],
  ["a query in the endpoint", { key, endpoint: "https://kms.example?a" }, originProblem],
  ["a fragment in the endpoint", { key, endpoint: "https://kms.example#a" }, originProblem],
];

describe.each(bad)("%s", (_, options, problem) => {
  it("is refused before any call, wherever options go", async () => {
    const given = options as GcpKmsOptions;
    const Kind = [timeoutProblem, attemptsProblem].includes(problem) ? RangeError : TypeError;
    for (const factory of [gcpKms, gcpKmsDriver]) {
      expect(() => factory(given)).toThrow(new Kind(problem));
    }
    expect(await rejection(doctor(given))).toEqual(new Kind(problem));
  });
});

it.each([
  "https://cloudkms.googleapis.com",
  "https://kms.example:8443/",
  "http://127.0.0.1:1",
  "http://[::1]:1",
  "http://localhost",
])("takes the endpoint %s", (endpoint) => {
  expect(checkOptions({ key, endpoint }).connection.endpoint).toBe(endpoint);
});

it("takes the SDK's own client", async () => {
  const sdkClient = grpcClient(1);
  expect(checkOptions({ client: sdkClient, key }).client).toBe(sdkClient);
  await sdkClient.close();
});

it("takes a copy of lists", () => {
  const alsoUnwrap = [key];
  const settings = checkOptions({ client, key, alsoUnwrap });
  alsoUnwrap.length = 0;
  expect(settings.alsoUnwrap).toEqual([key]);
});

it("are all in the README", () => {
  const documented = documentedOptions(new URL("../README.md", import.meta.url));
  const known = [...Object.keys({ ...table.key, ...table.connection }), "client"];
  expect(documented.toSorted()).toEqual(known.toSorted());
});
