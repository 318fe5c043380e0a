/**
 * All cases, with their names.
 *
 * @module
 */
import type { Case } from "./case.ts";
import { conditionKeys } from "./condition-keys.ts";
import { decisions } from "./decisions.ts";
import { documents } from "./documents.ts";
import { grants } from "./grants.ts";
import { multiRegion } from "./multi-region.ts";
import { operators } from "./operators.ts";
import { principals } from "./principals.ts";
import { sets } from "./sets.ts";
import { statements } from "./statements.ts";
import { variables } from "./variables.ts";

export const cases: readonly (readonly [name: string, Case])[] = [
  documents,
  statements,
  principals,
  variables,
  conditionKeys,
  operators,
  sets,
  grants,
  multiRegion,
  decisions,
].flatMap((group) => Object.entries(group));
