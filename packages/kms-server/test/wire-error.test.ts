import { EnvelopeError } from "@env/core";
import { expect, it } from "vitest";
import { answerOfError } from "../src/aws-json.ts";
import { toIamError } from "../src/query/iam-errors.ts";
import { faultOf } from "../src/wire-error.ts";

it.each([
  ["ERR_ENVELOPE_KEYSTORE_BUSY", 503, /^The keystore is busy\. Try again\.$/],
  ["ERR_ENVELOPE_KEYSTORE_MOVED", 503, /^The keystore is being moved, or has moved\./],
  ["ERR_ENVELOPE_KEYSTORE_UNKNOWN_OUTCOME", 500, /^The call succeeded, or not/],
  ["ERR_ENVELOPE_KEYSTORE_IO", 500, /^$/],
] as const)("a client is told of %s what it has to know, and no more", (code, status, message) => {
  const error = new EnvelopeError(code, "postgres://db/keys: a detail");
  expect(faultOf(error)).toEqual({ status, message: expect.stringMatching(message) });

  const { status: ofJson, body } = answerOfError(error);
  expect(ofJson).toBe(status);
  expect(JSON.parse(body)).toMatchObject({
    __type: status === 503 ? "DependencyTimeoutException" : "KMSInternalException",
  });
  expect(body).not.toContain("a detail");

  expect(toIamError(error)).toMatchObject({
    name: status === 503 ? "ServiceUnavailable" : "ServiceFailure",
    status,
    message: expect.stringMatching(message),
  });
});
