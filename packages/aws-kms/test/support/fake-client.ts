import { fakeClient as fake } from "@env/testkit/fake-client";
import { clientMethods, type AwsKmsClient } from "../../src/client.ts";

/** A client of which a test says what it answers. What it does not say must not be called. */
export const fakeClient = (answers: Partial<AwsKmsClient>): AwsKmsClient =>
  fake(clientMethods, answers);
