/**
 * The contract of `CmkDriver`, as cases that any test runner can register.
 *
 * Cases are data rather than `it()` calls for two reasons: no test runner becomes a dependency, and
 * this package can run them against drivers that are broken on purpose and assert that they are caught.
 * They run through `Cmk`, as applications do, or directly against the driver if `Cmk` would compensate
 * for the fault.
 *
 * @example In an adapter, `test/conformance.test.ts`:
 * ```ts
 * for (const c of cmkCases(harness)) it.skipIf(c.skip)(c.name, () => c.run());
 * ```
 *
 * @module
 */
import { contextCases } from "./clauses/context.ts";
import { doctorCases } from "./clauses/doctor.ts";
import { errorCases } from "./clauses/errors.ts";
import { integrityCases } from "./clauses/integrity.ts";
import { keyCases } from "./clauses/key.ts";
import { rotationCases } from "./clauses/rotation.ts";
import { roundTripCases } from "./clauses/round-trip.ts";
import { secretCases } from "./clauses/secrets.ts";
import { sharingCases } from "./clauses/sharing.ts";
import {
  abilities,
  clauses,
  type CaseDefinition,
  type CmkHarness,
  type CmkSetup,
  type ConformanceCase,
} from "./harness.ts";

const definitions: readonly CaseDefinition[] = [
  ...roundTripCases,
  ...integrityCases,
  ...contextCases,
  ...keyCases,
  ...errorCases,
  ...sharingCases,
  ...secretCases,
  ...rotationCases,
  ...doctorCases,
].toSorted((a, b) => Number(a.clause.slice(1)) - Number(b.clause.slice(1)));

/**
 * Returns the cases of the driver contract for one adapter.
 *
 * @throws TypeError if a name in `skips` is not a clause, ability or case, or has no reason.
 */
export function cmkCases(harness: CmkHarness): ConformanceCase[] {
  const skips = new Map(Object.entries(harness.skips ?? {}));
  const known = new Set<string>([
    ...Object.keys(clauses),
    ...abilities,
    ...definitions.map(fullName),
  ]);
  for (const [what, reason] of skips) {
    if (!known.has(what)) {
      throw new TypeError(`skips: ${JSON.stringify(what)} is not a clause, an ability or a case`);
    }
    if (typeof reason !== "string" || reason.trim() === "") {
      throw new TypeError(`skips: ${what} is skipped without a reason`);
    }
  }
  return definitions.map((definition) => {
    const { clause, needs } = definition;
    const name = fullName(definition);
    const skip = skips.get(name) ?? skips.get(clause) ?? (needs && skips.get(needs));
    if (skip !== undefined) return { clause, name, skip, run: async () => undefined };
    return { clause, name, run: () => runCase(definition, harness) };
  });
}

async function runCase(definition: CaseDefinition, harness: CmkHarness): Promise<void> {
  const setup = await harness.open();
  try {
    checkAbilities(definition, setup, harness);
    await definition.run(setup, harness);
  } finally {
    await setup.close?.();
  }
}

/** Fails for a missing ability without a reason, and for an outdated reason. */
function checkAbilities({ needs }: CaseDefinition, setup: CmkSetup, harness: CmkHarness): void {
  if (needs !== undefined && setup[needs] === undefined) {
    throw new Error(`the setup has no ${needs}: provide it, or say why not in skips.${needs}`);
  }
  for (const ability of abilities) {
    if (setup[ability] !== undefined && harness.skips?.[ability] !== undefined) {
      throw new Error(`skips.${ability} gives a reason, but the setup has ${ability}`);
    }
  }
}

function fullName({ clause, name }: CaseDefinition): string {
  return `${clause} ${name}`;
}
