import { fakeClient as fake } from "@env/testkit/fake-client";
import { clientMethods, type GcpKmsClient } from "../../src/client.ts";

/** A client of which a test says what it answers. What it does not say must not be called. */
export const fakeClient = (answers: Partial<GcpKmsClient>): GcpKmsClient =>
  fake(clientMethods, answers);
