import { openCmk } from "@env/core";
import { gcpKmsFaults, startGcpKmsServer } from "@env/test-servers/gcp-kms";
import { rejection } from "@env/testkit/refusal";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { gcpKms, openGcpKms } from "../src/index.ts";
import { parseGcpKmsUri } from "../src/uri.ts";

const key = "projects/p/locations/global/keyRings/r/cryptoKeys/k";
const other = key.replace(/k$/, "other");
const context = { tenant: "acme" };

it.each([
  [`gcp-kms:${key}`, { key }],
  [`gcp-kms:${key.replace("/r/", "%2Fr/")}`, { key }],
  [`gcp-kms:${key}?endpoint=http://127.0.0.1:8080`, { key, endpoint: "http://127.0.0.1:8080" }],
  [`gcp-kms:${key}?endpoint=https://kms.example`, { key, endpoint: "https://kms.example" }],
  [`gcp-kms:${key}?universeDomain=example.goog`, { key, universeDomain: "example.goog" }],
  [`gcp-kms:${key}?alsoUnwrap=${other}&alsoUnwrap=${key}`, { key, alsoUnwrap: [other, key] }],
])("reads %s", (uri, expected) => {
  expect(parseGcpKmsUri(uri)).toEqual(expected);
  expect(gcpKms(parseGcpKmsUri(uri)).keyId).toBe(expected.key);
});

const unknown =
  "it has an unknown parameter; known are endpoint, universeDomain, insecure, alsoUnwrap";
const form = "projects/P/locations/L/keyRings/R/cryptoKeys/K";

it.each([
  ["SECRET", "it must start with gcp-kms:"],
  [`GCP-KMS:${key}SECRET`, "it must start with gcp-kms:"],
  ["gcp-kms:", "the key is missing; write gcp-kms:projects/…/cryptoKeys/name"],
  ["gcp-kms:?endpoint=SECRET", "the key is missing; write gcp-kms:projects/…/cryptoKeys/name"],
  [`gcp-kms://SECRET@${key}`, "it starts with a slash; write gcp-kms:projects/…"],
  [`gcp-kms:/${key}SECRET`, "it starts with a slash; write gcp-kms:projects/…"],
  [`gcp-kms:${key}#SECRET`, "it has a fragment"],
  [`gcp-kms:${key}?endpoint=https://a?SECRET`, "it has more than one question mark"],
  ["gcp-kms:SECRET", `key must be ${form}`],
  ["gcp-kms:alias/SECRET", `key must be ${form}`],
  [`gcp-kms:${key}/../SECRET`, `key must be ${form}`],
  [
    `gcp-kms:${key}/cryptoKeyVersions/1`,
    "key must name a key and not one of its versions; the primary version wraps",
  ],
  ["gcp-kms:projects/%E0%A4SECRET", "the key has a malformed percent-encoding"],
  [`gcp-kms:${key}?endpoint=%SECRET`, "the endpoint has a malformed percent-encoding"],
  [`gcp-kms:${key}?`, unknown],
  [`gcp-kms:${key}?SECRET`, unknown],
  [`gcp-kms:${key}?token=SECRET`, unknown],
  [`gcp-kms:${key}?toString=SECRET`, unknown],
  [`gcp-kms:${key}?key=SECRET`, unknown],
  [`gcp-kms:${key}?Endpoint=SECRET`, unknown],
  [`gcp-kms:${key}?endpoint=`, "endpoint is empty"],
  [`gcp-kms:${key}?alsoUnwrap`, "alsoUnwrap is empty"],
  [`gcp-kms:${key}?endpoint=https://a&endpoint=SECRET`, "endpoint is given twice"],
  [`gcp-kms:${key}?endpoint=SECRET`, "endpoint must be a URL"],
  [
    `gcp-kms:${key}?endpoint=http://SECRET.example`,
    "endpoint must be https, or http to this machine; insecure: true allows any http",
  ],
  [
    `gcp-kms:${key}?endpoint=https://me:SECRET@kms.example`,
    "endpoint must be an origin without credentials, path, query or fragment",
  ],
  [
    `gcp-kms:${key}?endpoint=https://kms.example/SECRET`,
    "endpoint must be an origin without credentials, path, query or fragment",
  ],
  [`gcp-kms:${key}?universeDomain=SECRET`, "universeDomain must be a domain, like googleapis.com"],
  [`gcp-kms:${key}?alsoUnwrap=SECRET`, `alsoUnwrap must list names of keys, ${form}`],
])("refuses %s without repeating it", async (uri, problem) => {
  const error = await rejection(openGcpKms(uri));
  expect(error).toMatchObject({ code: "ERR_ENVELOPE_CONFIG", message: `gcp-kms URI: ${problem}` });
  expect(error).not.toHaveProperty("cause");
});

