/**
 * The age of the oldest rotation, as a gauge.
 *
 * Finding it reads every key. So the keystore is asked at most once an hour, however often the gauge is read, and reads page by
 * page between the calls that it answers. Until the next time, what was found ages by itself.
 *
 * @module
 */
import type { Keystore } from "@env/kms";
import type { Gauge } from "./metrics.ts";

const INTERVAL_MS = 3_600_000;

export class RotationAge {
  readonly #keystore: Pick<Keystore, "oldestRotation">;
  /** What was found, or is being found; `undefined`: nobody has looked. */
  #found: Promise<Date | undefined> | undefined;
  #time = 0;

  constructor(keystore: Pick<Keystore, "oldestRotation">) {
    this.#keystore = keystore;
  }

  /** No gauge if no key has automatic rotation, or the keystore cannot be read. */
  async gauges(): Promise<readonly Gauge[]> {
    const now = Date.now();
    if (this.#found === undefined || Math.abs(now - this.#time) >= INTERVAL_MS) {
      this.#time = now;
      this.#found = this.#look();
    }
    const oldest = await this.#found;
    if (oldest === undefined) return [];
    return [
      {
        name: "envelope_kms_oldest_rotation_age_seconds",
        help: "Time since the key whose automatic rotation is longest ago was rotated, or else created.",
        value: Math.max(0, Math.floor((now - oldest.getTime()) / 1000)),
      },
    ];
  }

  async #look(): Promise<Date | undefined> {
    try {
      return await this.#keystore.oldestRotation();
    } catch {
      // The next reader tries again.
      this.#time = Number.NEGATIVE_INFINITY;
      return undefined;
    }
  }
}
