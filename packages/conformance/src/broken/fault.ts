/**
 * Building blocks of the broken drivers.
 *
 * @module
 */
import type { CmkDriver, KmsFailureCode } from "@env/core/driver";
import { altered, type Changes } from "../altered.ts";

/** An error that carries its own code, for drivers that fail on their own. */
export class Fault extends Error {
  override readonly name = "Fault";
  readonly code: KmsFailureCode;

  constructor(code: KmsFailureCode, message = "broken on purpose", options: ErrorOptions = {}) {
    super(message, options);
    this.code = code;
  }
}

/** {@link altered}, with a `classify` that knows {@link Fault}. */
export function faulty(honest: CmkDriver, changes: Changes): CmkDriver {
  return altered(honest, {
    classify: (error) => (error instanceof Fault ? error.code : honest.classify(error)),
    ...changes,
  });
}

/**
 * Like {@link faulty}, without the optional calls: `Cmk` then generates and rewraps data keys with `wrap`
 * and `unwrap`, so that a fault in those two shows everywhere.
 */
export function bare(honest: CmkDriver, changes: Changes): CmkDriver {
  return faulty(honest, { generate: undefined, rewrap: undefined, ...changes });
}
