/**
 * A new grant. Its token is shown once: with it, the grant counts before it has become effective everywhere.
 *
 * @module
 */
import { grantOperations, isOfKind, offeredRow, type GrantOperation } from "@env/kms/catalogue";
import { useState } from "preact/hooks";
import { kms } from "../../aws/calls.ts";
import { Code } from "../../parts/code.tsx";
import { Dialog, Form } from "../../parts/dialog.tsx";
import { Checkbox, Field, Pairs, Select, toMap, type Pair } from "../../parts/field.tsx";
import { messageOf } from "../../parts/toast.tsx";
import { usePrincipals } from "../../policy/principals.ts";
import { changed } from "../../session/reach.ts";
import { kmsCall } from "../../show-as/call.ts";
import { hcl } from "../../show-as/forms.ts";
import { Forms } from "../../show-as/show-as.tsx";
import type { Key } from "./key.ts";

const constraints = [
  ["none", "No constraint"],
  ["EncryptionContextSubset", "The encryption context has at least"],
  ["EncryptionContextEquals", "The encryption context is exactly"],
] as const;

export function CreateGrant({
  metadata,
  onClose,
}: {
  readonly metadata: Key;
  readonly onClose: () => void;
}) {
  const [grantee, setGrantee] = useState("");
  const [retiring, setRetiring] = useState("");
  const [name, setName] = useState("");
  const [operations, setOperations] = useState<readonly string[]>([]);
  const [constraint, setConstraint] = useState("none");
  const [context, setContext] = useState<readonly Pair[]>([["", ""]]);
  const [problem, setProblem] = useState("");
  const [token, setToken] = useState<string>();
  const principals = usePrincipals();
  const offered = grantOperations.filter((each) => fits(each, metadata));
  const pairs = toMap(context);
  const request = {
    KeyId: metadata.Arn,
    GranteePrincipal: grantee,
    Operations: operations,
    ...(retiring === "" ? {} : { RetiringPrincipal: retiring }),
    ...(name === "" ? {} : { Name: name }),
    ...(constraint === "none" || pairs === undefined
      ? {}
      : { Constraints: { [constraint]: pairs } }),
  };
  if (token !== undefined) {
    return (
      <Dialog title="The grant is created" onClose={onClose}>
        <p>This token is shown once. Calls that bring it along can use the grant immediately.</p>
        <Code text={token} label="grant token" />
        <button type="button" class="primary" onClick={onClose}>
          Done
        </button>
      </Dialog>
    );
  }
  return (
    <Dialog title="Create grant" wide onClose={onClose}>
      <Form
        onSubmit={async () => {
          setProblem("");
          try {
            setToken((await kms("createGrant", request)).GrantToken);
            changed();
          } catch (error) {
            setProblem(messageOf(error));
          }
        }}
      >
        <div class="row">
          <Field
            label="Grantee"
            value={grantee}
            onChange={setGrantee}
            suggestions={principals}
            hint="ARN of whoever gets the permissions."
            autofocus
            required
          />
          <Field
            label="Retired by"
            value={retiring}
            onChange={setRetiring}
            suggestions={principals}
            hint="Optional: who may also end it."
          />
          <Field
            label="Name"
            value={name}
            onChange={setName}
            hint="Optional: the same request then gets the same grant."
          />
        </div>
        <fieldset class="choices">
          <legend>Operations</legend>
          {offered.map((operation) => (
            <Checkbox
              key={operation}
              label={operation}
              checked={operations.includes(operation)}
              onChange={(checked) =>
                setOperations(
                  checked
                    ? [...operations, operation]
                    : operations.filter((each) => each !== operation),
                )
              }
            />
          ))}
        </fieldset>
        <Select
          label="Constraint"
          value={constraint}
          onChange={setConstraint}
          options={constraints}
        />
        {constraint !== "none" && (
          <Pairs label="Encryption context" pairs={context} onChange={setContext} />
        )}
        {problem !== "" && (
          <p class="notice refused" role="alert">
            {problem}
          </p>
        )}
        <button type="submit" class="primary" disabled={grantee === "" || operations.length === 0}>
          Create grant
        </button>
      </Form>
      <details>
        <summary class="small">Show as…</summary>
        <Forms
          calls={[
            kmsCall("CreateGrant", request, {
              terraform: grantTerraform(metadata.KeyId, grantee, operations),
            }),
          ]}
        />
      </details>
    </Dialog>
  );
}

function grantTerraform(key: string, grantee: string, operations: readonly string[]): string {
  return `resource "aws_kms_grant" "this" {\n  key_id            = ${hcl(key)}\n  grantee_principal = ${hcl(grantee)}\n  operations        = [${operations.map(hcl).join(", ")}]\n}`;
}

/** Whether a key can be used for an operation at all: others would be refused. */
function fits(operation: GrantOperation, { KeyUsage, KeySpec }: Key): boolean {
  const { usage, keys } = offeredRow(operation);
  return (
    (usage === undefined || usage === KeyUsage) && (keys === undefined || isOfKind(keys, KeySpec))
  );
}
