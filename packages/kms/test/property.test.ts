import { isDeepStrictEqual } from "node:util";
import { join } from "node:path";
import { character } from "@env/testkit/character";
import { tempFolder } from "@env/testkit/folder";
import fc from "fast-check";
import { expect, it } from "vitest";
import { createKeystore, describeCiphertextBlob, type KmsClient } from "../src/index.ts";
import { newKey, tempKeystore } from "./support/keystore.ts";

const seconds = (n: number): { numRuns: number; endOnFailure: boolean } => ({
  numRuns: process.env["SLOW"] === undefined ? n : n * 50,
  endOnFailure: true,
});

it("decrypts what it encrypted, for every plaintext and context", async () => {
  const { client } = await tempKeystore();
  const KeyId = await newKey(client);
  const context = fc.dictionary(
    fc.string({ unit: character, maxLength: 20 }),
    fc.string({ unit: character, maxLength: 20 }),
    { maxKeys: 6 },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 4096 }),
      context,
      context,
      async (Plaintext, EncryptionContext, other) => {
        fc.pre(!isDeepStrictEqual({ ...other }, { ...EncryptionContext }));
        const request = { KeyId, Plaintext, EncryptionContext };
        const { CiphertextBlob } = await client.encrypt(request);
        const right = await client.decrypt({ CiphertextBlob, EncryptionContext });
        expect(right.Plaintext).toEqual(new Uint8Array(Plaintext));
        const wrong = client.decrypt({ CiphertextBlob, EncryptionContext: other });
        await expect(wrong).rejects.toMatchObject({ name: "InvalidCiphertextException" });
      },
    ),
    seconds(150),
  );
});

/** What a key should be, kept beside the KMS. */
interface Model {
  state: "Enabled" | "Disabled" | "PendingDeletion";
  aliases: Set<string>;
  blobs: { blob: Uint8Array; version: number }[];
  versions: number;
}

type Step = readonly [operation: string, key: number, alias: number];

it("keeps its word over any sequence of operations, also when opened again", async () => {
  const operations = [
    "enable",
    "disable",
    "schedule",
    "cancel",
    "rotate",
    "createAlias",
    "updateAlias",
    "deleteAlias",
    "encrypt",
  ];
  const step = fc.tuple(fc.constantFrom(...operations), fc.nat(2), fc.nat(2));
  const folder = tempFolder();
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const path = join(folder, `${runs++}.kms`);
      const root = { keyFile: `${path}.key` };
      using keystore = await createKeystore(path, { root });
      const client = keystore.as();
      const models = new Map<string, Model>();
      for (let i = 0; i < 3; i++) {
        const model: Model = { state: "Enabled", aliases: new Set(), blobs: [], versions: 1 };
        models.set(await newKey(client), model);
      }
      for (const one of steps) await apply(client, models, one);
      await check(client, models);
    }),
    seconds(25),
  );
});

/** Does a step and compares its outcome with the one that the model expects. */
async function apply(client: KmsClient, models: Map<string, Model>, step: Step): Promise<void> {
  const [operation, key, aliasNumber] = step;
  const [KeyId = "", model] = [...models][key] ?? [];
  if (model === undefined) throw new Error("no such model");
  const AliasName = `alias/${aliasNumber}`;
  const holder = [...models.values()].find(({ aliases }) => aliases.has(AliasName));
  const pending = model.state === "PendingDeletion";
  const usable = model.state === "Enabled";
  const attempt = async (
    allowed: boolean,
    call: Promise<unknown>,
    change: () => void,
  ): Promise<void> => {
    const outcome = await call.then(
      () => "ok",
      (error: Error) => error.name,
    );
    expect(outcome === "ok", `${operation} on ${model.state}: ${outcome}`).toBe(allowed);
    if (allowed) change();
  };
  const setState = (state: Model["state"]) => (): void => {
    model.state = state;
  };
  if (operation === "enable")
    await attempt(!pending, client.enableKey({ KeyId }), setState("Enabled"));
  if (operation === "disable") {
    await attempt(!pending, client.disableKey({ KeyId }), setState("Disabled"));
  }
  if (operation === "schedule") {
    await attempt(!pending, client.scheduleKeyDeletion({ KeyId }), setState("PendingDeletion"));
  }
  if (operation === "cancel") {
    await attempt(pending, client.cancelKeyDeletion({ KeyId }), setState("Disabled"));
  }
  if (operation === "rotate") {
    await attempt(usable, client.rotateKeyOnDemand({ KeyId }), () => {
      model.versions++;
    });
  }
  const request = { AliasName, TargetKeyId: KeyId };
  if (operation === "createAlias") {
    await attempt(holder === undefined && !pending, client.createAlias(request), () => {
      model.aliases.add(AliasName);
    });
  }
  if (operation === "updateAlias") {
    await attempt(holder !== undefined && !pending, client.updateAlias(request), () => {
      holder?.aliases.delete(AliasName);
      model.aliases.add(AliasName);
    });
  }
  if (operation === "deleteAlias") {
    await attempt(holder !== undefined, client.deleteAlias({ AliasName }), () => {
      holder?.aliases.delete(AliasName);
    });
  }
  if (operation === "encrypt") {
    const Plaintext = Uint8Array.of(model.versions);
    const call = client.encrypt({ KeyId, Plaintext });
    await attempt(usable, call, () => undefined);
    if (usable) {
      const { CiphertextBlob: blob } = await call;
      expect(describeCiphertextBlob(blob)?.keyVersion).toBe(model.versions);
      model.blobs.push({ blob, version: model.versions });
    }
  }
}

async function check(client: KmsClient, models: Map<string, Model>): Promise<void> {
  expect((await client.listKeys()).Keys.map(({ KeyId }) => KeyId)).toEqual([...models.keys()]);
  for (const [KeyId, model] of models) {
    const { KeyMetadata } = await client.describeKey({ KeyId });
    expect(KeyMetadata.KeyState).toBe(model.state);
    const { Aliases } = await client.listAliases({ KeyId });
    expect(new Set(Aliases.map(({ AliasName }) => AliasName))).toEqual(model.aliases);
    const { Rotations } = await client.listKeyRotations({ KeyId });
    expect(Rotations).toHaveLength(model.versions - 1);
    if (model.state === "PendingDeletion") await client.cancelKeyDeletion({ KeyId });
    await client.enableKey({ KeyId });
    for (const { blob, version } of model.blobs) {
      const { Plaintext } = await client.decrypt({ KeyId, CiphertextBlob: blob });
      expect(Plaintext).toEqual(Uint8Array.of(version));
    }
  }
}
