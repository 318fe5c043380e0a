/**
 * The document of a managed policy, or the trust policy of a role, to be read and changed.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { act } from "../../access/act.tsx";
import { iam } from "../../aws/calls.ts";
import { isList, textOf } from "../../aws/xml.ts";
import { pretty } from "../../parts/code.tsx";
import { Diff } from "../../parts/diff.tsx";
import { Show, useLoaded } from "../../parts/loading.tsx";
import { PolicyEditor } from "../../policy/policy-editor.tsx";
import type { PartProps } from "./principal-page.tsx";

export function DocumentOf({ kind, name, record }: PartProps) {
  const isTrust = kind === "role";
  const arn = textOf(record["Arn"]);
  const loaded = useLoaded(`${arn} ${textOf(record["DefaultVersionId"])}`, async () => {
    if (isTrust) return decoded(textOf(record["AssumeRolePolicyDocument"]));
    const request = { PolicyArn: arn, VersionId: textOf(record["DefaultVersionId"]) };
    const version = (await iam("GetPolicyVersion", request))["PolicyVersion"];
    return typeof version === "object" && !isList(version)
      ? decoded(textOf(version["Document"]))
      : "";
  });
  return (
    <section class="card" aria-label={isTrust ? "Trust policy" : "Policy"}>
      <h2>{isTrust ? "Who may assume it" : "What it allows"}</h2>
      <Show of={loaded}>
        {(text) => (
          <Editable
            text={text}
            kind={isTrust ? "trust" : "identity"}
            onSave={(document) =>
              isTrust
                ? iam("UpdateAssumeRolePolicy", { RoleName: name, PolicyDocument: document })
                : iam("CreatePolicyVersion", {
                    PolicyArn: arn,
                    PolicyDocument: document,
                    SetAsDefault: "true",
                  })
            }
          />
        )}
      </Show>
    </section>
  );
}

/** A document with its change below, and a button that saves it. */
export function Editable({
  text,
  kind,
  onSave,
}: {
  readonly text: string;
  readonly kind: "identity" | "trust";
  readonly onSave: (text: string) => Promise<unknown>;
}) {
  const [draft, setDraft] = useState<string>();
  const shown = draft ?? pretty(text);
  return (
    <>
      <PolicyEditor label="JSON" kind={kind} text={shown} onChange={setDraft} />
      {draft !== undefined && (
        <>
          <Diff before={pretty(text)} after={pretty(draft)} />
          <div class="buttons">
            <button
              type="button"
              class="primary"
              onClick={async () => {
                if (await act("The policy is saved.", () => onSave(draft))) setDraft(undefined);
              }}
            >
              Save policy
            </button>
            <button type="button" onClick={() => setDraft(undefined)}>
              Discard
            </button>
          </div>
        </>
      )}
    </>
  );
}

/** IAM answers documents percent-encoded. */
export function decoded(document: string): string {
  return pretty(decodeURIComponent(document));
}
