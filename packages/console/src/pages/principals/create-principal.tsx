/**
 * A new user, role, group or managed policy.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { iam } from "../../aws/calls.ts";
import { isList, textOf } from "../../aws/xml.ts";
import { Dialog, Form } from "../../parts/dialog.tsx";
import { Field } from "../../parts/field.tsx";
import { messageOf } from "../../parts/toast.tsx";
import { toText } from "../../policy/key-policy.ts";
import { PolicyEditor } from "../../policy/policy-editor.tsx";
import { changed } from "../../session/reach.ts";
import { session } from "../../session/session.ts";
import { kinds, type Kind } from "./kinds.ts";

export function CreatePrincipal({
  kind,
  onClose,
  onCreated,
}: {
  readonly kind: Kind;
  readonly onClose: () => void;
  readonly onCreated: (arn: string) => void;
}) {
  const { word, name: nameMember, type } = kinds[kind];
  const [name, setName] = useState("");
  const [document, setDocument] = useState(() => firstDocument(kind));
  const [problem, setProblem] = useState("");
  const create = async (): Promise<void> => {
    setProblem("");
    try {
      const answer = await iam(`Create${type}`, {
        [nameMember]: name,
        ...(kind === "role" ? { AssumeRolePolicyDocument: document } : {}),
        ...(kind === "policy" ? { PolicyDocument: document } : {}),
      });
      const record = answer[type];
      changed();
      if (typeof record === "object" && !isList(record)) onCreated(textOf(record["Arn"]));
    } catch (error) {
      setProblem(messageOf(error));
    }
  };
  return (
    <Dialog title={`Create ${word}`} wide={document !== ""} onClose={onClose}>
      <Form onSubmit={create}>
        <Field
          label="Name"
          value={name}
          onChange={setName}
          pattern="[\w+=,.@\-]{1,128}"
          required
          autofocus
        />
        {document !== "" && (
          <PolicyEditor
            label={kind === "role" ? "Who may assume it" : "What it allows"}
            kind={kind === "role" ? "trust" : "identity"}
            text={document}
            onChange={setDocument}
          />
        )}
        {problem !== "" && (
          <p class="notice refused" role="alert">
            {problem}
          </p>
        )}
        <button type="submit" class="primary">
          Create {word}
        </button>
      </Form>
    </Dialog>
  );
}

/** What a new role or policy begins with. Empty: it has no document. */
function firstDocument(kind: Kind): string {
  const account = `arn:aws:iam::${session.peek()?.accountId ?? ""}:root`;
  const statements: Readonly<Partial<Record<Kind, object>>> = {
    role: { Effect: "Allow", Principal: { AWS: account }, Action: "sts:AssumeRole" },
    policy: { Effect: "Allow", Action: ["kms:Decrypt", "kms:GenerateDataKey"], Resource: "*" },
  };
  const statement = statements[kind];
  return statement === undefined ? "" : toText({ Version: "2012-10-17", Statement: [statement] });
}
