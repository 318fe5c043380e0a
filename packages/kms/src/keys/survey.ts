/**
 * What can be asked of all keys of all regions: which of them nobody uses, and which was rotated least recently.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import type { Realm } from "../arn.ts";
import type { KeyState } from "../catalogue/key-states.ts";
import { arnOf, daysWithoutUse, keyState } from "./key.ts";
import type { LastUseRecord } from "../store/iam-records.ts";
import type { KeyRecord } from "../store/key-record.ts";
import type { Store } from "../store/store.ts";

/** A customer managed key that was not used for cryptography. */
export interface UnusedKey {
  readonly keyId: string;
  readonly arn: string;
  readonly region: string;
  /** Names, such as `alias/app`. */
  readonly aliases: readonly string[];
  readonly state: KeyState;
  readonly created: Date;
  /** Absent: it has never been used. */
  readonly lastUse?: {
    /** `Encrypt` */
    readonly operation: string;
    readonly time: Date;
    /** The `eventID` of the record in the audit log. */
    readonly eventId: string;
  };
}

/** Keys of one transaction. */
const PAGE = 100;
const MAX_DAYS = 36_500;

/**
 * Lists those that were not used for so many days, the one that was unused for longest first.
 *
 * @throws RangeError unless `days` is an integer from 1 to 36,500.
 */
export async function unusedKeys(
  store: Store,
  realm: Realm,
  lastUse: (arn: string) => LastUseRecord | undefined,
  days: number,
): Promise<readonly UnusedKey[]> {
  if (!(Number.isInteger(days) && days >= 1 && days <= MAX_DAYS)) {
    throw new RangeError("days must be an integer from 1 to 36,500");
  }
  const found: UnusedKey[] = [];
  await visitKeys(store, (key, now) => {
    const arn = arnOf(key, realm);
    const use = lastUse(arn);
    if (daysWithoutUse(key, use?.time, now) < days) return;
    found.push({
      keyId: key.keyId,
      arn,
      region: key.region,
      aliases: key.aliases.map(({ name }) => name),
      state: keyState(key, now),
      created: new Date(key.created),
      ...(use && {
        lastUse: { operation: use.operation, time: new Date(use.time), eventId: use.eventId },
      }),
    });
  });
  return found.toSorted((a, b) => since(a) - since(b));
}

/**
 * When the enabled key with automatic rotation that was rotated least recently was last rotated, or else created.
 *
 * @returns `undefined` if no key has automatic rotation.
 */
export async function oldestRotation(store: Store): Promise<Date | undefined> {
  let oldest = Infinity;
  await visitKeys(store, (key, now) => {
    if (key.rotation === undefined || keyState(key, now) !== "Enabled") return;
    oldest = Math.min(oldest, key.versions.at(-1)?.created ?? key.created);
  });
  return oldest === Infinity ? undefined : new Date(oldest);
}

/** Calls `visit` with each customer managed key, inside the store's `read`, and lets others work in between. */
async function visitKeys(
  store: Store,
  visit: (key: KeyRecord, now: number) => void,
): Promise<void> {
  for (const region of await store.read(() => store.keys.regions())) {
    for (let place: number | undefined = 0; place !== undefined;) {
      const start: number = place;
      place = await store.read(() => {
        const { items, next } = store.keys.list(region, start, PAGE);
        for (const key of items) if (key.manager === "CUSTOMER") visit(key, store.now());
        return next;
      });
      await setImmediate();
    }
  }
}

function since({ created, lastUse }: UnusedKey): number {
  return (lastUse?.time ?? created).getTime();
}
