/**
 * Records of the audit log, the newest first, and one of them whole.
 *
 * @module
 */
import type { AuditEntry } from "@env/kms";
import type { AuditFilter } from "@env/kms-server";
import { useEffect, useMemo, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { own } from "../../aws/calls.ts";
import type { Received } from "../../aws/wire.ts";
import { Code } from "../../parts/code.tsx";
import { Dialog } from "../../parts/dialog.tsx";
import { KeyLink, PrincipalName, shortName, State, Time } from "../../parts/format.tsx";
import { Refused } from "../../parts/loading.tsx";
import { Table, type TableColumn } from "../../parts/table.tsx";
import { simulatorAddress } from "../../access/act.tsx";
import { sessionState } from "../../session/session.ts";

export type Entry = Received<AuditEntry>;

/** Records of one request. */
const PAGE = 200;

export function AuditTable({ filter }: { readonly filter: AuditFilter }) {
  const [entries, setEntries] = useState<readonly Entry[]>([]);
  const [next, setNext] = useState<string>();
  const [state, setState] = useState<"loading" | "idle">("loading");
  const [error, setError] = useState<unknown>();
  const [shown, setShown] = useState<Entry>();
  const columns = useMemo(() => columnsWith(setShown), []);
  const isActive = sessionState.value === "active";
  const load = async (marker: string | undefined, isCurrent: () => boolean): Promise<void> => {
    setState("loading");
    try {
      const { Entries, NextMarker } = await own("QueryAudit", {
        ...filter,
        First: "newest",
        Limit: PAGE,
        ...(marker === undefined ? {} : { Marker: marker }),
      });
      if (!isCurrent()) return;
      setEntries((before) => (marker === undefined ? Entries : [...before, ...Entries]));
      setNext(NextMarker);
      setError(undefined);
    } catch (reason) {
      if (isCurrent()) setError(reason);
    } finally {
      if (isCurrent()) setState("idle");
    }
  };
  useEffect(() => {
    let current = true;
    if (isActive) void load(undefined, () => current);
    return () => {
      current = false;
    };
  }, [JSON.stringify(filter), isActive]);
  if (error !== undefined && entries.length === 0) return <Refused error={error} />;
  return (
    <>
      <Table
        name="records"
        rows={entries}
        columns={columns}
        keyOf={({ sequence }) => String(sequence)}
        loading={state === "loading"}
        empty="No records match."
        tools={
          next !== undefined && (
            <button
              type="button"
              class="small"
              disabled={state === "loading"}
              onClick={() => void load(next, () => true)}
            >
              Load older records
            </button>
          )
        }
      />
      {shown !== undefined && <Whole entry={shown} onClose={() => setShown(undefined)} />}
    </>
  );
}

/** One record with everything that is in it. */
function Whole({
  entry: { sequence, record },
  onClose,
}: {
  readonly entry: Entry;
  readonly onClose: () => void;
}) {
  const { decisions } = record.additionalEventData;
  const denied = decisions.find(({ allowed }) => !allowed);
  const principal = record.userIdentity.arn;
  return (
    <Dialog title={`Record ${sequence}: ${record.eventName}`} wide onClose={onClose}>
      {record.errorMessage !== undefined && <p class="notice refused">{record.errorMessage}</p>}
      <ul>
        {decisions.map(({ action, allowed, because, deciding }, index) => (
          <li key={index}>
            {action}: {allowed ? "allowed" : "denied"} by <bdi>{deciding ?? because}</bdi>
          </li>
        ))}
      </ul>
      {denied !== undefined && principal !== undefined && (
        <p>
          <Link
            href={simulatorAddress({
              action: denied.action,
              key: denied.resource ?? record.resources[0]?.ARN,
              principal,
            })}
          >
            Explain this decision
          </Link>
        </p>
      )}
      <Code text={JSON.stringify(record, undefined, 2)} label="record" />
    </Dialog>
  );
}

/** @param onOpen - Shows a record whole. */
function columnsWith(onOpen: (entry: Entry) => void): readonly TableColumn<Entry>[] {
  return [
    {
      id: "time",
      title: "Time",
      heading: true,
      text: ({ record }) => record.eventTime,
      cell: ({ record }) => <Time date={new Date(record.eventTime)} exact />,
    },
    {
      id: "operation",
      title: "Operation",
      text: ({ record }) => record.eventName,
      cell: (entry) => (
        <button type="button" class="link" onClick={() => onOpen(entry)}>
          {entry.record.eventName}
        </button>
      ),
    },
    {
      id: "principal",
      title: "By",
      text: ({ record: { userIdentity } }) =>
        shortName(userIdentity.arn ?? userIdentity.invokedBy ?? ""),
      cell: ({ record: { userIdentity } }) => (
        <PrincipalName arn={userIdentity.arn ?? userIdentity.invokedBy ?? ""} />
      ),
    },
    {
      id: "key",
      title: "Key",
      text: ({ record }) => record.resources.map(({ ARN }) => shortResource(ARN)).join(" "),
      cell: ({ record }) =>
        record.resources.map(({ ARN, type }) =>
          type === "AWS::KMS::Key" ? (
            <KeyLink key={ARN} id={ARN} name={shortResource(ARN)} />
          ) : (
            <bdi key={ARN}>{shortResource(ARN)} </bdi>
          ),
        ),
    },
    {
      id: "outcome",
      title: "Outcome",
      text: ({ record }) => record.errorCode ?? "succeeded",
      cell: ({ record: { errorCode } }) =>
        errorCode === undefined ? (
          <State state="Succeeded" />
        ) : (
          <span>
            <State state="Refused" /> <small>{errorCode}</small>
          </span>
        ),
    },
    {
      id: "source",
      title: "From",
      text: ({ record }) => record.sourceIPAddress ?? "",
      optional: true,
    },
    { id: "agent", title: "Client", text: ({ record }) => record.userAgent ?? "", optional: true },
  ];
}

/** What follows the account in an ARN of KMS: the id of a key, the name of an alias. */
function shortResource(arn: string): string {
  return arn.replace(/^.*:(?:key\/)?/, "");
}
