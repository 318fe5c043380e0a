/**
 * One record of the audit log, as a line.
 *
 * @module
 */
import type { AuditEntry } from "@env/kms";
import { shortKey, shortPrincipal, type Realm } from "./arn.ts";
import { printableLine, widthOf, wrapLine } from "./text.ts";

const WIDTHS = [24, 5, 15, 12, 40, 0] as const;
/** The first cell of the second line, in a terminal that has no room for the whole. */
const BELOW = 4;

/**
 * When, number, operation, who, on what, and how it ended and why.
 *
 * @param columns - The width of the terminal; `undefined` for one line, however long.
 */
export function drawEntry(
  { sequence, record }: AuditEntry,
  realm: Realm,
  columns?: number,
): string {
  const { eventTime, eventName, userIdentity, resources, errorCode, additionalEventData } = record;
  const { decisions, dryRun } = additionalEventData;
  const who = userIdentity.arn ?? userIdentity.invokedBy ?? "-";
  const on = resources.map(({ ARN }) => shortKey(ARN, realm));
  // The decision that refused, or else the one that the call is about.
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
  const padded = cells.map((cell, i) => printableLine(cell).padEnd(WIDTHS[i] ?? 0));
  const line = padded.join("  ").trimEnd();
  if (columns === undefined || widthOf(line) <= columns) return line;
  const below = cells.slice(BELOW).map(printableLine);
  return [padded.slice(0, BELOW).join("  ").trimEnd(), `    ${below.join("  ")}`]
    .map((part) => wrapLine(part, columns, 4))
    .join("\n");
}

/** The record with CloudTrail's members, preceded by its number. */
export function toJson({ sequence, record }: AuditEntry): object {
  return { sequence, ...record };
}