describe("openGcpKms", () => {
  it("opens through openCmk, and refuses calls once closed", async () => {
    await using server = await startGcpKmsServer();
    const name = server.createKey();
    const uri = `gcp-kms:${name}?endpoint=${server.endpoint}`;
    const cmk = await openCmk(uri, { "gcp-kms": openGcpKms });
    expect(server.calls).toEqual([]);
    const { entry } = await cmk.generateDataKey({ context });
    expect(entry).toMatchObject({ provider: "gcp-kms", keyId: name });
    await cmk.close();
    await server.disconnected();
    expect(await rejection(cmk.generateDataKey({ context }))).toMatchObject({
      code: "ERR_ENVELOPE_CLOSED",
    });
  });

  it("takes further keys from the URI and from options", async () => {
    await using server = await startGcpKmsServer();
    const own = server.createKey();
    const keys = [server.createKey(), server.createKey()] as const;
    const uri = (name: string): string => `gcp-kms:${name}?endpoint=${server.endpoint}`;
    await using cmk = await openGcpKms(`${uri(own)}&alsoUnwrap=${keys[0]}`, {
      alsoUnwrap: [keys[1]],
    });
    for (const name of keys) {
      await using writer = await openGcpKms(uri(name));
      const { entry } = await writer.generateDataKey({ context });
      (await cmk.unwrapDataKey(entry, { context }))[Symbol.dispose]();
      expect(server.calls.at(-1)).toMatchObject({ method: "Decrypt", request: { name } });
    }
  });

  it("passes timeout and attempts on", async () => {
    await using server = await startGcpKmsServer();
    const uri = `gcp-kms:${server.createKey()}?endpoint=${server.endpoint}`;
    await using hurried = await openGcpKms(uri, { timeout: 200 });
    server.fail(gcpKmsFaults.stall);
    expect(await rejection(hurried.generateDataKey({ context }))).toMatchObject({
      cause: { message: "Encrypt: TimeoutError; no answer within 200 ms" },
    });
    await using once = await openGcpKms(uri, { maxAttempts: 1 });
    server.fail(gcpKmsFaults.unavailable);
    const before = server.calls.length;
    await rejection(once.generateDataKey({ context }));
    expect(server.calls).toHaveLength(before + 1);
  });

  it("says at once that the SDK is not installed", async () => {
    vi.doMock("@google-cloud/kms", () => {
      throw new Error("Cannot find package");
    });
    onTestFinished(() => {
      vi.doUnmock("@google-cloud/kms");
    });
    expect(await rejection(openGcpKms(`gcp-kms:${key}`))).toMatchObject({
      code: "ERR_ENVELOPE_CONFIG",
      message: "gcp-kms URI: it cannot be opened; install @google-cloud/kms",
    });
  });

  it("refuses options that are wrong as every factory does", async () => {
    for (const [options, Kind] of [
      [{ timeout: 0 }, RangeError],
      [{ timeout: "1" }, TypeError],
      [{ timeOut: 1 }, TypeError],
    ] as const) {
      expect(await rejection(openGcpKms(`gcp-kms:${key}`, options as object))).toBeInstanceOf(Kind);
    }
  });
});
