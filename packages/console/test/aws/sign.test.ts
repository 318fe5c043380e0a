import { expect, test } from "vitest";
import { sign } from "../../src/aws/sign.ts";

test("a signature is the one that AWS publishes for its example", async () => {
  // "get-vanilla" of AWS's test suite for signatures of version 4.
  const request = {
    url: new URL("https://example.amazonaws.com/"),
    method: "GET",
    headers: {},
    body: "",
    service: "service",
    region: "us-east-1",
  };
  const key = {
    accessKeyId: "AKIDEXAMPLE",
    secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
  };
  const { authorization } = await sign(request, key, new Date("2015-08-30T12:36:00Z"));
  expect(authorization).toBe(
    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
  );
});
