/**
 * Who administers a key, and who uses it.
 *
 * @module
 */
import type { KeyUsage } from "@env/kms";
import { useState } from "preact/hooks";
import { PrincipalName } from "../parts/format.tsx";
import { session } from "../session/session.ts";
import {
  leavesToAccount,
  parsePolicy,
  principalsIn,
  toText,
  withPrincipals,
  type PolicyRole,
} from "./key-policy.ts";
import { usePrincipals } from "./principals.ts";

const titles: Readonly<Record<PolicyRole, readonly [title: string, hint: string]>> = {
  administrators: ["Administrators", "They manage the key, and may not use it."],
  users: ["Users", "They use the key for cryptography."],
};

export function PolicyForm({
  text,
  usage,
  onChange,
}: {
  readonly text: string;
  readonly usage: KeyUsage;
  readonly onChange: (text: string) => void;
}) {
  const document = parsePolicy(text);
  if (document === undefined) {
    return <p class="notice warning">The JSON below does not parse: mend it there first.</p>;
  }
  const isDelegated = leavesToAccount(document, session.value?.accountId ?? "");
  return (
    <>
      <div class="row">
        {(["administrators", "users"] as const).map((role) => (
          <Principals
            key={role}
            role={role}
            principals={principalsIn(document, role)}
            onChange={(principals) =>
              onChange(toText(withPrincipals(document, role, principals, usage)))
            }
          />
        ))}
      </div>
      <p class="notice">
        {isDelegated
          ? "IAM policies of this account can also allow the use of this key."
          : "IAM policies alone cannot allow anything with this key: only this policy and grants can."}
      </p>
    </>
  );
}

function Principals({
  role,
  principals,
  onChange,
}: {
  readonly role: PolicyRole;
  readonly principals: readonly string[];
  readonly onChange: (principals: readonly string[]) => void;
}) {
  const [typed, setTyped] = useState("");
  const [title, hint] = titles[role];
  const known = usePrincipals().filter((arn) => !principals.includes(arn));
  const add = (): void => {
    const arn = typed.trim();
    if (arn !== "" && !principals.includes(arn)) onChange([...principals, arn]);
    setTyped("");
  };
  return (
    <fieldset class="card">
      <legend>{title}</legend>
      <small>{hint}</small>
      <ul class="chosen">
        {principals.map((arn) => (
          <li key={arn}>
            <PrincipalName arn={arn} />
            <button
              type="button"
              class="quiet"
              aria-label={`Remove ${arn} from ${role}`}
              onClick={() => onChange(principals.filter((each) => each !== arn))}
            >
              ×
            </button>
          </li>
        ))}
        {principals.length === 0 && <li class="none">None by name.</li>}
      </ul>
      <div class="adding">
        <input
          aria-label={`Add to ${role}`}
          placeholder="ARN of a user or role"
          list={`principals-${role}`}
          value={typed}
          onInput={({ currentTarget }) => setTyped(currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter") return;
            event.preventDefault();
            add();
          }}
        />
        <datalist id={`principals-${role}`}>
          {known.map((arn) => (
            <option key={arn} value={arn} />
          ))}
        </datalist>
        <button type="button" class="small" onClick={add}>
          Add
        </button>
      </div>
    </fieldset>
  );
}
