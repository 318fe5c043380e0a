/**
 * Users, roles, groups and managed policies.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { textOf } from "../../aws/xml.ts";
import { day } from "../../parts/format.tsx";
import { Show, useLoaded } from "../../parts/loading.tsx";
import { Page, Tabs, useParameter } from "../../parts/page.tsx";
import { Table, type TableColumn } from "../../parts/table.tsx";
import { listIam, type IamRecord } from "../../policy/principals.ts";
import { iamCall } from "../../show-as/call.ts";
import { CreatePrincipal } from "./create-principal.tsx";
import { kinds, type Kind } from "./kinds.ts";

const titles: Readonly<Record<Kind, string>> = {
  user: "Users",
  role: "Roles",
  group: "Groups",
  policy: "Managed policies",
};

function isKind(name: string): name is Kind {
  return Object.hasOwn(kinds, name);
}

export function PrincipalsPage() {
  const wanted = useParameter("tab") ?? "";
  const kind = isKind(wanted) ? wanted : "user";
  const [creating, setCreating] = useState(false);
  const [, go] = useLocation();
  const { list, plural, word } = kinds[kind];
  const loaded = useLoaded(kind, () =>
    listIam(list, plural, kind === "policy" ? { Scope: "Local" } : {}),
  );
  return (
    <Page
      title="Principals"
      subtitle="Temporary sessions of roles have no record of their own: the audit log shows them."
      actions={
        <button type="button" class="primary" onClick={() => setCreating(true)}>
          Create {word}
        </button>
      }
      calls={[
        iamCall(list, {}, { envelope: kind === "user" ? "access-keys list" : "kms export-config" }),
      ]}
    >
      <Tabs tabs={Object.entries(titles)} current={kind} />
      <Show of={loaded}>
        {(records) => (
          <Table
            key={kind}
            name={titles[kind].toLowerCase()}
            rows={records}
            columns={columnsFor(kind)}
            keyOf={({ Arn }) => textOf(Arn)}
            empty="There are none."
          />
        )}
      </Show>
      {creating && (
        <CreatePrincipal
          kind={kind}
          onClose={() => setCreating(false)}
          onCreated={(arn) => {
            setCreating(false);
            go(`/principals/${arn}`);
          }}
        />
      )}
    </Page>
  );
}

function columnsFor(kind: Kind): readonly TableColumn<IamRecord>[] {
  const { name } = kinds[kind];
  return [
    {
      id: "name",
      title: "Name",
      heading: true,
      text: (record) => textOf(record[name]),
      cell: (record) => (
        <Link href={`/principals/${textOf(record["Arn"])}`}>
          <bdi>{textOf(record[name])}</bdi>
        </Link>
      ),
    },
    { id: "arn", title: "ARN", text: ({ Arn }) => textOf(Arn) },
    {
      id: "created",
      title: "Created",
      text: (record) => day(created(record)),
      order: (record) => created(record).getTime(),
    },
    ...(kind === "policy"
      ? [
          {
            id: "used",
            title: "Attached to",
            text: (record: IamRecord) => textOf(record["AttachmentCount"]),
          },
        ]
      : []),
    ...(kind === "role"
      ? [
          {
            id: "description",
            title: "Description",
            text: (record: IamRecord) => textOf(record["Description"]),
          },
        ]
      : []),
  ];
}

function created({ CreateDate }: IamRecord): Date {
  return new Date(textOf(CreateDate));
}
