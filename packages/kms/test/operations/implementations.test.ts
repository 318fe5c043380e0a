import { expect, it } from "vitest";
import { operations } from "../../src/catalogue/operations.ts";
import { KmsClient } from "../../src/client.ts";
import { operationNamed } from "../../src/operations/implementations.ts";
import { knownKeystore } from "../support/calls.ts";
import { tempKeystore } from "../support/keystore.ts";

it("finds every operation of the catalogue by AWS's name, and nothing by another", () => {
  const names = Object.keys(operations);
  expect(names.map((name) => operationNamed(name)?.name)).toEqual(names);
  for (const other of [
    "encrypt",
    "kms:Encrypt",
    "SynchronizeMultiRegionKey",
    "constructor",
    "__proto__",
    "",
  ]) {
    expect(operationNamed(other), other).toBeUndefined();
  }
});

it("gives the client one method for each, which belongs to all clients", async () => {
  const { client } = await tempKeystore();
  const methods = Object.keys(operations).map((name) => name[0]?.toLowerCase() + name.slice(1));
  for (const method of methods) {
    expect(Object.hasOwn(KmsClient.prototype, method), method).toBe(true);
    expect(Reflect.get(client, method), method).toBe(Reflect.get(KmsClient.prototype, method));
  }
});

it("lets a request be left out only where it may be empty", async () => {
  const { keystore, calls } = await knownKeystore();
  const client = keystore.as();
  const accepting: string[] = [];
  for (const method of Object.keys(calls)) {
    const call = Reflect.get(client, method) as (this: KmsClient) => Promise<unknown>;
    const outcome = await call.call(client).then(
      () => "accepted",
      (error: unknown) => error,
    );
    if (outcome === "accepted") accepting.push(method);
    else expect(outcome, method).toBeInstanceOf(TypeError);
  }
  expect(accepting).toEqual(["createKey", "listKeys", "describeCustomKeyStores", "listAliases"]);
  await expect(client.createKey(null as never)).rejects.toThrow(TypeError);
});
