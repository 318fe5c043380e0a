/**
 * Who used and changed a key.
 *
 * @module
 */
import { Link } from "wouter-preact";
import { AuditTable } from "../audit/audit-table.tsx";
import { interests } from "../audit/interest.ts";
import type { TabProps } from "./key.ts";

export function AuditTab({ metadata: { Arn: Resource } }: TabProps) {
  return (
    <div class="stack">
      <p class="subtitle">
        Uses and changes.{" "}
        <Link href={`/audit?key=${encodeURIComponent(Resource)}`}>All records, with a chart</Link>
      </p>
      <AuditTable filter={{ Resource, Operations: interests["uses and changes"] }} />
    </div>
  );
}
