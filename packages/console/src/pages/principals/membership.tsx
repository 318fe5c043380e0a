/**
 * The groups of a user, and the boundary of a user or role.
 *
 * @module
 */
import { Link } from "wouter-preact";
import { act } from "../../access/act.tsx";
import { iam } from "../../aws/calls.ts";
import { isList, listOf, textOf } from "../../aws/xml.ts";
import { Show, useLoaded } from "../../parts/loading.tsx";
import { listIam } from "../../policy/principals.ts";
import { kinds } from "./kinds.ts";
import { NameForm } from "./name-form.tsx";
import type { PartProps } from "./principal-page.tsx";

export function Membership({ name: UserName }: PartProps) {
  const loaded = useLoaded(`groups of ${UserName}`, async () =>
    listOf((await iam("ListGroupsForUser", { UserName }))["Groups"]),
  );
  const { value: known = [] } = useLoaded("groups", () => listIam("ListGroups", "Groups"));
  return (
    <section class="card" aria-label="Groups">
      <h2>Groups</h2>
      <Show of={loaded}>
        {(groups) => (
          <ul class="rows">
            {groups.length === 0 && <li class="none">None.</li>}
            {groups.map(({ GroupName, Arn }) => (
              <li key={textOf(Arn)}>
                <Link href={`/principals/${textOf(Arn)}`}>
                  <bdi>{textOf(GroupName)}</bdi>
                </Link>
                <button
                  type="button"
                  class="small"
                  onClick={() =>
                    void act("The user has left the group.", () =>
                      iam("RemoveUserFromGroup", { UserName, GroupName: textOf(GroupName) }),
                    )
                  }
                >
                  Leave
                </button>
              </li>
            ))}
          </ul>
        )}
      </Show>
      <NameForm
        label="Join"
        button="Join"
        done="The user is in the group."
        run={(GroupName) => iam("AddUserToGroup", { UserName, GroupName })}
        suggestions={known.map(({ GroupName }) => textOf(GroupName))}
        placeholder="name of a group"
      />
    </section>
  );
}

export function Boundary({ kind, name, record }: PartProps) {
  const { type, name: member } = kinds[kind];
  const named = { [member]: name };
  const boundary = record["PermissionsBoundary"];
  const known =
    typeof boundary === "object" && !isList(boundary)
      ? textOf(boundary["PermissionsBoundaryArn"])
      : "";
  return (
    <section class="card" aria-label="Permissions boundary">
      <header>
        <h2>Permissions boundary</h2>
        {known !== "" && (
          <button
            type="button"
            class="small"
            onClick={() =>
              void act("The boundary is removed.", () =>
                iam(`Delete${type}PermissionsBoundary`, named),
              )
            }
          >
            Remove
          </button>
        )}
      </header>
      {known === "" ? (
        <p class="none">None: its policies alone say what it may.</p>
      ) : (
        <bdi>{known}</bdi>
      )}
      <NameForm
        label="Set"
        button="Set boundary"
        done="The boundary is set."
        run={(PermissionsBoundary) =>
          iam(`Put${type}PermissionsBoundary`, { ...named, PermissionsBoundary })
        }
        placeholder="ARN of a managed policy"
      />
    </section>
  );
}
