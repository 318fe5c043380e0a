/**
 * What code costs, counted and not timed: the same input takes the same steps on every machine.
 *
 * Source: https://v8.dev/blog/javascript-code-coverage
 *
 * @module
 */
import { Session, type Profiler } from "node:inspector";
import { setFlagsFromString } from "node:v8";

/**
 * How often functions, branches and loops of the packages' sources run while `fn` does. What the engine does by itself,
 * such as matching a regular expression, is one step.
 */
export function stepsOf(fn: () => unknown): number {
  const session = new Session();
  session.connect();
  // Optimised code does not count every call.
  for (const flag of OPTIMISERS) setFlagsFromString(`--no-${flag}`);
  try {
    session.post("Profiler.enable");
    session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
    fn();
    let steps = 0;
    // An inspector of its own process answers before `post` returns.
    session.post("Profiler.takePreciseCoverage", (error, { result }) => {
      if (error !== null) throw error;
      for (const count of result.filter(isSource).flatMap(countsOf)) steps += count;
    });
    return steps;
  } finally {
    for (const flag of OPTIMISERS) setFlagsFromString(`--${flag}`);
    session.disconnect();
  }
}

const OPTIMISERS = ["opt", "maglev"];

function isSource({ url }: Profiler.ScriptCoverage): boolean {
  return /\/packages\/[^/]+\/src\//.test(url);
}

function countsOf({ functions }: Profiler.ScriptCoverage): number[] {
  return functions.flatMap(({ ranges }) => ranges.map(({ count }) => count));
}
