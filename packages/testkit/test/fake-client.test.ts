import { fakeClient } from "@env/testkit/fake-client";
import { expect, it } from "vitest";

interface Client {
  encrypt(): Promise<string>;
  decrypt(): Promise<string>;
}

it("answers what it was given, and rejects every other call by its name", async () => {
  const client = fakeClient<Client>(["encrypt", "decrypt"], { encrypt: async () => "sealed" });
  expect(await client.encrypt()).toBe("sealed");
  await expect(client.decrypt()).rejects.toThrow("decrypt was not expected");
});
