/**
 * The aliases of a key: created, moved to another key, deleted.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { act, Act } from "../../access/act.tsx";
import { kms } from "../../aws/calls.ts";
import { Copy } from "../../parts/code.tsx";
import { Dialog, Form } from "../../parts/dialog.tsx";
import { Field } from "../../parts/field.tsx";
import { keyAddress } from "../../parts/format.tsx";
import { useLoaded } from "../../parts/loading.tsx";
import { useLocation } from "wouter-preact";
import type { TabProps } from "./key.ts";

type Open =
  | { readonly kind: "create" }
  | { readonly kind: "move" | "delete"; readonly alias: string };

export function AliasesTab({ metadata, aliases }: TabProps) {
  const { Arn } = metadata;
  const [open, setOpen] = useState<Open>();
  const close = () => setOpen(undefined);
  const asks = (action: string, alias: string) => [
    { action, alias },
    { action, key: Arn },
  ];
  return (
    <section class="card" aria-label="Aliases">
      <header>
        <h2>Aliases</h2>
        <Act
          asks={[{ action: "kms:CreateAlias", key: Arn }]}
          onPress={() => setOpen({ kind: "create" })}
        >
          Create alias
        </Act>
      </header>
      {aliases.length === 0 && <p class="none">No alias points at this key.</p>}
      <ul class="rows">
        {aliases.map((alias) => (
          <li key={alias}>
            <bdi class="mono">{alias}</bdi>
            <span class="buttons">
              <Copy text={alias} label={alias} />
              <Act
                asks={asks("kms:UpdateAlias", alias)}
                onPress={() => setOpen({ kind: "move", alias })}
              >
                Move…
              </Act>
              <Act
                asks={asks("kms:DeleteAlias", alias)}
                kind="danger"
                onPress={() => setOpen({ kind: "delete", alias })}
              >
                Delete
              </Act>
            </span>
          </li>
        ))}
      </ul>
      {open?.kind === "create" && <CreateAlias KeyId={Arn} onClose={close} />}
      {open?.kind === "move" && <MoveAlias alias={open.alias} from={Arn} onClose={close} />}
      {open?.kind === "delete" && (
        <Dialog title={`Delete ${open.alias}?`} onClose={close}>
          <p>The key stays. Callers that name it by this alias will not find it.</p>
          <button
            type="button"
            class="danger primary"
            onClick={async () => {
              close();
              await act("The alias is deleted.", () =>
                kms("deleteAlias", { AliasName: open.alias }),
              );
            }}
          >
            Delete alias
          </button>
        </Dialog>
      )}
    </section>
  );
}

function CreateAlias({ KeyId, onClose }: { readonly KeyId: string; readonly onClose: () => void }) {
  const [name, setName] = useState("alias/");
  return (
    <Dialog title="Create alias" onClose={onClose}>
      <Form
        onSubmit={async () => {
          const request = { AliasName: name, TargetKeyId: KeyId };
          if (await act("The alias is created.", () => kms("createAlias", request))) onClose();
        }}
      >
        <Field
          label="Name"
          value={name}
          onChange={setName}
          pattern="alias\/[a-zA-Z0-9\/_\-]+"
          hint="alias/ and letters, digits, /, _ and -."
          autofocus
          required
        />
        <button type="submit" class="primary">
          Create
        </button>
      </Form>
    </Dialog>
  );
}

function MoveAlias({
  alias,
  from,
  onClose,
}: {
  readonly alias: string;
  readonly from: string;
  readonly onClose: () => void;
}) {
  const [target, setTarget] = useState("");
  const [, go] = useLocation();
  const { value: others = [] } = useLoaded(
    "aliases",
    async () => (await kms("listAliases", { Limit: 100 })).Aliases,
  );
  const names = others.map(({ AliasName }) => AliasName).filter((name) => name !== alias);
  return (
    <Dialog title={`Move ${alias}`} onClose={onClose}>
      <p>
        From then on, callers that name the alias use the other key. What this key has encrypted, it
        still decrypts.
      </p>
      <Form
        onSubmit={async () => {
          const TargetKeyId = await keyIdOf(target);
          const request = { AliasName: alias, TargetKeyId };
          if (!(await act(`${alias} points at ${target}.`, () => kms("updateAlias", request))))
            return;
          onClose();
          go(keyAddress(TargetKeyId === from ? from : TargetKeyId, "aliases"));
        }}
      >
        <Field
          label="To the key"
          value={target}
          onChange={setTarget}
          suggestions={names}
          hint="Key ID, ARN or another of its aliases. It has to be of the same kind."
          autofocus
          required
        />
        <button type="submit" class="primary">
          Move alias
        </button>
      </Form>
    </Dialog>
  );
}

/** UpdateAlias does not take aliases as a target. What cannot be found is left for it to refuse. */
async function keyIdOf(name: string): Promise<string> {
  try {
    return (await kms("describeKey", { KeyId: name })).KeyMetadata.Arn;
  } catch {
    return name;
  }
}
