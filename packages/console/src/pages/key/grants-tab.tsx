/**
 * The grants of a key: who has them, what they allow, under which constraints.
 *
 * @module
 */
import type { GrantListEntry } from "@env/kms";
import { useMemo, useState } from "preact/hooks";
import { act, Act } from "../../access/act.tsx";
import { all, kms } from "../../aws/calls.ts";
import type { Received } from "../../aws/wire.ts";
import { Dialog } from "../../parts/dialog.tsx";
import { PrincipalName, shortName, Time } from "../../parts/format.tsx";
import { Show, useLoaded } from "../../parts/loading.tsx";
import { Table, type TableColumn } from "../../parts/table.tsx";
import { CreateGrant } from "./create-grant.tsx";
import type { TabProps } from "./key.ts";

type Grant = Received<GrantListEntry>;

export function GrantsTab({ metadata }: TabProps) {
  const { Arn: KeyId } = metadata;
  const [creating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<Grant>();
  const columns = useMemo(() => columnsWith(setRevoking), []);
  const loaded = useLoaded(KeyId, () =>
    all(async (Marker) => {
      const page = await kms("listGrants", { KeyId, Limit: 100, Marker });
      return { items: page.Grants, next: page.NextMarker };
    }),
  );
  return (
    <Show of={loaded}>
      {(grants) => (
        <>
          <Table
            name="grants"
            rows={grants}
            columns={columns}
            keyOf={({ GrantId }) => GrantId}
            empty="This key has no grants."
            tools={
              <Act
                asks={[
                  { action: "kms:CreateGrant", key: KeyId, newGrant: { operations: ["Decrypt"] } },
                ]}
                onPress={() => setCreating(true)}
              >
                Create grant
              </Act>
            }
          />
          {creating && <CreateGrant metadata={metadata} onClose={() => setCreating(false)} />}
          {revoking !== undefined && (
            <Dialog title="Revoke this grant?" onClose={() => setRevoking(undefined)}>
              <p>
                <PrincipalName arn={partyOf(revoking)} /> will no longer be allowed{" "}
                {revoking.Operations.join(", ")} through it, at once.
              </p>
              <button
                type="button"
                class="danger primary"
                onClick={async () => {
                  setRevoking(undefined);
                  await act("The grant is revoked.", () =>
                    kms("revokeGrant", { KeyId, GrantId: revoking.GrantId }),
                  );
                }}
              >
                Revoke grant
              </button>
            </Dialog>
          )}
        </>
      )}
    </Show>
  );
}

function partyOf({ GranteePrincipal, GranteeServicePrincipal = "" }: Grant): string {
  return GranteePrincipal ?? GranteeServicePrincipal;
}

function constraintsOf({ Constraints }: Grant): string {
  const { EncryptionContextEquals, EncryptionContextSubset, SourceArn } = Constraints ?? {};
  return [
    EncryptionContextEquals && `context is ${JSON.stringify(EncryptionContextEquals)}`,
    EncryptionContextSubset && `context has ${JSON.stringify(EncryptionContextSubset)}`,
    SourceArn && `for ${SourceArn}`,
  ]
    .filter((each) => each !== undefined)
    .join(", ");
}

/** @param onRevoke - Asks whether to revoke a grant. */
function columnsWith(onRevoke: (grant: Grant) => void): readonly TableColumn<Grant>[] {
  return [
    {
      id: "grantee",
      title: "Grantee",
      heading: true,
      text: (grant) => shortName(partyOf(grant)),
      cell: (grant) => <PrincipalName arn={partyOf(grant)} />,
    },
    {
      id: "operations",
      title: "Operations",
      text: ({ Operations }) => Operations.join(" "),
      cell: ({ Operations }) => (
        <span>
          {Operations.map((each) => (
            <span class="tag" key={each}>
              {each}
            </span>
          ))}
        </span>
      ),
    },
    { id: "constraints", title: "Constraints", text: constraintsOf },
    { id: "name", title: "Name", text: ({ Name }) => Name },
    { id: "id", title: "Grant ID", text: ({ GrantId }) => GrantId, optional: true },
    {
      id: "retiring",
      title: "Retired by",
      text: ({ RetiringPrincipal, RetiringServicePrincipal }) =>
        shortName(RetiringPrincipal ?? RetiringServicePrincipal ?? ""),
      optional: true,
    },
    {
      id: "created",
      title: "Created",
      text: ({ CreationDate }) => CreationDate.toISOString(),
      order: ({ CreationDate }) => CreationDate.getTime(),
      cell: ({ CreationDate }) => <Time date={CreationDate} />,
    },
    {
      id: "revoke",
      title: "Revoke",
      text: () => "",
      cell: (grant) => (
        <Act
          asks={[{ action: "kms:RevokeGrant", key: grant.KeyId }]}
          kind="danger"
          onPress={() => onRevoke(grant)}
        >
          Revoke
        </Act>
      ),
    },
  ];
}
