/**
 * The managed policies of a principal.
 *
 * @module
 */
import { Link } from "wouter-preact";
import { act } from "../../access/act.tsx";
import { iam } from "../../aws/calls.ts";
import { listOf, textOf } from "../../aws/xml.ts";
import { Show, useLoaded } from "../../parts/loading.tsx";
import { listIam } from "../../policy/principals.ts";
import { kinds } from "./kinds.ts";
import { NameForm } from "./name-form.tsx";
import type { PartProps } from "./principal-page.tsx";

export function AttachedPolicies({ kind, name }: PartProps) {
  const { type, name: member } = kinds[kind];
  const named = { [member]: name };
  const loaded = useLoaded(`attached to ${type} ${name}`, async () =>
    listOf((await iam(`ListAttached${type}Policies`, named))["AttachedPolicies"]).map(
      ({ PolicyArn }) => textOf(PolicyArn),
    ),
  );
  const { value: known = [] } = useLoaded("managed policies", () =>
    listIam("ListPolicies", "Policies", { Scope: "Local" }),
  );
  return (
    <section class="card" aria-label="Managed policies">
      <h2>Managed policies</h2>
      <Show of={loaded}>
        {(attached) => (
          <ul class="rows">
            {attached.length === 0 && <li class="none">None.</li>}
            {attached.map((PolicyArn) => (
              <li key={PolicyArn}>
                <Link href={`/principals/${PolicyArn}`}>
                  <bdi>{PolicyArn}</bdi>
                </Link>
                <button
                  type="button"
                  class="small"
                  onClick={() =>
                    void act("The policy is detached.", () =>
                      iam(`Detach${type}Policy`, { ...named, PolicyArn }),
                    )
                  }
                >
                  Detach
                </button>
              </li>
            ))}
          </ul>
        )}
      </Show>
      <NameForm
        label="Attach"
        button="Attach"
        done="The policy is attached."
        run={(PolicyArn) => iam(`Attach${type}Policy`, { ...named, PolicyArn })}
        suggestions={known.map(({ Arn }) => textOf(Arn))}
        placeholder="ARN of a managed policy"
      />
    </section>
  );
}
