/**
 * The events of an `Envelope` as metrics in Prometheus' text format. An event holds names, sizes,
 * durations and codes, never a secret, so all of it may be exported.
 *
 * @module
 */
import { memoryCmk } from "@env/core/testing";
import { Envelope, type EnvelopeEvent } from "@env/core";

const counters = new Map<string, number>();

function count(name: string, labels: Readonly<Record<string, string>>, by = 1): void {
  const pairs = Object.entries(labels).map(([label, value]) => `${label}=${JSON.stringify(value)}`);
  const series = `${name}{${pairs.join(",")}}`;
  counters.set(series, (counters.get(series) ?? 0) + by);
}

/** Called on the hot path: it only adds numbers. */
function observer(event: EnvelopeEvent): void {
  if (event.type === "kms-call") {
    const { provider, operation, outcome } = event;
    count("envelope_kms_calls_total", { provider, operation, outcome });
  } else if (event.type === "cache") {
    count("envelope_cache_total", { side: event.side, outcome: event.outcome });
  } else {
    count("envelope_messages_total", { operation: event.type, outcome: event.outcome });
    count("envelope_plaintext_bytes_total", { operation: event.type }, event.bytes);
  }
}

await using envelope = new Envelope({
  cmks: [memoryCmk()],
  dataKeyCache: { maxAge: 60_000, maxMessages: 1000, maxBytes: 2 ** 30 },
  observer,
});
const context = { tenant: "acme" };
for (let n = 0; n < 10; n++) {
  const message = await envelope.encryptText(`order ${n}`, { context });
  await envelope.decryptText(message, { context });
  if (n === 0)
    await envelope.decryptText(message, { context: { tenant: "evil" } }).catch(() => undefined);
}

// What a handler of `GET /metrics` answers.
const lines = [...counters].map(([series, value]) => `${series} ${value}`);
console.log(lines.toSorted().join("\n"));
