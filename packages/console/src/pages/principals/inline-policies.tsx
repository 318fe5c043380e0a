/**
 * The policies that belong to one principal alone.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { act } from "../../access/act.tsx";
import { iam } from "../../aws/calls.ts";
import { textOf, textsOf } from "../../aws/xml.ts";
import { Dialog, Form } from "../../parts/dialog.tsx";
import { Field } from "../../parts/field.tsx";
import { Show, useLoaded } from "../../parts/loading.tsx";
import { toText } from "../../policy/key-policy.ts";
import { PolicyEditor } from "../../policy/policy-editor.tsx";
import { decoded, Editable } from "./document.tsx";
import { kinds } from "./kinds.ts";
import type { PartProps } from "./principal-page.tsx";

const first = toText({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Action: ["kms:Decrypt"], Resource: "*" }],
});

export function InlinePolicies({ kind, name }: PartProps) {
  const { type, name: member } = kinds[kind];
  const named = { [member]: name };
  const [adding, setAdding] = useState(false);
  const loaded = useLoaded(`policies of ${type} ${name}`, async () => {
    const names = textsOf((await iam(`List${type}Policies`, named))["PolicyNames"]);
    return Promise.all(
      names.map(async (PolicyName) => {
        const { PolicyDocument } = await iam(`Get${type}Policy`, { ...named, PolicyName });
        return { PolicyName, text: decoded(textOf(PolicyDocument)) };
      }),
    );
  });
  const put = (PolicyName: string, PolicyDocument: string) =>
    iam(`Put${type}Policy`, { ...named, PolicyName, PolicyDocument });
  return (
    <section class="card" aria-label="Own policies">
      <header>
        <h2>Own policies</h2>
        <button type="button" onClick={() => setAdding(true)}>
          Add policy
        </button>
      </header>
      <Show of={loaded}>
        {(policies) => (
          <>
            {policies.length === 0 && <p class="none">None.</p>}
            {policies.map(({ PolicyName, text }) => (
              <details key={PolicyName}>
                <summary>
                  <bdi>{PolicyName}</bdi>
                </summary>
                <div class="stack">
                  <Editable
                    text={text}
                    kind="identity"
                    onSave={(document) => put(PolicyName, document)}
                  />
                  <div class="buttons">
                    <button
                      type="button"
                      class="small danger"
                      onClick={() =>
                        void act("The policy is removed.", () =>
                          iam(`Delete${type}Policy`, { ...named, PolicyName }),
                        )
                      }
                    >
                      Remove policy
                    </button>
                  </div>
                </div>
              </details>
            ))}
          </>
        )}
      </Show>
      {adding && <AddPolicy onClose={() => setAdding(false)} onAdd={put} />}
    </section>
  );
}

function AddPolicy({
  onClose,
  onAdd,
}: {
  readonly onClose: () => void;
  readonly onAdd: (name: string, text: string) => Promise<unknown>;
}) {
  const [name, setName] = useState("");
  const [text, setText] = useState(first);
  return (
    <Dialog title="Add policy" wide onClose={onClose}>
      <Form
        onSubmit={async () => {
          if (await act("The policy is added.", () => onAdd(name, text))) onClose();
        }}
      >
        <Field
          label="Name"
          value={name}
          onChange={setName}
          pattern="[\w+=,.@\-]{1,128}"
          required
          autofocus
        />
        <PolicyEditor label="JSON" kind="identity" text={text} onChange={setText} />
        <button type="submit" class="primary">
          Add policy
        </button>
      </Form>
    </Dialog>
  );
}
