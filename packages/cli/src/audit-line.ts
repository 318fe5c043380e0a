/**
 * One record of the audit log, as a line.
 *
 * @module
 */
import type { AuditEntry } from "@env/kms";
import { shortKey, shortPrincipal, type Realm } from "./arn.ts";
import { printableLine } from "./text.ts";

const WIDTHS = [24, 5, 15, 12, 40, 0] as const;

/** When, number, operation, who, on what, and what came of it and why. */
export function drawEntry({ sequence, record }: AuditEntry, realm: Realm): string {
  const { eventTime, eventName, userIdentity, resources, errorCode, additionalEventData } = record;
  const { decisions, dryRun } = additionalEventData;
  const who = userIdentity.arn ?? userIdentity.invokedBy ?? "-";
  const on = resources.map(({ ARN }) => shortKey(ARN, realm));
  // The one that refused, or else the one that the call is about.
  const decision = decisions.find(({ allowed }) => !allowed) ?? decisions[0];
  const why = decision && `${decision.because}${decision.deciding ? `: ${decision.deciding}` : ""}`;
  const cells = [
    eventTime,
    String(sequence),
    eventName,
    shortPrincipal(who, realm),
    on.join(",") || "-",
    [errorCode ?? "ok", dryRun === true ? "dry run" : undefined, why].filter(Boolean).join("  "),
  ];
  return cells
    .map((cell, i) => printableLine(cell).padEnd(WIDTHS[i] ?? 0))
    .join("  ")
    .trimEnd();
}

/** CloudTrail's members, with the number in front. */
export function toJson({ sequence, record }: AuditEntry): object {
  return { sequence, ...record };
}
