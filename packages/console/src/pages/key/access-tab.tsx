/**
 * Effective access: every principal, what it may do with a key, and through which statement or grant.
 *
 * @module
 */
import { actionRows } from "@env/kms/catalogue";
import { Link } from "wouter-preact";
import { simulatorAddress } from "../../access/act.tsx";
import { all, own } from "../../aws/calls.ts";
import { count, PrincipalName, shortName } from "../../parts/format.tsx";
import { Show, useLoaded } from "../../parts/loading.tsx";
import { Table, type TableColumn } from "../../parts/table.tsx";
import type { TabProps } from "./key.ts";

interface AccessRow {
  readonly principal: string;
  /** Names of actions, without `kms:`. */
  readonly actions: readonly string[];
  readonly through: string;
  readonly conditional: boolean;
  readonly key: string;
}

export function AccessTab({ metadata }: TabProps) {
  const { Arn: KeyId } = metadata;
  const loaded = useLoaded(KeyId, async () => {
    const principals = await all(async (Marker) => {
      const page = await own("EffectiveAccess", {
        KeyId,
        ...(Marker === undefined ? {} : { Marker }),
      });
      return { items: page.Principals, next: page.NextMarker };
    });
    return principals.flatMap(({ Principal, Allowed }) => rowsOf(Principal, Allowed, KeyId));
  });
  return (
    <Show of={loaded}>
      {(rows) => (
        <Table
          name="access"
          rows={rows}
          columns={columns}
          keyOf={({ principal, through, conditional }) =>
            `${principal} ${through} ${String(conditional)}`
          }
          empty="Nobody may use this key."
          tools={
            <Link class="button small" href={`/who-can?key=${encodeURIComponent(KeyId)}`}>
              Ask about somebody
            </Link>
          }
        />
      )}
    </Show>
  );
}

/** One row for each way to a principal's permissions. */
function rowsOf(
  principal: string,
  allowed: readonly { Action: string; Through: string; Conditional?: true }[],
  key: string,
): AccessRow[] {
  const ways = Map.groupBy(
    allowed,
    ({ Through, Conditional }) => `${String(Conditional)} ${Through}`,
  );
  return [...ways.values()].map((found) => ({
    principal,
    actions: found.map(({ Action }) => Action.replace(/^kms:/, "")),
    through: found[0]?.Through ?? "",
    conditional: found[0]?.Conditional === true,
    key,
  }));
}

/** The uses first; all that only manages the key is one press away. */
function Actions({ actions }: { readonly actions: readonly string[] }) {
  const [uses, others] = [actions.filter(isUse), actions.filter((action) => !isUse(action))];
  return (
    <div>
      <Names names={uses} />
      {others.length > 0 && (
        <details>
          <summary>{count(others.length, "action")} to see and manage it</summary>
          <Names names={others} />
        </details>
      )}
    </div>
  );
}

function Names({ names }: { readonly names: readonly string[] }) {
  return (
    <>
      {names.map((name) => (
        <span class="tag" key={name}>
          {name}
        </span>
      ))}
    </>
  );
}

/** Whether an action uses the key for cryptography. */
function isUse(action: string): boolean {
  const row = actionRows.get(action);
  return row !== undefined && "usage" in row;
}

const columns: readonly TableColumn<AccessRow>[] = [
  {
    id: "principal",
    title: "Principal",
    heading: true,
    text: ({ principal }) => shortName(principal),
    cell: ({ principal, actions, key }) => (
      <Link href={simulatorAddress({ principal, key, action: `kms:${actions[0] ?? "Decrypt"}` })}>
        <PrincipalName arn={principal} />
      </Link>
    ),
  },
  {
    id: "actions",
    title: "May",
    text: ({ actions }) => actions.join(" "),
    cell: ({ actions }) => <Actions actions={actions} />,
  },
  {
    id: "through",
    title: "Through",
    text: ({ through, conditional }) => `${through}${conditional ? " (under conditions)" : ""}`,
  },
];
