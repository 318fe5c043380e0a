import { describe, expect, it, vi } from "vitest";
import type { ReceivedRequest } from "../src/signed-request.ts";
import { SignatureVerifier, type FindCredential } from "../src/verify-signature.ts";
import { key, SIGNED_AT, signed, type Signing } from "./support/signing.ts";

const alice = { ...key, principal: "arn:aws:iam::000000000000:user/alice", session: {} };

function verifier(
  now = SIGNED_AT,
  credential: FindCredential = (id) => Promise.resolve(id === key.accessKeyId ? alice : undefined),
): SignatureVerifier {
  return new SignatureVerifier({ services: new Set(["kms"]), now: () => now, credential });
}

const MINUTE = 60_000;

describe("a request signed by AWS's signer", () => {
  it.each<[string, Signing]>([
    ["in a header", {}],
    ["with a body", { body: '{"KeyId":"ключ"}' }],
    ["with a query", { query: { b: "2 ", a: "ü/&=", "X-Other": "" } }],
    ["on a path", { path: "/a b/ü%20/" }],
    ["with spaces in a header", { headers: { "x-amz-note": "a   b" } }],
    ["presigned", { expiresIn: 60 }],
    ["presigned with a query", { expiresIn: 604_800, query: { a: "1" } }],
  ])("is accepted: %s", async (_, signing) => {
    const request = await signed({ ...signing, path: encodeURI(signing.path ?? "/") });
    await expect(verifier().verify(request)).resolves.toEqual({
      credential: alice,
      region: "eu-west-1",
      service: "kms",
    });
  });

  it.each([-5 * MINUTE, 5 * MINUTE])("is accepted by a clock that differs by %i ms", async (ms) => {
    await expect(verifier(SIGNED_AT + ms).verify(await signed())).resolves.toBeDefined();
  });

  it.each<[number, string, Signing]>([
    [5 * MINUTE + 1000, "Signature expired", {}],
    [-5 * MINUTE - 1000, "Signature not yet current", {}],
    [61_000, "Signature expired", { expiresIn: 60 }],
    [-5 * MINUTE - 1000, "Signature not yet current", { expiresIn: 60 }],
  ])("is refused %i ms later: %s", async (ms, message, signing) => {
    await expect(verifier(SIGNED_AT + ms).verify(await signed(signing))).rejects.toMatchObject({
      type: "InvalidSignatureException",
      message: expect.stringContaining(message),
      status: 400,
    });
  });

  it("brings the token of a session along", async () => {
    const credential = vi.fn<FindCredential>(() => Promise.resolve(alice));
    for (const expiresIn of [undefined, 60]) {
      const request = await signed({ sessionToken: "tok/en+=", ...(expiresIn && { expiresIn }) });
      await verifier(SIGNED_AT, credential).verify(request);
    }
    expect(credential.mock.calls).toEqual([
      [key.accessKeyId, "tok/en+="],
      [key.accessKeyId, "tok/en+="],
    ]);
  });
});

describe("whose key it is", () => {
  it("refuses a key that is not known, and one whose time has passed", async () => {
    const request = await signed();
    await expect(
      verifier(SIGNED_AT, () => Promise.resolve(undefined)).verify(request),
    ).rejects.toMatchObject({
      type: "UnrecognizedClientException",
      message: "The security token included in the request is invalid.",
    });
    const expired = { ...alice, expires: new Date(SIGNED_AT) };
    await expect(
      verifier(SIGNED_AT, () => Promise.resolve(expired)).verify(request),
    ).rejects.toMatchObject({
      type: "ExpiredTokenException",
    });
  });

  it("does not tell whether temporary credentials have ended to those who do not have them", async () => {
    const expired = { ...alice, secretAccessKey: "another", expires: new Date(SIGNED_AT) };
    await expect(
      verifier(SIGNED_AT, () => Promise.resolve(expired)).verify(await signed()),
    ).rejects.toMatchObject({
      type: "InvalidSignatureException",
    });
  });

  it("refuses a signature by another secret, also once the right one was used", async () => {
    const one = verifier();
    await one.verify(await signed());
    await expect(one.verify(await signed({ secretAccessKey: "another" }))).rejects.toMatchObject({
      type: "InvalidSignatureException",
    });
  });

  it("follows a secret that was replaced under the same id", async () => {
    let secretAccessKey: string = key.secretAccessKey;
    const one = verifier(SIGNED_AT, () => Promise.resolve({ ...alice, secretAccessKey }));
    const before = await signed();
    await one.verify(before);
    secretAccessKey = "new";
    await expect(one.verify(before)).rejects.toMatchObject({ type: "InvalidSignatureException" });
    await one.verify(await signed({ secretAccessKey }));
  });

  it("refuses a signature for another service or of another day", async () => {
    await expect(verifier().verify(await signed({ service: "s3" }))).rejects.toMatchObject({
      type: "InvalidSignatureException",
      message: "Credential should be scoped to correct service: 'kms'.",
    });
    const request = await signed();
    const moved = withHeader(request, "x-amz-date", "20300103T120000Z");
    await expect(verifier().verify(moved)).rejects.toMatchObject({
      message: expect.stringContaining("Date in Credential scope does not match"),
    });
  });
});

