/**
 * The list of keys, and what is done with many of them at once.
 *
 * @module
 */
import { useMemo, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { Refused } from "../../parts/loading.tsx";
import { Page, useParameter } from "../../parts/page.tsx";
import { Table } from "../../parts/table.tsx";
import { kmsCall } from "../../show-as/call.ts";
import { Bulk } from "./bulk.tsx";
import { columnsWith } from "./columns.tsx";
import { isUnused, useCalls, useSummaries, type Summary } from "./summaries.ts";

const views = {
  customer: ["Customer managed", ({ Metadata }: Summary) => Metadata?.KeyManager !== "AWS"],
  unused: [
    "Unused for 90 days",
    (row: Summary) => row.Metadata?.KeyManager !== "AWS" && isUnused(row, 90),
  ],
  deletion: [
    "Pending deletion",
    ({ Metadata }: Summary) =>
      Metadata?.KeyState.startsWith("Pending") === true && Metadata.KeyState.endsWith("Deletion"),
  ],
  aws: ["AWS managed", ({ Metadata }: Summary) => Metadata?.KeyManager === "AWS"],
} as const;

function isView(name: string): name is keyof typeof views {
  return Object.hasOwn(views, name);
}

export function KeysPage() {
  const { keys, loading, error } = useSummaries();
  const calls = useCalls();
  const columns = useMemo(() => columnsWith(calls), [calls]);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const wanted = useParameter("view") ?? "";
  const view = isView(wanted) ? wanted : "customer";
  const shown = useMemo(() => keys.filter(views[view][1]), [keys, view]);
  const chosen = useMemo(
    () => shown.filter(({ KeyArn }) => selected.has(KeyArn)),
    [shown, selected],
  );

  return (
    <Page
      title="Keys"
      actions={
        <Link class="button primary" href="/create-key">
          Create key
        </Link>
      }
      calls={[
        view === "unused"
          ? kmsCall("GetKeyLastUsage", { KeyId: "alias/app" })
          : kmsCall("ListKeys", {}),
        kmsCall("ListAliases", {}),
      ]}
    >
      <nav class="tabs" aria-label="Which keys">
        {Object.entries(views).map(([id, [title, filter]]) => (
          <Link
            key={id}
            href={id === "customer" ? "/keys" : `/keys?view=${id}`}
            aria-current={id === view ? "page" : undefined}
          >
            {title} <small>{keys.filter(filter).length}</small>
          </Link>
        ))}
      </nav>
      {error !== undefined && <Refused error={error} />}
      {error === undefined && (
        <Table
          key={view}
          name="keys"
          rows={shown}
          columns={columns}
          keyOf={({ KeyArn }) => KeyArn}
          loading={loading}
          selected={new Set(chosen.map(({ KeyArn }) => KeyArn))}
          onSelect={setSelected}
          tools={chosen.length > 0 && <Bulk keys={chosen} onDone={() => setSelected(new Set())} />}
          empty={
            view === "customer" ? (
              <>
                <p>There are no keys yet.</p>
                <Link href="/create-key">Create the first one</Link>
              </>
            ) : (
              "There are none."
            )
          }
        />
      )}
    </Page>
  );
}
