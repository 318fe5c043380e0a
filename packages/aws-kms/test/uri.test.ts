import { openCmk } from "@env/core";
import { startEndpoint } from "./support/endpoint.ts";
import { withCredentials, withoutConfiguration } from "./support/environment.ts";
import { rejection } from "@env/testkit/refusal";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { awsKms, openAwsKms } from "../src/index.ts";
import { parseAwsKmsUri } from "../src/uri.ts";

const uuid = "1234abcd-12ab-34cd-56ef-1234567890ab";
const arn = `arn:aws:kms:eu-west-1:111122223333:key/${uuid}`;
const other = arn.replace("1234", "4321");
const context = { tenant: "acme" };

beforeEach(() => {
  withoutConfiguration();
  withCredentials();
});
afterEach(() => {
  vi.unstubAllEnvs();
});

it.each([
  ["aws-kms:alias/app", { key: "alias/app" }],
  ["aws-kms:alias%2Fapp", { key: "alias/app" }],
  ["aws-kms:alias/app?region=eu-west-1", { key: "alias/app", region: "eu-west-1" }],
  [`aws-kms:${uuid}?region=eu-west-1`, { key: uuid, region: "eu-west-1" }],
  [`aws-kms:${arn}`, { key: arn }],
  [`aws-kms:${arn}?region=eu-west-1`, { key: arn, region: "eu-west-1" }],
  [`aws-kms:${arn}?profile=prod%20eu`, { key: arn, profile: "prod eu" }],
  [
    "aws-kms:alias/app?endpoint=http://kms:8080&insecure=true",
    { key: "alias/app", endpoint: "http://kms:8080", insecure: true },
  ],
  [`aws-kms:${arn}?fips=true`, { key: arn, useFipsEndpoint: true }],
  [
    `aws-kms:${arn}?dualstack=true&fips=false`,
    { key: arn, useDualstackEndpoint: true, useFipsEndpoint: false },
  ],
  [
    "aws-kms:alias/a?endpoint=http://127.0.0.1:8080",
    { key: "alias/a", endpoint: "http://127.0.0.1:8080" },
  ],
  [
    `aws-kms:alias/a?alsoUnwrap=${arn}&alsoUnwrap=${other}`,
    { key: "alias/a", alsoUnwrap: [arn, other] },
  ],
])("reads %s", (uri, expected) => {
  expect(parseAwsKmsUri(uri)).toEqual(expected);
  expect(awsKms(parseAwsKmsUri(uri)).keyId).toBe(expected.key);
});

const unknown =
  "it has an unknown parameter; known are region, profile, endpoint, fips, dualstack, insecure, alsoUnwrap";

it.each([
  ["SECRET", "it must start with aws-kms:"],
  ["AWS-KMS:alias/SECRET", "it must start with aws-kms:"],
  ["aws-kms:", "the key is missing; write aws-kms:alias/name or its ARN"],
  ["aws-kms:?region=SECRET", "the key is missing; write aws-kms:alias/name or its ARN"],
  ["aws-kms://SECRET@alias/app", "it starts with a slash; write aws-kms:alias/name"],
  ["aws-kms:/alias/SECRET", "it starts with a slash; write aws-kms:alias/name"],
  ["aws-kms:alias/app#SECRET", "it has a fragment"],
  ["aws-kms:alias/app?region=eu-west-1?SECRET", "it has more than one question mark"],
  ["aws-kms:alias/SECRET key", "key must be a key ARN, a key id, alias/name or an alias ARN"],
  ["aws-kms:alias/%E0%A4SECRET", "the key has a malformed percent-encoding"],
  ["aws-kms:alias/app?profile=%SECRET", "the profile has a malformed percent-encoding"],
  ["aws-kms:alias/app?", unknown],
  ["aws-kms:alias/app?SECRET", unknown],
  ["aws-kms:alias/app?secretAccessKey=SECRET", unknown],
  ["aws-kms:alias/app?toString=SECRET", unknown],
  ["aws-kms:alias/app?key=SECRET", unknown],
  ["aws-kms:alias/app?Region=SECRET", unknown],
  ["aws-kms:alias/app?region=", "region is empty"],
  ["aws-kms:alias/app?region", "region is empty"],
  ["aws-kms:alias/app?region=eu-west-1&region=SECRET", "region is given twice"],
  ["aws-kms:alias/app?fips=true&fips=SECRET", "fips is given twice"],
  ["aws-kms:alias/app?fips=SECRET", "fips must be true or false"],
  ["aws-kms:alias/app?region=SECRET", "region must be the name of a region, like eu-west-1"],
  [`aws-kms:${arn}?region=us-east-1`, "region is not the one in the key's ARN; leave it out"],
  [
    "aws-kms:alias/app?endpoint=http://SECRET.example",
    "endpoint must be https, or http to this machine; insecure: true allows any http",
  ],
  [
    "aws-kms:alias/app?endpoint=https://me:SECRET@kms.example",
    "endpoint must be an origin without credentials, query or fragment",
  ],
  [
    "aws-kms:alias/app?alsoUnwrap=SECRET",
    "alsoUnwrap must list key ARNs: they are what entries are labelled with",
  ],
])("refuses %s without repeating it", async (uri, problem) => {
  const error = await rejection(openAwsKms(uri));
  expect(error).toMatchObject({ code: "ERR_ENVELOPE_CONFIG", message: `aws-kms URI: ${problem}` });
  expect(error).not.toHaveProperty("cause");
});

