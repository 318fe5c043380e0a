/**
 * What the calls of a month would cost at AWS, by principal and by key.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { own } from "../../aws/calls.ts";
import { Select } from "../../parts/field.tsx";
import { KeyLink, PrincipalName, shortName } from "../../parts/format.tsx";
import { Show, useLoaded } from "../../parts/loading.tsx";
import { Page } from "../../parts/page.tsx";
import { Table, type TableColumn } from "../../parts/table.tsx";
import { kmsCall } from "../../show-as/call.ts";
import { useSummaries, type Summary } from "../keys/summaries.ts";
import { freeCalls, keyPrice, priceOf, toDollars } from "./prices.ts";

interface CostRow {
  readonly name: string;
  readonly calls: number;
  readonly price: number;
}

const DAY = 86_400_000;

export function CostPage() {
  const [by, setBy] = useState<"principal" | "resource">("principal");
  const { keys } = useSummaries();
  const specs = new Map(keys.map(({ KeyArn, Metadata }) => [KeyArn, Metadata?.KeySpec]));
  const loaded = useLoaded("cost", async () => {
    const { Groups } = await own("CountAudit", {
      From: new Date(Date.now() - 30 * DAY),
      GroupBy: ["principal", "resource", "operation"],
    });
    return Groups;
  });
  const kept = keys.filter(isPaid).length;
  return (
    <Page
      title="Cost"
      subtitle="What the last 30 days would have cost at AWS KMS. Here they cost nothing."
      calls={[kmsCall("ListKeys", {}, { envelope: "audit query --since 720h --json" })]}
    >
      <Show of={loaded}>
        {(groups) => {
          const rows = rowsOf(groups, by, specs);
          const calls = rows.reduce((sum, row) => sum + row.calls, 0);
          const price = rows.reduce((sum, row) => sum + row.price, 0);
          return (
            <div class="stack">
              <dl class="meters">
                <Meter name="In all" value={toDollars(price + kept * keyPrice)} />
                <Meter name={`${kept} keys`} value={toDollars(kept * keyPrice)} />
                <Meter name={`${calls.toLocaleString("en")} calls`} value={toDollars(price)} />
              </dl>
              <Table
                key={by}
                name={`cost by ${by}`}
                rows={rows}
                columns={by === "principal" ? principalColumns : keyColumns(keys)}
                keyOf={({ name }) => name}
                empty="There were no calls."
                tools={
                  <Select
                    label="By"
                    value={by}
                    onChange={(value) => setBy(value === "resource" ? "resource" : "principal")}
                    options={[
                      ["principal", "principal"],
                      ["resource", "key"],
                    ]}
                  />
                }
              />
              <p class="notice">
                List prices of us-east-1: {toDollars(keyPrice)} a month for each key that you
                manage, $0.03 per 10,000 calls, more for asymmetric keys. Data key pairs are counted
                at the price for elliptic curves, $0.10 per 10,000: pairs of RSA keys cost $12 per
                10,000, but the counts of the log do not say which they were. The free{" "}
                {freeCalls.toLocaleString("en")} calls of an account are not taken off, and neither
                are further versions of rotated keys added.
              </p>
            </div>
          );
        }}
      </Show>
    </Page>
  );
}

function Meter({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function isPaid({ Metadata }: Summary): boolean {
  return Metadata?.KeyManager === "CUSTOMER" && Metadata.KeyState !== "PendingDeletion";
}

function rowsOf(
  groups: readonly { readonly Values: readonly string[]; readonly Count: number }[],
  by: "principal" | "resource",
  specs: ReadonlyMap<string, string | undefined>,
): readonly CostRow[] {
  const rows = new Map<string, CostRow>();
  for (const {
    Values: [principal = "", resource = "", operation = ""],
    Count,
  } of groups) {
    const price = priceOf(operation, specs.get(resource));
    if (price === undefined) continue;
    const name = by === "principal" ? principal : resource;
    const known = rows.get(name) ?? { name, calls: 0, price: 0 };
    rows.set(name, { name, calls: known.calls + Count, price: known.price + price * Count });
  }
  return [...rows.values()].toSorted((a, b) => b.price - a.price);
}

const numbers: readonly TableColumn<CostRow>[] = [
  {
    id: "calls",
    title: "Calls",
    text: ({ calls }) => calls.toLocaleString("en"),
    order: ({ calls }) => calls,
  },
  {
    id: "price",
    title: "At AWS",
    text: ({ price }) => toDollars(price),
    order: ({ price }) => price,
  },
];

const principalColumns: readonly TableColumn<CostRow>[] = [
  {
    id: "name",
    title: "Principal",
    heading: true,
    text: ({ name }) => shortName(name),
    cell: ({ name }) => <PrincipalName arn={name} />,
  },
  ...numbers,
];

function keyColumns(keys: readonly Summary[]): readonly TableColumn<CostRow>[] {
  const aliases = new Map(keys.map(({ KeyArn, Aliases }) => [KeyArn, Aliases?.[0]]));
  const nameOf = ({ name }: CostRow): string =>
    aliases.get(name) ?? (name === "" ? "no key" : name);
  return [
    {
      id: "name",
      title: "Key",
      heading: true,
      text: nameOf,
      cell: (row) => (row.name === "" ? "no key" : <KeyLink id={row.name} name={nameOf(row)} />),
    },
    ...numbers,
  ];
}
