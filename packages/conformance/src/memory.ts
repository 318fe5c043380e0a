/**
 * The harness of `MemoryKms`, the smallest correct KMS. This package's own tests use it, and it is an
 * example of a harness with everything that a setup can have.
 *
 * @module
 */
import type { CmkDriver } from "@env/core/driver";
import { MemoryKms } from "@env/core/testing";
import type { CmkHarness } from "./harness.ts";

/**
 * Returns a harness for `MemoryKms` of `@env/core/testing`.
 *
 * @param inspect - See `CmkHarness`.
 * @param alter - Alters each driver. Default: no change.
 */
export function memoryHarness(
  inspect: CmkHarness["inspect"],
  alter: (honest: CmkDriver) => CmkDriver = (honest) => honest,
): CmkHarness {
  return {
    inspect,
    open() {
      const kms = new MemoryKms();
      const [first, second] = [kms.createKey(), kms.createKey()];
      kms.setAlias("alias/first", first);
      return {
        first: alter(kms.driver(first)),
        second: alter(kms.driver(second)),
        missing: alter(kms.driver("key/missing")),
        alias: alter(kms.driver("alias/first")),
        rotate: () => kms.rotate(first),
        disable: () => kms.fail(first, "ERR_ENVELOPE_KMS_KEY_STATE"),
        deny: () => kms.fail(first, "ERR_ENVELOPE_KMS_ACCESS_DENIED"),
        unreachable: () => kms.fail(first, "ERR_ENVELOPE_KMS_UNAVAILABLE"),
        throttle: () => kms.fail(first, "ERR_ENVELOPE_KMS_THROTTLED"),
      };
    },
  };
}
