import { inspect } from "node:util";
import { isEnvelopeError } from "@env/core";
import fc from "fast-check";
import { expect, it } from "vitest";
import { isKeyOf, inRegion, parseKeyArn, parseKeyName } from "../src/arn.ts";
import { classify, withoutSecrets } from "../src/errors.ts";
import { parseAwsKmsUri } from "../src/uri.ts";

const secret = "s3cr3t c0nt3xt";
/** Text with the secret somewhere in it. */
const leaky = fc
  .tuple(fc.string(), fc.string())
  .map(([before, behind]) => `${before}${secret}${behind}`);

it("shows nothing of an error's texts, wherever they stand", () => {
  const error = fc.record(
    {
      name: fc.oneof(leaky, fc.constantFrom("AccessDeniedException", "SyntaxError", "Error")),
      message: leaky,
      code: fc.oneof(leaky, fc.constant("ECONNRESET")),
      $response: fc.record({ body: leaky }),
      $metadata: fc.record(
        { httpStatusCode: fc.oneof(leaky, fc.integer()), requestId: leaky, attempts: leaky },
        { requiredKeys: [] },
      ),
      cause: leaky,
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(error, (thrown) => {
      const shown = withoutSecrets(Object.assign(new Error(secret), thrown), "Decrypt");
      expect(inspect(shown, { showHidden: true, depth: 10 })).not.toContain(secret);
      expect(classify(shown)).toBe(classify(withoutSecrets(shown, "Decrypt")));
    }),
  );
});

it("names whatever is thrown", () => {
  fc.assert(
    fc.property(fc.anything(), (thrown) => {
      expect(classify(thrown)).toMatch(/^ERR_ENVELOPE_KMS_/);
      expect(classify(withoutSecrets(thrown, "Decrypt"))).toMatch(/^ERR_ENVELOPE_KMS_/);
    }),
  );
});

it("reads a URI, or refuses it without repeating it", () => {
  const parameter = fc.tuple(
    fc.constantFrom("region", "profile", "endpoint", "fips", "alsoUnwrap", "other"),
    leaky,
  );
  const uri = fc
    .tuple(fc.oneof(leaky, fc.constant("alias/app")), fc.array(parameter, { maxLength: 3 }))
    .map(([key, query]) => `aws-kms:${key}?${query.map((pair) => pair.join("=")).join("&")}`);
  fc.assert(
    fc.property(uri, (text) => {
      try {
        expect(parseAwsKmsUri(text).key).toBeTypeOf("string");
      } catch (error) {
        if (!isEnvelopeError(error, "ERR_ENVELOPE_CONFIG")) throw error;
        expect(inspect(error, { showHidden: true })).not.toContain(secret);
      }
    }),
  );
});

it("finds a key by each of its names, and no other by them", () => {
  const region = fc.constantFrom("eu-west-1", "us-east-1");
  const id = fc
    .tuple(fc.boolean(), fc.uuid())
    .map(([multi, uuid]) => (multi ? `mrk-${uuid.replaceAll("-", "")}` : uuid));
  const arn = fc
    .tuple(region, fc.constantFrom("111122223333", "444455556666"), id)
    .map(([where, account, key]) => `arn:aws:kms:${where}:${account}:key/${key}`);
  fc.assert(
    fc.property(arn, arn, region, (one, other, where) => {
      const parsed = parseKeyArn(one);
      const byId = parseKeyName(one.replace(/^.*\//, ""));
      if (parsed === undefined || byId === undefined) throw new Error("it names no key");
      expect(isKeyOf(parsed, one)).toBe(true);
      expect(isKeyOf(byId, one)).toBe(true);
      expect(isKeyOf(parsed, other)).toBe(one === other);
      const elsewhere = inRegion(parsed, where);
      expect(isKeyOf(parsed, elsewhere)).toBe(elsewhere === one || one.includes("/mrk-"));
    }),
  );
});
