/**
 * Keys that nobody has used for a while, in all regions.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import type { Realm } from "../arn.ts";
import type { KeyState } from "../catalogue/key-states.ts";
import { arnOf, daysWithoutUse, keyState } from "./key.ts";
import type { LastUseRecord } from "../store/iam-records.ts";
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
  for (const region of await store.read(() => store.keys.regions())) {
    for (let place: number | undefined = 0; place !== undefined;) {
      const start: number = place;
      place = await store.read(() => {
        const now = store.now();
        const { items, next } = store.keys.list(region, start, PAGE);
        for (const key of items) {
          const arn = arnOf(key, realm);
          const use = lastUse(arn);
          if (key.manager === "AWS" || daysWithoutUse(key, use?.time, now) < days) continue;
          found.push({
            keyId: key.keyId,
            arn,
            region,
            aliases: key.aliases.map(({ name }) => name),
            state: keyState(key, now),
            created: new Date(key.created),
            ...(use && {
              lastUse: {
                operation: use.operation,
                time: new Date(use.time),
                eventId: use.eventId,
              },
            }),
          });
        }
        return next;
      });
      await setImmediate();
    }
  }
  return found.toSorted((a, b) => since(a) - since(b));
}

function since({ created, lastUse }: UnusedKey): number {
  return (lastUse?.time ?? created).getTime();
}
