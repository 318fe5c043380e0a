/**
 * The deletion of keys: what would break, and a confirmation that is typed.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { own, kms } from "../../aws/calls.ts";
import { Dialog, Form } from "../../parts/dialog.tsx";
import { Field } from "../../parts/field.tsx";
import { ago, count, PrincipalName, Time } from "../../parts/format.tsx";
import { Show, useLoaded } from "../../parts/loading.tsx";
import { Forms } from "../../show-as/show-as.tsx";
import { kmsCall } from "../../show-as/call.ts";
import type { Summary } from "../keys/summaries.ts";

export interface DeleteKeysProps {
  readonly keys: readonly Summary[];
  readonly onClose: () => void;
  readonly onConfirm: (days: number) => Promise<void>;
}

export function DeleteKeys({ keys, onClose, onConfirm }: DeleteKeysProps) {
  const [days, setDays] = useState("30");
  const [typed, setTyped] = useState("");
  const [first] = keys;
  const word =
    keys.length === 1 ? (first?.Aliases?.[0] ?? first?.KeyId ?? "") : `delete ${keys.length} keys`;
  const window = Number(days);
  const isWindow = Number.isInteger(window) && window >= 7 && window <= 30;
  return (
    <Dialog
      title={`Schedule deletion of ${keys.length === 1 ? word : count(keys.length, "key")}`}
      wide
      onClose={onClose}
    >
      <p>
        Once the waiting period is over, the key material is destroyed and{" "}
        <strong>nothing that was encrypted under it can be decrypted again</strong>. Until then the
        deletion can be cancelled.
      </p>
      {keys.length === 1 && first !== undefined ? (
        <Breaks of={first} />
      ) : (
        <BreaksOfMany keys={keys} />
      )}
      <Form onSubmit={() => typed === word && isWindow && onConfirm(window)}>
        <div class="row">
          <Field
            label="Waiting period in days"
            type="number"
            min="7"
            max="30"
            value={days}
            onChange={setDays}
            hint="7 to 30."
          />
          <Field label={`Type “${word}” to confirm`} value={typed} onChange={setTyped} />
        </div>
        <button type="submit" class="danger primary" disabled={typed !== word || !isWindow}>
          Schedule deletion
        </button>
      </Form>
      <details>
        <summary class="small">Show as…</summary>
        <Forms
          calls={keys
            .slice(0, 20)
            .map(({ KeyArn }) =>
              kmsCall("ScheduleKeyDeletion", { KeyId: KeyArn, PendingWindowInDays: window }),
            )}
        />
      </details>
    </Dialog>
  );
}

/** What stops working with a key. */
function Breaks({ of: key }: { readonly of: Summary }) {
  const { KeyArn, Aliases = [], LastUse } = key;
  const loaded = useLoaded(KeyArn, async () => {
    const [grants, uses] = await Promise.allSettled([
      kms("listGrants", { KeyId: KeyArn, Limit: 100 }),
      own("CountAudit", {
        Resource: KeyArn,
        From: new Date(Date.now() - 30 * 86_400_000),
        GroupBy: ["principal"],
      }),
    ]);
    return {
      grants: grants.status === "fulfilled" ? grants.value.Grants : undefined,
      users: uses.status === "fulfilled" ? uses.value.Groups : undefined,
    };
  });
  return (
    <section class="notice warning" aria-label="What would break">
      <strong>What would break</strong>
      <ul>
        <li>
          {Aliases.length === 0
            ? "No alias points at it."
            : `Would be deleted with it: ${Aliases.join(", ")}.`}
        </li>
        <li>
          {LastUse === null
            ? "It was never used."
            : LastUse === undefined
              ? "You may not see when it was last used."
              : `Last used ${ago(LastUse.Time)} (${LastUse.Operation}).`}
        </li>
        <Show of={loaded}>
          {({ grants, users }) => (
            <>
              <li>
                {grants === undefined
                  ? "You may not see its grants."
                  : grants.length === 0
                    ? "It has no grants."
                    : `${count(grants.length, "grant")} would be gone.`}
              </li>
              {users?.map(({ Values: [principal = ""], Count }) => (
                <li key={principal}>
                  <PrincipalName arn={principal} /> made {count(Count, "call")} with it in 30 days.
                </li>
              ))}
            </>
          )}
        </Show>
        <li>
          Data that is still under it: <code>envelope config report</code> lists what your
          applications have.
        </li>
      </ul>
    </section>
  );
}

function BreaksOfMany({ keys }: { readonly keys: readonly Summary[] }) {
  const used = keys.filter(({ LastUse }) => LastUse !== null && LastUse !== undefined);
  return (
    <section class="notice warning" aria-label="What would break">
      <strong>
        {used.length === 0
          ? "None of them was ever used."
          : `${count(used.length, "key")} of them were used:`}
      </strong>
      <ul>
        {used.slice(0, 10).map(({ KeyId, Aliases, LastUse }) => (
          <li key={KeyId}>
            <bdi>{Aliases?.[0] ?? KeyId}</bdi>: <Time date={LastUse?.Time} />
          </li>
        ))}
        {used.length > 10 && <li>and {used.length - 10} more</li>}
      </ul>
    </section>
  );
}