/** The value of a header replaced, or the header added. */
function withHeader(request: ReceivedRequest, name: string, value: string): ReceivedRequest {
  const at = request.rawHeaders.indexOf(name);
  return at === -1
    ? { ...request, rawHeaders: [...request.rawHeaders, name, value] }
    : { ...request, rawHeaders: request.rawHeaders.with(at + 1, value) };
}

function withoutHeader(request: ReceivedRequest, name: string): ReceivedRequest {
  const at = request.rawHeaders.indexOf(name);
  return { ...request, rawHeaders: request.rawHeaders.toSpliced(at, 2) };
}

function again(request: ReceivedRequest, name: string, value: string): ReceivedRequest {
  return { ...request, rawHeaders: [...request.rawHeaders, name, value] };
}

/** The list of signed headers without one of them. */
function unsigned(request: ReceivedRequest, name: string): ReceivedRequest {
  const at = request.rawHeaders.indexOf("authorization") + 1;
  const value = request.rawHeaders[at] ?? "";
  const list = value.replace(new RegExp(`([=;])${name};`), "$1").replace(`;${name},`, ",");
  return { ...request, rawHeaders: request.rawHeaders.with(at, list) };
}

type Attack = (request: ReceivedRequest) => ReceivedRequest;

const retarget =
  (target: string): Attack =>
  (request) => ({ ...request, target });

