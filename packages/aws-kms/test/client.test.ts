import { KMS } from "@aws-sdk/client-kms";
import { expect, it } from "vitest";
import { clientMethods, type AwsKmsClient } from "../src/client.ts";

it("is fitted by the KMS of the SDK, whatever else that has", () => {
  // What the compiler checks here is what users rely on.
  const client: AwsKmsClient = new KMS({ region: "eu-west-1" });
  for (const name of clientMethods) expect(client[name]).toBeTypeOf("function");
});

it("is checked for every method it has", () => {
  const all: Record<keyof AwsKmsClient, true> = {
    generateDataKey: true,
    encrypt: true,
    decrypt: true,
    reEncrypt: true,
    describeKey: true,
  };
  expect([...clientMethods].toSorted()).toEqual(Object.keys(all).toSorted());
});
