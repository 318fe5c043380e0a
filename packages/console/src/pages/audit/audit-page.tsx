/**
 * The audit log: how much happened, what, and whether it is all there.
 *
 * @module
 */
import { operationRows } from "@env/kms/catalogue";
import type { AuditFilter } from "@env/kms-server";
import { useState } from "preact/hooks";
import { act } from "../../access/act.tsx";
import { all, own } from "../../aws/calls.ts";
import { Form } from "../../parts/dialog.tsx";
import { Field, Select } from "../../parts/field.tsx";
import { Page, useParameter } from "../../parts/page.tsx";
import { usePrincipals } from "../../policy/principals.ts";
import { kmsCall } from "../../show-as/call.ts";
import { quoted } from "../../show-as/shell.ts";
import { AuditTable } from "./audit-table.tsx";
import { DayChart } from "./day-chart.tsx";
import { interests, isInterest, type Interest } from "./interest.ts";
import { save } from "./save.ts";
import { Verify } from "./verify.tsx";

interface Wanted {
  readonly from: string;
  readonly to: string;
  readonly principal: string;
  readonly resource: string;
  readonly operation: string;
  readonly outcome: string;
  readonly interest: Interest;
}

const DAY = 86_400_000;
const isoDay = (time: number): string => new Date(time).toISOString().slice(0, 10);

export function AuditPage() {
  const key = useParameter("key") ?? "";
  const [wanted, setWanted] = useState<Wanted>(() => ({
    from: isoDay(Date.now() - 29 * DAY),
    to: "",
    principal: "",
    resource: key,
    operation: "",
    outcome: "",
    interest: key === "" ? "uses and changes" : "everything",
  }));
  const principals = usePrincipals();
  const filter = filterOf(wanted);
  const set = (part: Partial<Wanted>): void => setWanted({ ...wanted, ...part });
  return (
    <Page
      title="Audit"
      actions={
        <>
          <Verify />
          <button
            type="button"
            onClick={() => void act("The records are exported.", () => exportRecords(filter))}
          >
            Export
          </button>
        </>
      }
      calls={[
        kmsCall(
          "GetKeyLastUsage",
          { KeyId: wanted.resource || "alias/app" },
          { envelope: commandOf(wanted) },
        ),
      ]}
    >
      <div class="stack">
        <DayChart
          filter={filter}
          onDay={(day) => set({ from: day, to: isoDay(Date.parse(day) + DAY) })}
        />
        <Form class="filters" onSubmit={() => undefined}>
          <Select
            label="Show"
            value={wanted.interest}
            onChange={(interest) => isInterest(interest) && set({ interest })}
            options={Object.keys(interests)}
          />
          <Field label="From" type="date" value={wanted.from} onChange={(from) => set({ from })} />
          <Field label="Before" type="date" value={wanted.to} onChange={(to) => set({ to })} />
          <Field
            label="By"
            value={wanted.principal}
            onChange={(principal) => set({ principal })}
            suggestions={principals}
            placeholder="anybody"
          />
          <Field
            label="Key"
            value={wanted.resource}
            onChange={(resource) => set({ resource })}
            placeholder="ARN of any"
          />
          <Field
            label="Operation"
            value={wanted.operation}
            onChange={(operation) => set({ operation })}
            suggestions={Object.keys(operationRows)}
            placeholder="any"
          />
          <Select
            label="Outcome"
            value={wanted.outcome}
            onChange={(outcome) => set({ outcome })}
            options={[["", "any"], "succeeded", "refused"]}
          />
        </Form>
        <AuditTable filter={filter} />
      </div>
    </Page>
  );
}

function filterOf({
  from,
  to,
  principal,
  resource,
  operation,
  outcome,
  interest,
}: Wanted): AuditFilter {
  const operations = operation === "" ? interests[interest] : [operation];
  return {
    ...(from === "" ? {} : { From: new Date(from) }),
    ...(to === "" ? {} : { To: new Date(to) }),
    ...(principal === "" ? {} : { Principal: principal }),
    ...(resource === "" ? {} : { Resource: resource }),
    ...(operations === undefined ? {} : { Operations: operations }),
    ...(outcome === "succeeded" || outcome === "refused" ? { Outcome: outcome } : {}),
  };
}

function commandOf({ from, to, principal, resource, operation, outcome }: Wanted): string {
  const options = [
    from && `--since ${from}`,
    to && `--until ${to}`,
    principal && `--principal ${quoted(principal)}`,
    resource && `--key ${quoted(resource)}`,
    operation && `--operation ${quoted(operation)}`,
    outcome && `--outcome ${outcome}`,
  ].filter((each) => each !== "");
  return ["audit query", ...options].join(" ");
}

/** All records that match, one a line: what `jq` and every log system read. */
async function exportRecords(filter: AuditFilter): Promise<void> {
  const entries = await all(async (Marker) => {
    const page = await own("QueryAudit", {
      ...filter,
      First: "oldest",
      Limit: 1000,
      ...(Marker === undefined ? {} : { Marker }),
    });
    return { items: page.Entries, next: page.NextMarker };
  });
  const lines = entries.map(
    ({ sequence, record }) => `${JSON.stringify({ sequence, ...record })}\n`,
  );
  save("audit.jsonl", lines.join(""), "application/x-ndjson");
}
