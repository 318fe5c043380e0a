/**
 * What the rules of the linter report.
 *
 * @module
 */
import type { JsonNode } from "./json.ts";

/**
 * `error`: the policy is refused, or can never do what it says. `warning`: it does something that most
 * people do not expect. `note`: good to know.
 */
export type Severity = "error" | "warning" | "note";

/** Reports what a rule found. */
export type Find<Rule extends string> = (
  code: Rule,
  severity: Severity,
  node: JsonNode,
  message: string,
) => void;
