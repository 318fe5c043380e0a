/**
 * One user, role, group or managed policy.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { act } from "../../access/act.tsx";
import { iam } from "../../aws/calls.ts";
import { isList, listOf, textOf } from "../../aws/xml.ts";
import { Copy } from "../../parts/code.tsx";
import { Dialog } from "../../parts/dialog.tsx";
import { Facts, Time } from "../../parts/format.tsx";
import { Show, useLoaded } from "../../parts/loading.tsx";
import { Page } from "../../parts/page.tsx";
import type { IamRecord } from "../../policy/principals.ts";
import { iamCall } from "../../show-as/call.ts";
import { AccessKeys } from "./access-keys.tsx";
import { Boundary, Membership } from "./membership.tsx";
import { kinds, parseArn, type Kind } from "./kinds.ts";
import { InlinePolicies } from "./inline-policies.tsx";
import { AttachedPolicies } from "./attached-policies.tsx";
import { DocumentOf } from "./document.tsx";

/** A record, and how IAM's actions name it. */
export interface PartProps {
  readonly kind: Kind;
  readonly name: string;
  readonly record: IamRecord;
}

export function PrincipalPage({ arn }: { readonly arn: string }) {
  const place = parseArn(arn);
  if (place === undefined) {
    return (
      <Page title={arn} calls={[iamCall("GetUser", {})]}>
        <p class="notice">This is not the ARN of a user, role, group or managed policy.</p>
      </Page>
    );
  }
  return <Known arn={arn} kind={place.kind} name={place.name} />;
}

function Known({
  arn,
  kind,
  name,
}: {
  readonly arn: string;
  readonly kind: Kind;
  readonly name: string;
}) {
  const { type, name: member, word } = kinds[kind];
  const named: Record<string, string> = kind === "policy" ? { PolicyArn: arn } : { [member]: name };
  const loaded = useLoaded(arn, async () => {
    const record = (await iam(`Get${type}`, named))[type];
    return typeof record === "object" && !isList(record) ? record : {};
  });
  return (
    <Page
      title={name}
      subtitle={
        <span class="identity">
          {word} <code>{arn}</code> <Copy text={arn} label="ARN" />
        </span>
      }
      actions={
        <>
          {kind !== "policy" && kind !== "group" && (
            <Link
              class="button"
              href={`/who-can?${new URLSearchParams({ principal: arn, action: "kms:Decrypt" }).toString()}`}
            >
              What may it do?
            </Link>
          )}
          <Delete type={type} word={word} named={named} />
        </>
      }
      calls={[
        iamCall(`Get${type}`, named, {
          terraform: `data "aws_iam_${word}" "this" {\n  ${kind === "policy" ? `arn = "${arn}"` : `name = "${name}"`}\n}`,
        }),
      ]}
    >
      <Show of={loaded}>{(record) => <Parts kind={kind} name={name} record={record} />}</Show>
    </Page>
  );
}

function Parts(props: PartProps) {
  const { kind, record } = props;
  const tags = listOf(record["Tags"]).map(({ Key, Value }) => `${textOf(Key)}=${textOf(Value)}`);
  return (
    <div class="stack">
      <section class="card" aria-label="General">
        <Facts
          facts={[
            ["Created", <Time date={new Date(textOf(record["CreateDate"]))} exact />],
            ["Id", <code>{textOf(record[`${kinds[kind].type}Id`])}</code>],
            ...(kind === "group" || tags.length === 0
              ? []
              : [["Tags", <bdi>{tags.join(", ")}</bdi>] as const]),
            ...(kind === "role"
              ? [["Longest session", `${textOf(record["MaxSessionDuration"])} s`] as const]
              : []),
          ]}
        />
      </section>
      {kind === "user" && <AccessKeys {...props} />}
      {kind === "user" && <Membership {...props} />}
      {kind === "role" && <DocumentOf {...props} />}
      {kind === "policy" ? (
        <DocumentOf {...props} />
      ) : (
        <>
          <InlinePolicies {...props} />
          <AttachedPolicies {...props} />
        </>
      )}
      {(kind === "user" || kind === "role") && <Boundary {...props} />}
    </div>
  );
}

function Delete({
  type,
  word,
  named,
}: {
  readonly type: string;
  readonly word: string;
  readonly named: Record<string, string>;
}) {
  const [open, setOpen] = useState(false);
  const [, go] = useLocation();
  return (
    <>
      <button type="button" class="danger" onClick={() => setOpen(true)}>
        Delete…
      </button>
      {open && (
        <Dialog title={`Delete this ${word}?`} onClose={() => setOpen(false)}>
          <p>Whatever still belongs to it has to be removed first: the server says what.</p>
          <button
            type="button"
            class="danger primary"
            onClick={async () => {
              setOpen(false);
              if (await act(`The ${word} is deleted.`, () => iam(`Delete${type}`, named))) {
                go(`/principals?tab=${word}`);
              }
            }}
          >
            Delete {word}
          </button>
        </Dialog>
      )}
    </>
  );
}