describe("a signed request that was altered", () => {
  it.each<[string, Attack, string]>([
    ["another body", (r) => ({ ...r, body: Buffer.from("[]") }), "InvalidSignature"],
    ["another method", (r) => ({ ...r, method: "PUT" }), "InvalidSignature"],
    ["another path", retarget("/x"), "InvalidSignature"],
    ["a path with two slashes", retarget("//"), "InvalidSignature"],
    ["a path that leads back", retarget("/a/.."), "InvalidSignature"],
    ["a path with an escape", retarget("/%2F"), "InvalidSignature"],
    ["a query", retarget("/?a=1"), "InvalidSignature"],
    ["a target in absolute form", retarget("http://kms.test/"), "IncompleteSignature"],
    ["a target that is an authority", retarget("kms.test:80"), "IncompleteSignature"],
    ["a target that is an asterisk", retarget("*"), "IncompleteSignature"],
    ["a fragment", retarget("/#x"), "IncompleteSignature"],
    ["an escape that is not UTF-8", retarget("/?a=%ff"), "IncompleteSignature"],
    ["a parameter twice", retarget("/?a=1&%61=1"), "IncompleteSignature"],
    ["a signature in the query as well", retarget("/?X-Amz-Signature=x"), "IncompleteSignature"],
    ["a date in the query as well", retarget("/?X-Amz-Date=x"), "IncompleteSignature"],
    [
      "another operation",
      (r) => withHeader(r, "x-amz-target", "TrentService.Decrypt"),
      "InvalidSignature",
    ],
    ["another host", (r) => withHeader(r, "host", "evil.test"), "InvalidSignature"],
    ["another time", (r) => withHeader(r, "x-amz-date", "20300102T120001Z"), "InvalidSignature"],
    [
      "another hash of the body",
      (r) => withHeader(r, "x-amz-content-sha256", "0".repeat(64)),
      "InvalidSignature",
    ],
    [
      "UNSIGNED-PAYLOAD",
      (r) => withHeader(r, "x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
      "InvalidSignature",
    ],
    [
      "a streamed payload",
      (r) => withHeader(r, "x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
      "InvalidSignature",
    ],
    [
      "the operation twice",
      (r) => again(r, "X-Amz-Target", "TrentService.Decrypt"),
      "IncompleteSignature",
    ],
    [
      "the operation twice, with the same value",
      (r) => again(r, "x-amz-target", "TrentService.ListKeys"),
      "IncompleteSignature",
    ],
    ["the host twice", (r) => again(r, "Host", "kms.test"), "IncompleteSignature"],
    [
      "the authorization twice",
      (r) => again(r, "Authorization", "AWS4-HMAC-SHA256 Credential=x"),
      "IncompleteSignature",
    ],
    ["the date twice", (r) => again(r, "X-Amz-Date", "20300102T120000Z"), "IncompleteSignature"],
    [
      "a content type twice",
      (r) => again(again(r, "content-type", "a"), "Content-Type", "b"),
      "IncompleteSignature",
    ],
    ["an operation that is not signed", (r) => unsigned(r, "x-amz-target"), "IncompleteSignature"],
    ["a host that is not signed", (r) => unsigned(r, "host"), "IncompleteSignature"],
    ["a date that is not signed", (r) => unsigned(r, "x-amz-date"), "IncompleteSignature"],
    [
      "a token that is not signed",
      (r) => withHeader(r, "x-amz-security-token", "t"),
      "IncompleteSignature",
    ],
    [
      "a signed header that is missing",
      (r) => withoutHeader(r, "x-amz-target"),
      "IncompleteSignature",
    ],
    ["a date that is missing", (r) => withoutHeader(r, "x-amz-date"), "IncompleteSignature"],
    [
      "a date that there is not",
      (r) => withHeader(r, "x-amz-date", "20300231T120000Z"),
      "IncompleteSignature",
    ],
    ["a host that is missing", (r) => withoutHeader(r, "host"), "IncompleteSignature"],
    ["no signature", (r) => withoutHeader(r, "authorization"), "MissingAuthenticationToken"],
  ])("is refused with %s", async (_, attack, type) => {
    const request = await signed();
    const altered = attack(request);
    expect(altered).not.toEqual(request);
    await expect(verifier().verify(altered)).rejects.toMatchObject({
      name: "Error",
      type: `${type}Exception`,
      status: 400,
    });
  });

  it.each<[string, (value: string) => string]>([
    ["upper case", (value) => value.replace(/[0-9a-f]{64}$/, (hex) => hex.toUpperCase())],
    ["a short signature", (value) => value.slice(0, -1)],
    ["something behind it", (value) => `${value}, x=y`],
    ["another algorithm", (value) => value.replace("SHA256", "SHA512")],
    [
      "names out of order",
      (value) => value.replace("host;x-amz-content-sha256", "x-amz-content-sha256;host"),
    ],
    ["a name twice", (value) => value.replace("host;", "host;host;")],
    ["a name in upper case", (value) => value.replace("host;", "Host;")],
    ["a malformed scope", (value) => value.replace("/aws4_request", "/aws4")],
    ["a signature twice", (value) => value.replace(", Signature", ", Signature=00, Signature")],
  ])("is refused with %s in the authorization", async (_, alter) => {
    const request = await signed();
    const at = request.rawHeaders.indexOf("authorization") + 1;
    const value = request.rawHeaders[at] ?? "";
    expect(alter(value)).not.toBe(value);
    const altered = { ...request, rawHeaders: request.rawHeaders.with(at, alter(value)) };
    await expect(verifier().verify(altered)).rejects.toMatchObject({
      type: "IncompleteSignatureException",
    });
  });

  it.each<[string, (target: string) => string, string]>([
    ["a longer life", (t) => t.replace("Expires=60", "Expires=61"), "InvalidSignature"],
    ["more than a week", (t) => t.replace("Expires=60", "Expires=604801"), "IncompleteSignature"],
    ["no end", (t) => t.replace("X-Amz-Expires=60&", ""), "IncompleteSignature"],
    ["a negative life", (t) => t.replace("Expires=60", "Expires=-1"), "IncompleteSignature"],
    ["a parameter more", (t) => `${t}&a=1`, "InvalidSignature"],
    ["the signature twice", (t) => `${t}&X-Amz-Signature=${"0".repeat(64)}`, "IncompleteSignature"],
    [
      "another algorithm",
      (t) => t.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
      "IncompleteSignature",
    ],
  ])("is refused as a presigned one with %s", async (_, alter, type) => {
    const request = await signed({ expiresIn: 60 });
    expect(alter(request.target)).not.toBe(request.target);
    const altered = { ...request, target: alter(request.target) };
    await expect(verifier().verify(altered)).rejects.toMatchObject({ type: `${type}Exception` });
  });

  it("is refused as a presigned one with another body", async () => {
    const request = await signed({ expiresIn: 60 });
    const altered = { ...request, body: Buffer.from("[]") };
    await expect(verifier().verify(altered)).rejects.toMatchObject({
      type: "InvalidSignatureException",
    });
  });
});

it("asks for no key before everything else is in order", async () => {
  const credential = vi.fn<FindCredential>(() => Promise.resolve(alice));
  const one = verifier(SIGNED_AT + 6 * MINUTE, credential);
  await expect(one.verify(await signed())).rejects.toMatchObject({
    type: "InvalidSignatureException",
  });
  expect(credential).not.toHaveBeenCalled();
});

it("keeps signing keys for a thousand scopes, and verifies in more", async () => {
  const one = verifier();
  for (let i = 0; i < 1002; i++) {
    const request = await signed({ region: `region-${i}` });
    await expect(one.verify(request)).resolves.toMatchObject({ region: `region-${i}` });
  }
  await expect(one.verify(await signed({ region: "region-0" }))).resolves.toBeDefined();
});
