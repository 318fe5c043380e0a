import { expect, test } from "vitest";
import { iamCall, kmsCall } from "../../src/show-as/call.ts";
import { forms } from "../../src/show-as/forms.ts";

const URL = "http://127.0.0.1:4599";
const schedule = kmsCall("ScheduleKeyDeletion", {
  KeyId: "alias/it's",
  PendingWindowInDays: 7,
  Unset: undefined,
});

test("the aws CLI is told in its own words, with text that a shell leaves alone", () => {
  expect(forms["aws CLI"]([schedule], URL)).toBe(
    String.raw`export AWS_ENDPOINT_URL=http://127.0.0.1:4599

aws kms schedule-key-deletion \
  --key-id 'alias/it'\''s' \
  --pending-window-in-days 7`,
  );
});

test("names with capitals in a row are those of the aws CLI", () => {
  const call = iamCall("GetOpenIDConnectProvider", { OpenIDConnectProviderArn: "arn" });
  expect(forms["aws CLI"]([call], URL)).toContain(
    "aws iam get-open-id-connect-provider \\\n  --open-id-connect-provider-arn arn",
  );
});

test("the SDK is given a client, and an object without quotes that are not needed", () => {
  expect(forms["SDK for TypeScript"]([schedule], URL))
    .toBe(`import { KMS } from "@aws-sdk/client-kms";

const kms = new KMS({ endpoint: "http://127.0.0.1:4599" });

await kms.scheduleKeyDeletion({
  KeyId: "alias/it's",
  PendingWindowInDays: 7
});`);
});

test("envelope has a command for what its keys can do, and says so where it has none", () => {
  expect(forms.envelope([kmsCall("DisableKey", { KeyId: "alias/app" })], URL)).toBe(
    "envelope keys disable alias/app",
  );
  expect(forms.envelope([kmsCall("ListGrants", {})], URL)).toMatch(/^# envelope has no command/);
});

test("Terraform says that it has nothing for a call", () => {
  expect(forms.Terraform([schedule], URL)).toMatch(/^# Terraform has neither/);
});
