/**
 * The rotation of a key: automatic, now, and its history.
 *
 * @module
 */
import type { KeyRotation } from "@env/kms";
import { useState } from "preact/hooks";
import { act, Act } from "../../access/act.tsx";
import { all, kms } from "../../aws/calls.ts";
import type { Received } from "../../aws/wire.ts";
import { Dialog, Form } from "../../parts/dialog.tsx";
import { Field } from "../../parts/field.tsx";
import { Facts, State, Time, words } from "../../parts/format.tsx";
import { Show, useLoaded } from "../../parts/loading.tsx";
import { Table, type TableColumn } from "../../parts/table.tsx";
import type { TabProps } from "./key.ts";

export function RotationTab({ metadata: { Arn: KeyId, Origin } }: TabProps) {
  const [open, setOpen] = useState<"now" | "period">();
  const loaded = useLoaded(KeyId, async () => {
    const [status, rotations] = await Promise.all([
      kms("getKeyRotationStatus", { KeyId }),
      all(async (Marker) => {
        const page = await kms("listKeyRotations", {
          KeyId,
          Marker,
          IncludeKeyMaterial: "ALL_KEY_MATERIAL",
        });
        return { items: page.Rotations, next: page.NextMarker };
      }),
    ]);
    return { status, rotations };
  });
  const asks = (action: string) => [{ action, key: KeyId }];
  const isImported = Origin === "EXTERNAL";
  return (
    <Show of={loaded}>
      {({ status, rotations }) => (
        <div class="stack">
          <section class="card" aria-label="Automatic rotation">
            <header>
              <h2>Automatic rotation</h2>
              <div class="buttons">
                <Act
                  asks={asks("kms:RotateKeyOnDemand")}
                  kind="primary"
                  onPress={() => setOpen("now")}
                >
                  Rotate now
                </Act>
                <Act
                  asks={asks("kms:EnableKeyRotation")}
                  blocked={
                    isImported
                      ? "Imported material is rotated by importing new material."
                      : undefined
                  }
                  onPress={() => setOpen("period")}
                >
                  {status.KeyRotationEnabled ? "Change period" : "Turn on"}
                </Act>
                {status.KeyRotationEnabled && (
                  <Act
                    asks={asks("kms:DisableKeyRotation")}
                    onPress={() =>
                      void act("Automatic rotation is off.", () =>
                        kms("disableKeyRotation", { KeyId }),
                      )
                    }
                  >
                    Turn off
                  </Act>
                )}
              </div>
            </header>
            <Facts
              facts={[
                ["State", status.KeyRotationEnabled ? "On" : "Off"],
                [
                  "Period",
                  status.RotationPeriodInDays === undefined
                    ? "—"
                    : `${status.RotationPeriodInDays} days`,
                ],
                ["Next", <Time date={status.NextRotationDate} exact />],
                [
                  "On demand",
                  `${rotations.filter(({ RotationType }) => RotationType === "ON_DEMAND").length} of 25 used`,
                ],
              ]}
            />
            <p class="notice">
              New data is encrypted under the newest material. Older material goes on decrypting:
              nothing has to be re-encrypted. Which data keys are still under an older one,{" "}
              <code>envelope config report</code> counts, and <code>envelope rewrap</code> renews.
            </p>
          </section>
          <Table
            name="rotations"
            rows={rotations.toReversed()}
            columns={columns}
            keyOf={({ KeyMaterialId }) => KeyMaterialId}
            empty="There is no material yet."
          />
          {open === "now" && (
            <Dialog title="Rotate now?" onClose={() => setOpen(undefined)}>
              <p>
                A new key material encrypts from now on. This cannot be taken back, and can be done
                25 times.
              </p>
              <button
                type="button"
                class="primary"
                onClick={async () => {
                  setOpen(undefined);
                  await act("The key is rotated.", () => kms("rotateKeyOnDemand", { KeyId }));
                }}
              >
                Rotate key
              </button>
            </Dialog>
          )}
          {open === "period" && (
            <Period
              KeyId={KeyId}
              days={status.RotationPeriodInDays ?? 365}
              onClose={() => setOpen(undefined)}
            />
          )}
        </div>
      )}
    </Show>
  );
}

function Period({
  KeyId,
  days,
  onClose,
}: {
  readonly KeyId: string;
  readonly days: number;
  readonly onClose: () => void;
}) {
  const [period, setPeriod] = useState(String(days));
  return (
    <Dialog title="Automatic rotation" onClose={onClose}>
      <Form
        onSubmit={async () => {
          const request = { KeyId, RotationPeriodInDays: Number(period) };
          if (await act("Automatic rotation is on.", () => kms("enableKeyRotation", request)))
            onClose();
        }}
      >
        <Field
          label="Period in days"
          type="number"
          min="90"
          max="2560"
          value={period}
          onChange={setPeriod}
          hint="90 to 2,560."
          required
        />
        <button type="submit" class="primary">
          Save
        </button>
      </Form>
    </Dialog>
  );
}

type Row = Received<KeyRotation>;

const columns: readonly TableColumn<Row>[] = [
  {
    id: "date",
    title: "Since",
    heading: true,
    text: ({ RotationDate }) => RotationDate?.toISOString() ?? "creation",
    order: ({ RotationDate }) => RotationDate?.getTime() ?? 0,
    cell: ({ RotationDate }) =>
      RotationDate === undefined ? "creation of the key" : <Time date={RotationDate} exact />,
  },
  {
    id: "type",
    title: "Type",
    text: ({ RotationType }) =>
      RotationType === undefined ? "" : words(RotationType.replace("_", " ")),
  },
  {
    id: "state",
    title: "State",
    text: ({ KeyMaterialState }) => KeyMaterialState,
    cell: ({ KeyMaterialState }) => <State state={KeyMaterialState.replaceAll("_", " ")} />,
  },
  { id: "material", title: "Key material", text: ({ KeyMaterialId }) => KeyMaterialId },
  {
    id: "expires",
    title: "Expires",
    text: ({ ValidTo }) => ValidTo?.toISOString() ?? "",
    cell: ({ ValidTo }) => <Time date={ValidTo} />,
    optional: true,
  },
];