describe("openAwsKms", () => {
  it("opens through openCmk, and refuses calls once closed", async () => {
    const endpoint = await startEndpoint();
    const key = await endpoint.newKey("alias/app");
    const uri = `aws-kms:alias/app?region=local&endpoint=${endpoint.url}`;
    const cmk = await openCmk(uri, { "aws-kms": openAwsKms });
    expect(endpoint.requests).toEqual([]);
    const { entry } = await cmk.generateDataKey({ context });
    expect(entry).toMatchObject({ provider: "aws-kms", keyId: key });
    await cmk.close();
    await endpoint.disconnected();
    expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject({
      code: "ERR_ENVELOPE_CLOSED",
    });
  });

  it("takes further keys from the URI and from options", async () => {
    const endpoint = await startEndpoint();
    const own = await endpoint.newKey();
    const keys = [await endpoint.newKey(), await endpoint.newKey()] as const;
    const token = await endpoint.newGrantToken(own);
    const uri = (key: string): string => `aws-kms:${key}?endpoint=${endpoint.url}`;
    await using cmk = await openAwsKms(`${uri(own)}&alsoUnwrap=${keys[0]}`, {
      alsoUnwrap: [keys[1]],
      grantTokens: [token],
    });
    for (const key of keys) {
      await using writer = await openAwsKms(uri(key));
      const { entry } = await writer.generateDataKey({ context });
      (await cmk.unwrapDataKey(entry, { context }))[Symbol.dispose]();
      expect(endpoint.requests.at(-1)?.body).toMatchObject({ KeyId: key, GrantTokens: [token] });
    }
  });

  it("passes the timeout on", async () => {
    const endpoint = await startEndpoint();
    const uri = `aws-kms:${await endpoint.newKey()}?endpoint=${endpoint.url}`;
    endpoint.fail({ kind: "stall" });
    await using cmk = await openAwsKms(uri, { timeout: 100 });
    expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject({
      cause: { message: "GenerateDataKey: TimeoutError; no answer within 100 ms" },
    });
  });

  it("says at once that no region is known", async () => {
    expect(await rejection(openAwsKms("aws-kms:alias/app"))).toMatchObject({
      code: "ERR_ENVELOPE_CONFIG",
      message:
        "aws-kms URI: it cannot be opened; name the region, or the key by its ARN, or set AWS_REGION",
    });
    vi.stubEnv("AWS_REGION", "eu-west-1");
    await using cmk = await openAwsKms("aws-kms:alias/app");
    expect(cmk.keyId).toBe("alias/app");
  });

  it("refuses options that are wrong as every factory does", async () => {
    for (const [options, Kind] of [
      [{ timeout: 0 }, RangeError],
      [{ timeout: "1" }, TypeError],
      [{ timeOut: 1 }, TypeError],
    ] as const) {
      expect(await rejection(openAwsKms("aws-kms:alias/app", options as object))).toBeInstanceOf(
        Kind,
      );
    }
  });
});
