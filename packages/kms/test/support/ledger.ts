/** What writers were told has happened, and whether a keystore's file agrees. */
import assert from "node:assert/strict";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Keystore } from "../../src/index.ts";
import type { KeyRecord } from "../../src/store/key-record.ts";
import { openPlace, type Place } from "./keystore.ts";

/** A change that was answered. */
export type Acknowledged =
  | { readonly change: "key"; readonly keyId: string; readonly description: string }
  | { readonly change: "alias"; readonly name: string; readonly keyId: string | undefined }
  | { readonly change: "disabled"; readonly keyId: string }
  | { readonly change: "tag"; readonly keyId: string; readonly tag: string; readonly value: string }
  | { readonly change: "grant"; readonly keyId: string; readonly grantId: string }
  | { readonly change: "rotation"; readonly keyId: string }
  | { readonly change: "policy"; readonly keyId: string; readonly policy: string }
  | { readonly change: "principal"; readonly arn: string; readonly tag: string };

/** What is known of a key. */
interface Entry {
  readonly aliases: Set<string>;
  readonly tags: Map<string, string>;
  readonly grants: Set<string>;
  description: string;
  enabled: boolean;
  policy: string | undefined;
  rotations: number;
}

export class Ledger {
  readonly #keys = new Map<string, Entry>();
  readonly #aliases = new Map<string, string | undefined>();
  readonly #principals = new Map<string, string>();
  readonly #waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  /** Changes that were acknowledged. */
  count = 0;

  /** @param shared - Keys that are there before the writers begin. */
  constructor(shared: readonly string[]) {
    for (const keyId of shared) this.#add(keyId, "");
  }

  /** Fulfils when so many changes were acknowledged. */
  reaches(count: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }

  /** Notes the lines of a writer until it ends. One that was cut off was told to nobody. */
  async follow(output: Readable): Promise<void> {
    for await (const line of createInterface(output)) {
      if (line.endsWith("}")) this.#note(JSON.parse(line) as Acknowledged);
    }
  }

  /**
   * Throws unless everything that was acknowledged is there, and nothing half.
   *
   * @param exactly - That nothing else is there: nobody was killed between a change and its answer.
   */
  async compare(place: Place, keystore: Keystore, exactly: boolean): Promise<void> {
    using open = await openPlace(place);
    const { store } = open;
    const records = await store.read(() => store.keys.list("local", 0, 1_000_000).items);
    const principals = await store.read(() => store.principals.list("", 1_000_000).items);
    const byId = new Map(records.map((record) => [record.keyId, record]));
    for (const [keyId, entry] of this.#keys) this.#compareKey(byId.get(keyId), entry, exactly);
    for (const [name, keyId] of this.#aliases) {
      const holder = records.find(({ aliases }) => aliases.some((alias) => alias.name === name));
      if (exactly) assert.equal(holder?.keyId, keyId, name);
      assert.equal(
        await store.read(() => store.keys.byAlias("local", name)?.keyId),
        holder?.keyId,
        name,
      );
    }
    const tags = new Map(principals.map((one) => [one.arn, one.tags["round"]]));
    for (const [arn, tag] of this.#principals) assert.equal(tags.get(arn), tag, arn);
    if (exactly) {
      assert.deepEqual([...byId.keys()].toSorted(), [...this.#keys.keys()].toSorted());
      assert.equal(tags.size, this.#principals.size);
    }
    assert.deepEqual(await keystore.verify(), []);
    await compareAudit(keystore, records, principals.length);
  }

  #compareKey(record: KeyRecord | undefined, entry: Entry, exactly: boolean): void {
    assert(record !== undefined);
    assert.equal(record.description, entry.description);
    // Times: a later one was set by a change that was not answered.
    for (const [tag, value] of entry.tags) assert(Number(record.tags.get(tag)) >= Number(value));
    const grants = new Set(record.grants.map(({ grantId }) => grantId));
    for (const grantId of entry.grants) assert(grants.has(grantId));
    assert(record.versions.length - 1 >= entry.rotations);
    if (!entry.enabled) assert.equal(record.enabled, false);
    if (!exactly) return;
    assert.equal(record.enabled, entry.enabled);
    if (entry.policy !== undefined) assert.equal(record.policy, entry.policy);
    assert.deepEqual(
      record.aliases.map(({ name }) => name),
      [...entry.aliases].toSorted(),
    );
    assert.deepEqual(record.tags, entry.tags);
    assert.equal(grants.size, entry.grants.size);
    assert.equal(record.versions.length - 1, entry.rotations);
  }

  #note(line: Acknowledged): void {
    this.count++;
    for (const { count, resolve } of this.#waiting) if (this.count >= count) resolve();
    if (line.change === "key") return this.#add(line.keyId, line.description);
    if (line.change === "principal") return void this.#principals.set(line.arn, line.tag);
    if (line.change === "alias") return this.#move(line.name, line.keyId);
    const entry = this.#entry(line.keyId);
    if (line.change === "disabled") entry.enabled = false;
    if (line.change === "tag") entry.tags.set(line.tag, line.value);
    if (line.change === "grant") entry.grants.add(line.grantId);
    if (line.change === "rotation") entry.rotations++;
    if (line.change === "policy") entry.policy = line.policy;
  }

  #move(name: string, keyId: string | undefined): void {
    const from = this.#aliases.get(name);
    if (from !== undefined) this.#entry(from).aliases.delete(name);
    if (keyId !== undefined) this.#entry(keyId).aliases.add(name);
    this.#aliases.set(name, keyId);
  }

  #add(keyId: string, description: string): void {
    this.#keys.set(keyId, {
      aliases: new Set(),
      tags: new Map(),
      grants: new Set(),
      description,
      enabled: true,
      policy: undefined,
      rotations: 0,
    });
  }

  #entry(keyId: string): Entry {
    const entry = this.#keys.get(keyId);
    if (entry === undefined) throw new Error(`a change of ${keyId}, which nobody made`);
    return entry;
  }
}

/** A change and its record are in one transaction: there are as many of the one as of the other. */
async function compareAudit(
  keystore: Keystore,
  records: readonly KeyRecord[],
  principals: number,
): Promise<void> {
  assert.deepEqual((await keystore.audit.verify()).problems, []);
  const counts: Record<string, number> = {};
  for await (const { record } of keystore.audit.query({ outcome: "succeeded" })) {
    counts[record.eventName] = (counts[record.eventName] ?? 0) + 1;
  }
  const sum = (of: (record: KeyRecord) => number): number =>
    records.reduce((total, record) => total + of(record), 0);
  const { CreateKey = 0, CreateAlias = 0, DeleteAlias = 0, CreateGrant = 0 } = counts;
  const { RotateKeyOnDemand = 0, PutPrincipal = 0 } = counts;
  assert.deepEqual(
    {
      keys: CreateKey,
      aliases: CreateAlias - DeleteAlias,
      grants: CreateGrant,
      rotations: RotateKeyOnDemand,
      principals: PutPrincipal,
    },
    {
      keys: records.length,
      aliases: sum(({ aliases }) => aliases.length),
      grants: sum(({ grants }) => grants.length),
      rotations: sum(({ versions }) => versions.length - 1),
      principals,
    },
  );
}
