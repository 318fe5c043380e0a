/**
 * Counts for Prometheus.
 *
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/
 *
 * @module
 */

/** Upper ends of the histogram's buckets, in seconds. */
const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5] as const;

/** A value at the time of asking. */
export interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly value: number;
}

export class Metrics {
  /** Counts by operation and outcome. Both are names of AWS, so there are few. */
  readonly #calls = new Map<string, number>();
  /** Calls in each bucket; the last one has no upper end. */
  readonly #buckets: number[] = Array.from({ length: BOUNDS.length + 1 }, () => 0);
  #seconds = 0;
  #count = 0;

  /** @param outcome - `Success`, or the name of an error. */
  add(operation: string, outcome: string, seconds: number): void {
    const labels = `operation="${operation}",outcome="${outcome}"`;
    this.#calls.set(labels, (this.#calls.get(labels) ?? 0) + 1);
    const bucket = BOUNDS.findIndex((bound) => seconds <= bound);
    const at = bucket === -1 ? BOUNDS.length : bucket;
    this.#buckets[at] = (this.#buckets[at] ?? 0) + 1;
    this.#seconds += seconds;
    this.#count++;
  }

  /** The text that Prometheus reads. */
  expose(gauges: readonly Gauge[]): string {
    const calls = [...this.#calls].map(
      ([labels, count]) => `envelope_kms_calls_total{${labels}} ${count}`,
    );
    let below = 0;
    const buckets = [...BOUNDS, "+Inf"].map((bound, i) => {
      below += this.#buckets[i] ?? 0;
      return `envelope_kms_call_duration_seconds_bucket{le="${bound}"} ${below}`;
    });
    return [
      "# HELP envelope_kms_calls_total Calls by operation and outcome.",
      "# TYPE envelope_kms_calls_total counter",
      ...calls,
      "# HELP envelope_kms_call_duration_seconds Time from the head of a request to its answer.",
      "# TYPE envelope_kms_call_duration_seconds histogram",
      ...buckets,
      `envelope_kms_call_duration_seconds_sum ${this.#seconds}`,
      `envelope_kms_call_duration_seconds_count ${this.#count}`,
      ...gauges.flatMap(({ name, help, value }) => [
        `# HELP ${name} ${help}`,
        `# TYPE ${name} gauge`,
        `${name} ${value}`,
      ]),
      "",
    ].join("\n");
  }
}
