/**
 * What a server answers to GET and HEAD: whether it works, and how much.
 *
 * @module
 */
import { isLoopback } from "@env/core/driver";
import type { Keystore } from "@env/kms";
import type { Answer } from "./aws-json.ts";
import type { Gauge, Metrics } from "./metrics.ts";
import type { RotationAge } from "./rotation-age.ts";
import type { Settings } from "./options.ts";

export interface PagesOptions {
  readonly keystore: Keystore;
  readonly metrics: Metrics;
  readonly rotationAge: RotationAge;
  readonly settings: Pick<Settings, "localstack" | "metrics">;
  /** Whether the server takes no more requests. */
  readonly isClosing: () => boolean;
}

/** Answers a GET or HEAD; `undefined`: there is nothing at that path for this reader. */
export async function pageAt(
  path: string,
  reader: string | undefined,
  { keystore, metrics, rotationAge, settings, isClosing }: PagesOptions,
): Promise<Answer | undefined> {
  switch (path) {
    case "/healthz":
      return text("ok\n");
    case "/readyz":
      return !isClosing() && (await canRead(keystore)) ? text("ok\n") : text("not ready\n", 503);
    case "/metrics": {
      if (settings.metrics !== "everybody" && !isLocal(reader)) return undefined;
      return text(metrics.expose([backlogOf(keystore), ...(await rotationAge.gauges())]));
    }
    case "/_localstack/health":
      return settings.localstack === true
        ? { status: 200, contentType: "application/json", body: LOCALSTACK }
        : undefined;
    default:
      return undefined;
  }
}

const LOCALSTACK = JSON.stringify({
  services: { iam: "available", kms: "available", sts: "available" },
});

function text(body: string, status = 200): Answer {
  return { status, contentType: "text/plain; charset=utf-8", body };
}

function isLocal(address = ""): boolean {
  return isLoopback(address.replace(/^::ffff:/, ""));
}

async function canRead(keystore: Keystore): Promise<boolean> {
  try {
    await keystore.requireReady();
    return true;
  } catch {
    return false;
  }
}

function backlogOf({ audit }: Keystore): Gauge {
  return {
    name: "envelope_kms_audit_backlog",
    help: "Records of the audit log that are not on disk yet.",
    value: audit.backlog,
  };
}
