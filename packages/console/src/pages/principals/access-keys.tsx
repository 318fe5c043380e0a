/**
 * The access keys of a user. A secret is shown once.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { act } from "../../access/act.tsx";
import { iam } from "../../aws/calls.ts";
import { isList, listOf, textOf } from "../../aws/xml.ts";
import { Code } from "../../parts/code.tsx";
import { Dialog } from "../../parts/dialog.tsx";
import { State, Time } from "../../parts/format.tsx";
import { Show, useLoaded } from "../../parts/loading.tsx";
import { toastError } from "../../parts/toast.tsx";
import { changed } from "../../session/reach.ts";
import type { PartProps } from "./principal-page.tsx";

export function AccessKeys({ name: UserName }: PartProps) {
  const loaded = useLoaded(`access keys of ${UserName}`, async () =>
    listOf((await iam("ListAccessKeys", { UserName }))["AccessKeyMetadata"]),
  );
  const [made, setMade] = useState<{ readonly id: string; readonly secret: string }>();
  const create = async (): Promise<void> => {
    try {
      const key = (await iam("CreateAccessKey", { UserName }))["AccessKey"];
      if (typeof key === "object" && !isList(key)) {
        setMade({ id: textOf(key["AccessKeyId"]), secret: textOf(key["SecretAccessKey"]) });
      }
      changed();
    } catch (error) {
      toastError(error);
    }
  };
  return (
    <section class="card" aria-label="Access keys">
      <header>
        <h2>Access keys</h2>
        <button type="button" onClick={() => void create()}>
          Create access key
        </button>
      </header>
      <Show of={loaded}>
        {(keys) => (
          <ul class="rows">
            {keys.length === 0 && <li class="none">None.</li>}
            {keys.map(({ AccessKeyId, Status, CreateDate }) => {
              const id = textOf(AccessKeyId);
              const isActive = textOf(Status) === "Active";
              return (
                <li key={id}>
                  <span>
                    <code>{id}</code> <State state={textOf(Status)} /> <small>created </small>
                    <Time date={new Date(textOf(CreateDate))} />
                  </span>
                  <span class="buttons">
                    <button
                      type="button"
                      class="small"
                      onClick={() =>
                        void act(
                          isActive ? "The access key is inactive." : "The access key is active.",
                          () =>
                            iam("UpdateAccessKey", {
                              UserName,
                              AccessKeyId: id,
                              Status: isActive ? "Inactive" : "Active",
                            }),
                        )
                      }
                    >
                      {isActive ? "Deactivate" : "Activate"}
                    </button>
                    <button
                      type="button"
                      class="small danger"
                      onClick={() =>
                        void act("The access key is deleted.", () =>
                          iam("DeleteAccessKey", { UserName, AccessKeyId: id }),
                        )
                      }
                    >
                      Delete
                    </button>
                  </span>
                </li>
              );
            })}
          </ul>
        )}
      </Show>
      {made !== undefined && (
        <Dialog title="The access key is created" stays onClose={() => undefined}>
          <p>The secret is shown once. Nobody can read it again.</p>
          <Code
            label="access key"
            text={`export AWS_ACCESS_KEY_ID=${made.id}\nexport AWS_SECRET_ACCESS_KEY=${made.secret}`}
          />
          <button type="button" class="primary" onClick={() => setMade(undefined)}>
            I have kept it
          </button>
        </Dialog>
      )}
    </section>
  );
}
