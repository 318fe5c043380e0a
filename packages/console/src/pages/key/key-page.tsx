/**
 * One key. Its address is its ARN, id or alias.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { act, Act } from "../../access/act.tsx";
import { kms } from "../../aws/calls.ts";
import { Copy } from "../../parts/code.tsx";
import { State } from "../../parts/format.tsx";
import { Show, useLoaded } from "../../parts/loading.tsx";
import { Page, Tabs, useParameter } from "../../parts/page.tsx";
import { kmsCall } from "../../show-as/call.ts";
import type { Summary } from "../keys/summaries.ts";
import { AccessTab } from "./access-tab.tsx";
import { AliasesTab } from "./aliases-tab.tsx";
import { AuditTab } from "./audit-tab.tsx";
import { DeleteKeys } from "./delete-keys.tsx";
import { GeneralTab } from "./general-tab.tsx";
import { GrantsTab } from "./grants-tab.tsx";
import { ImportTab } from "./import-tab.tsx";
import { lastUseOf, type Key, type TabProps } from "./key.ts";
import { keyTerraform } from "./key-terraform.ts";
import { PolicyTab } from "./policy-tab.tsx";
import { RotationTab } from "./rotation-tab.tsx";
import { TagsTab } from "./tags-tab.tsx";

const tabs = {
  general: ["General", GeneralTab],
  policy: ["Policy", PolicyTab],
  access: ["Who can use it", AccessTab],
  grants: ["Grants", GrantsTab],
  rotation: ["Rotation", RotationTab],
  import: ["Key material", ImportTab],
  aliases: ["Aliases", AliasesTab],
  tags: ["Tags", TagsTab],
  audit: ["Audit", AuditTab],
} as const;

function isTab(name: string): name is keyof typeof tabs {
  return Object.hasOwn(tabs, name);
}

export function KeyPage({ name }: { readonly name: string }) {
  const loaded = useLoaded(name, async () => {
    const { KeyMetadata: metadata } = await kms("describeKey", { KeyId: name });
    const aliases = await kms("listAliases", { KeyId: metadata.KeyId }).then(
      ({ Aliases }) => Aliases.map(({ AliasName }) => AliasName),
      // Whoever may not list them sees the key without.
      () => [],
    );
    return { metadata, aliases };
  });
  if (loaded.value !== undefined) return <KnownKey {...loaded.value} />;
  return (
    <Page title={name} calls={[kmsCall("DescribeKey", { KeyId: name })]}>
      <Show of={loaded}>{() => undefined}</Show>
      {loaded.error !== undefined && (
        <p>
          <Link href="/keys">All keys</Link>
        </p>
      )}
    </Page>
  );
}

function KnownKey({ metadata, aliases }: TabProps) {
  const { Arn, KeyId, KeyState, Origin, KeySpec, KeyManager } = metadata;
  const wanted = useParameter("tab") ?? "";
  const tab = isTab(wanted) ? wanted : "general";
  const [, Tab] = tabs[tab];
  const isSymmetric = KeySpec === "SYMMETRIC_DEFAULT";
  const shown = Object.entries(tabs)
    .filter(([id]) => (id === "import" ? Origin === "EXTERNAL" : id !== "rotation" || isSymmetric))
    .map(([id, [title]]) => [id, title] as const);
  return (
    <Page
      title={aliases[0]?.replace(/^alias\//, "") ?? KeyId}
      subtitle={
        <span class="identity">
          <State state={KeyState} /> <code>{Arn}</code> <Copy text={Arn} label="ARN" />
        </span>
      }
      actions={KeyManager === "CUSTOMER" && <Actions metadata={metadata} aliases={aliases} />}
      calls={[
        kmsCall(
          "DescribeKey",
          { KeyId: Arn },
          {
            terraform: keyTerraform(metadata, aliases),
          },
        ),
        ...(operations[tab] ?? []).map((operation) => kmsCall(operation, { KeyId: Arn })),
      ]}
    >
      <Tabs tabs={shown} current={tab} />
      <Tab metadata={metadata} aliases={aliases} />
    </Page>
  );
}

/** The operations behind each part, besides DescribeKey. */
const operations: Readonly<Partial<Record<keyof typeof tabs, readonly string[]>>> = {
  policy: ["GetKeyPolicy"],
  grants: ["ListGrants"],
  rotation: ["GetKeyRotationStatus", "ListKeyRotations"],
  aliases: ["ListAliases"],
  tags: ["ListResourceTags"],
};

function Actions({ metadata, aliases }: TabProps) {
  const { Arn: KeyId, KeyState } = metadata;
  const [deleting, setDeleting] = useState(false);
  const [, go] = useLocation();
  const asks = (action: string) => [{ action, key: KeyId }];
  const isPending = KeyState === "PendingDeletion" || KeyState === "PendingReplicaDeletion";
  const summary = useSummary(metadata, aliases, deleting);
  return (
    <>
      {KeyState === "Enabled" && (
        <Link class="button" href={`/try-it?key=${encodeURIComponent(KeyId)}`}>
          Try it
        </Link>
      )}
      {KeyState === "Enabled" && (
        <Act
          asks={asks("kms:DisableKey")}
          onPress={() => void act("The key is disabled.", () => kms("disableKey", { KeyId }))}
        >
          Disable
        </Act>
      )}
      {KeyState === "Disabled" && (
        <Act
          asks={asks("kms:EnableKey")}
          onPress={() => void act("The key is enabled.", () => kms("enableKey", { KeyId }))}
        >
          Enable
        </Act>
      )}
      {isPending ? (
        <Act
          asks={asks("kms:CancelKeyDeletion")}
          kind="primary"
          onPress={() =>
            void act("The deletion is cancelled. The key is disabled: enable it to use it.", () =>
              kms("cancelKeyDeletion", { KeyId }),
            )
          }
        >
          Cancel deletion
        </Act>
      ) : (
        <Act asks={asks("kms:ScheduleKeyDeletion")} kind="danger" onPress={() => setDeleting(true)}>
          Delete…
        </Act>
      )}
      {deleting && summary !== undefined && (
        <DeleteKeys
          keys={[summary]}
          onClose={() => setDeleting(false)}
          onConfirm={async (PendingWindowInDays) => {
            setDeleting(false);
            await act(`The key will be deleted in ${PendingWindowInDays} days.`, () =>
              kms("scheduleKeyDeletion", { KeyId, PendingWindowInDays }),
            );
            go(`/keys/${KeyId}`, { replace: true });
          }}
        />
      )}
    </>
  );
}

/** What the dialog of the deletion shows. */
function useSummary(
  metadata: Key,
  aliases: readonly string[],
  wanted: boolean,
): Summary | undefined {
  const { value } = useLoaded(wanted ? metadata.Arn : undefined, () => lastUseOf(metadata.Arn));
  if (value === undefined) return undefined;
  return {
    KeyId: metadata.KeyId,
    KeyArn: metadata.Arn,
    Metadata: metadata,
    Aliases: aliases,
    ...value,
  };
}
