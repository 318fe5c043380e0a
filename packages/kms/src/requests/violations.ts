/**
 * What is wrong with the shape of a request: all of it at once, in AWS's words.
 *
 *     2 validation errors detected: Value null at 'keyId' failed to satisfy constraint: Member must not be
 *     null; Value '0' at 'limit' failed to …
 *
 * Shape comes before meaning: as long as a member violates a constraint, nothing is said of how the
 * members go together.
 *
 * @module
 */
import { inspect } from "node:util";
import { isKmsError, KmsError } from "../catalogue/errors.ts";

/** One or more members that violate a constraint. */
class Violations extends KmsError {
  readonly #problems: readonly string[];

  constructor(problems: readonly string[]) {
    const { length } = problems;
    const count = length === 1 ? "1 validation error" : `${length} validation errors`;
    super("ValidationException", `${count} detected: ${problems.join("; ")}`);
    this.#problems = problems;
  }

  /** Not a member that an inspection of the error would show again. */
  get problems(): readonly string[] {
    return this.#problems;
  }
}

/** @param must - How the sentence goes on. @param value - Is echoed; never bytes or secrets. */
export function constraint(field: string, must: string, value?: unknown): KmsError {
  const echoed = value === undefined ? "" : ` '${echo(value)}'`;
  return new Violations([
    `Value${echoed} at '${field}' failed to satisfy constraint: Member must ${must}`,
  ]);
}

/** A member that has to be there and is not. */
export function missing(field: string): KmsError {
  return new Violations([
    `Value null at '${field}' failed to satisfy constraint: Member must not be null`,
  ]);
}

type Results<Checks extends Readonly<Record<string, () => unknown>>> = {
  readonly [Name in keyof Checks]: ReturnType<Checks[Name]>;
};

/**
 * Runs every check and gives what they return, by name.
 *
 * @throws {@link KmsError} `ValidationException` with all violations, in the order of the checks; where
 * there are none, the first other error. Bytes that checks returned are wiped then: they are copies.
 */
export function all<Checks extends Readonly<Record<string, () => unknown>>>(
  checks: Checks,
): Results<Checks> {
  const results: Record<string, unknown> = {};
  const faults: unknown[] = [];
  for (const [name, check] of Object.entries(checks)) {
    try {
      results[name] = check();
    } catch (error) {
      faults.push(error);
    }
  }
  if (faults.length > 0) throw gathered(faults, Object.values(results));
  // By name, each is what its check returned.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return results as Results<Checks>;
}

/** {@link all} for one check of many items. */
export function each<Item, Result>(
  items: readonly Item[],
  check: (item: Item, index: number) => Result,
): Result[] {
  const results: Result[] = [];
  const faults: unknown[] = [];
  for (const [i, item] of items.entries()) {
    try {
      results.push(check(item, i));
    } catch (error) {
      faults.push(error);
    }
  }
  if (faults.length > 0) throw gathered(faults, results);
  return results;
}

/** The one error for all of them. A mistake of the program is told before what the caller did wrong. */
function gathered(faults: readonly unknown[], results: readonly unknown[]): unknown {
  for (const result of results) wipe(result);
  const mistake = faults.find((error) => !isKmsError(error));
  if (mistake !== undefined) return mistake;
  const problems = faults.flatMap((error) => (error instanceof Violations ? error.problems : []));
  return problems.length > 0 ? new Violations(problems) : faults[0];
}

/** Wipes bytes, also those that are members of a result. */
function wipe(result: unknown): void {
  if (typeof result !== "object" || result === null) return;
  const values = result instanceof Uint8Array ? [result] : Object.values(result);
  for (const value of values) if (value instanceof Uint8Array) value.fill(0);
}

/** AWS repeats the whole value; what is longer than any valid one is cut. */
function echo(value: unknown): string {
  const text =
    typeof value === "string"
      ? value
      : inspect(value, { depth: 0, breakLength: Infinity, maxStringLength: MAX_ECHO });
  return text.length <= MAX_ECHO ? text : `${text.slice(0, MAX_ECHO)}…`;
}

/** The longest value that is repeated, in UTF-16 units. */
const MAX_ECHO = 1024;
