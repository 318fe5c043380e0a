/**
 * The Regions of a multi-Region key: further replicas, and which of them is the primary key.
 *
 * @module
 */
import type { ExplainRequest } from "@env/kms";
import { useState } from "preact/hooks";
import { act, Act } from "../../access/act.tsx";
import { kms } from "../../aws/calls.ts";
import { Dialog, Form } from "../../parts/dialog.tsx";
import { Field } from "../../parts/field.tsx";
import type { Key } from "./key.ts";

type Family = NonNullable<Key["MultiRegionConfiguration"]>;

export function Regions({ family: { PrimaryKey, ReplicaKeys } }: { readonly family: Family }) {
  const { Arn: KeyId, Region: primary } = PrimaryKey;
  const [replicating, setReplicating] = useState(false);
  const [next, setNext] = useState<string>();
  // Only the primary key has replicas made and names another one, and only in its Region.
  const ask = (action: string, key = KeyId, region = primary): ExplainRequest => ({
    action,
    key,
    session: { region },
  });
  return (
    <section class="card" aria-label="Regions">
      <header>
        <h2>Regions</h2>
        <Act asks={[ask("kms:ReplicateKey")]} onPress={() => setReplicating(true)}>
          Replicate…
        </Act>
      </header>
      <ul class="rows">
        <li>
          <code>{primary}</code> <span class="tag">primary</span>
        </li>
        {ReplicaKeys.map(({ Arn, Region }) => (
          <li key={Region}>
            <code>{Region}</code>
            <Act
              asks={[ask("kms:UpdatePrimaryRegion"), ask("kms:UpdatePrimaryRegion", Arn, Region)]}
              onPress={() => setNext(Region)}
            >
              Make primary…
            </Act>
          </li>
        ))}
      </ul>
      {replicating && (
        <Replicate KeyId={KeyId} primary={primary} onClose={() => setReplicating(false)} />
      )}
      {next !== undefined && (
        <Dialog title={`Make ${next} the primary Region?`} onClose={() => setNext(undefined)}>
          <p>
            The key in {primary} becomes a replica. Rotation and further replicas are then decided
            in {next}. Ciphertexts and callers are not affected.
          </p>
          <button
            type="button"
            class="primary"
            onClick={async () => {
              setNext(undefined);
              await act(`The primary Region is ${next}.`, () =>
                kms("updatePrimaryRegion", { KeyId, PrimaryRegion: next }, primary),
              );
            }}
          >
            Make primary
          </button>
        </Dialog>
      )}
    </section>
  );
}

function Replicate({
  KeyId,
  primary,
  onClose,
}: {
  readonly KeyId: string;
  readonly primary: string;
  readonly onClose: () => void;
}) {
  const [region, setRegion] = useState("");
  return (
    <Dialog title="Replicate into another Region" onClose={onClose}>
      <Form
        onSubmit={async () => {
          const request = { KeyId, ReplicaRegion: region };
          const isDone = await act(`The key is replicated into ${region}.`, () =>
            kms("replicateKey", request, primary),
          );
          if (isDone) onClose();
        }}
      >
        <Field
          label="Region"
          value={region}
          onChange={setRegion}
          pattern="[a-z0-9\-]{1,32}"
          placeholder="us-west-2"
          hint="The replica has the same material. Its policy leaves it to the account, and it has no tags or aliases."
          required
          autofocus
        />
        <button type="submit" class="primary">
          Replicate
        </button>
      </Form>
    </Dialog>
  );
}
