/**
 * The key policy: as a form and as JSON, with a look at the change before it is saved, and nothing lost where somebody else
 * has changed it meanwhile.
 *
 * @module
 */
import type { PolicyFinding } from "@env/kms";
import { useState } from "preact/hooks";
import { act, Act } from "../../access/act.tsx";
import { kms } from "../../aws/calls.ts";
import { pretty } from "../../parts/code.tsx";
import { Dialog } from "../../parts/dialog.tsx";
import { Diff } from "../../parts/diff.tsx";
import { Checkbox } from "../../parts/field.tsx";
import { Show, useLoaded } from "../../parts/loading.tsx";
import { toastError } from "../../parts/toast.tsx";
import { PolicyEditor } from "../../policy/policy-editor.tsx";
import { PolicyForm } from "../../policy/policy-form.tsx";
import type { TabProps } from "./key.ts";

/** A change that is not saved yet, and the policy that it was made from. */
interface Draft {
  readonly base: string;
  readonly text: string;
}

export function PolicyTab({ metadata }: TabProps) {
  const { Arn: KeyId, KeyUsage } = metadata;
  const loaded = useLoaded(KeyId, async () => (await kms("getKeyPolicy", { KeyId })).Policy);
  const [draft, setDraft] = useState<Draft>();
  const [findings, setFindings] = useState<readonly PolicyFinding[]>([]);
  const [reviewing, setReviewing] = useState(false);
  const [theirs, setTheirs] = useState<string>();

  const save = async (mine: Draft, bypass: boolean): Promise<void> => {
    try {
      const { Policy: now } = await kms("getKeyPolicy", { KeyId });
      if (now !== mine.base) {
        setReviewing(false);
        setTheirs(now);
        return;
      }
    } catch (error) {
      toastError(error);
      return;
    }
    const request = { KeyId, Policy: mine.text, BypassPolicyLockoutSafetyCheck: bypass };
    if (!(await act("The policy is saved.", () => kms("putKeyPolicy", request)))) return;
    setReviewing(false);
    setDraft(undefined);
  };

  return (
    <Show of={loaded}>
      {(policy) => {
        const text = draft?.text ?? pretty(policy);
        const edit = (next: string): void => setDraft({ base: draft?.base ?? policy, text: next });
        return (
          <div class="stack">
            <PolicyForm text={text} usage={KeyUsage} onChange={edit} />
            <PolicyEditor
              label="Policy as JSON"
              text={text}
              onChange={edit}
              onFindings={setFindings}
            />
            <div class="buttons">
              <Act
                asks={[{ action: "kms:PutKeyPolicy", key: KeyId }]}
                kind="primary"
                blocked={draft === undefined ? "Nothing is changed." : undefined}
                onPress={() => setReviewing(true)}
              >
                Review changes
              </Act>
              {draft !== undefined && (
                <button type="button" onClick={() => setDraft(undefined)}>
                  Discard
                </button>
              )}
            </div>
            {reviewing && draft !== undefined && (
              <Review
                draft={draft}
                findings={findings}
                onClose={() => setReviewing(false)}
                onSave={(bypass) => save(draft, bypass)}
              />
            )}
            {theirs !== undefined && draft !== undefined && (
              <Conflict
                draft={draft}
                theirs={theirs}
                onRebase={() => {
                  setDraft({ base: theirs, text: draft.text });
                  setTheirs(undefined);
                }}
                onDiscard={() => {
                  setDraft(undefined);
                  setTheirs(undefined);
                }}
              />
            )}
          </div>
        );
      }}
    </Show>
  );
}

function Review({
  draft: { base, text },
  findings,
  onClose,
  onSave,
}: {
  readonly draft: Draft;
  readonly findings: readonly PolicyFinding[];
  readonly onClose: () => void;
  readonly onSave: (bypass: boolean) => Promise<void>;
}) {
  const [bypass, setBypass] = useState(false);
  const serious = findings.filter(({ severity }) => severity !== "note");
  return (
    <Dialog title="Save this policy?" wide onClose={onClose}>
      <Diff before={pretty(base)} after={pretty(text)} />
      {serious.map(({ severity, message, line }, index) => (
        <p key={index} class={`notice ${severity}`}>
          Line {line}: {message}
        </p>
      ))}
      <Checkbox
        label="Save even if I could not change the policy again"
        checked={bypass}
        onChange={setBypass}
      />
      <div class="buttons">
        <button type="button" class="primary" onClick={() => void onSave(bypass)}>
          Save policy
        </button>
        <button type="button" onClick={onClose}>
          Go on editing
        </button>
      </div>
    </Dialog>
  );
}

function Conflict({
  draft,
  theirs,
  onRebase,
  onDiscard,
}: {
  readonly draft: Draft;
  readonly theirs: string;
  readonly onRebase: () => void;
  readonly onDiscard: () => void;
}) {
  return (
    <Dialog title="Somebody else has changed this policy" wide stays onClose={onRebase}>
      <p>Nothing is saved, and nothing that you wrote is lost. This was changed meanwhile:</p>
      <Diff before={pretty(draft.base)} after={pretty(theirs)} />
      <p>Your version would replace it like this:</p>
      <Diff before={pretty(theirs)} after={pretty(draft.text)} />
      <div class="buttons">
        <button type="button" class="primary" onClick={onRebase}>
          Go on editing mine
        </button>
        <button type="button" onClick={onDiscard}>
          Discard mine, show theirs
        </button>
      </div>
    </Dialog>
  );
}
