/**
 * What a key is, and what it is for.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { act, Act } from "../../access/act.tsx";
import { kms } from "../../aws/calls.ts";
import { Code } from "../../parts/code.tsx";
import { Dialog, Form } from "../../parts/dialog.tsx";
import { TextArea } from "../../parts/field.tsx";
import { day, Facts, keyAddress, PrincipalName, Time, words } from "../../parts/format.tsx";
import { Show, useLoaded } from "../../parts/loading.tsx";
import { lastUseOf, type Key, type TabProps } from "./key.ts";
import { Regions } from "./regions.tsx";

export function GeneralTab({ metadata, aliases }: TabProps) {
  const { Arn, KeyId, Description, KeyManager } = metadata;
  const use = useLoaded(Arn, () => lastUseOf(Arn));
  return (
    <div class="stack">
      <section class="card" aria-label="General">
        <header>
          <h2>General</h2>
          {KeyManager === "CUSTOMER" && <EditDescription metadata={metadata} />}
        </header>
        <Facts
          facts={[
            [
              "Description",
              Description === "" ? <span class="none">none</span> : <bdi>{Description}</bdi>,
            ],
            [
              "Aliases",
              aliases.length === 0 ? (
                <Link href={keyAddress(Arn, "aliases")}>Create one</Link>
              ) : (
                aliases.map((alias) => (
                  <bdi key={alias} class="tag">
                    {alias}
                  </bdi>
                ))
              ),
            ],
            ["Key ID", <code>{KeyId}</code>],
            ["Created", <Time date={metadata.CreationDate} exact />],
            ["Managed by", KeyManager === "AWS" ? "AWS service" : "You"],
            ["Last used", <Show of={use}>{(value) => <LastUse {...value} />}</Show>],
            ...deletionOf(metadata),
            ["Regionality", regionalityOf(metadata)],
          ]}
        />
      </section>
      <section class="card" aria-label="Cryptographic configuration">
        <h2>Cryptographic configuration</h2>
        <Facts
          facts={[
            ["Spec", metadata.KeySpec],
            ["Usage", words(metadata.KeyUsage.toLowerCase().replaceAll("_", " "))],
            ["Origin", metadata.Origin],
            ["Algorithms", algorithmsOf(metadata).join(", ")],
            ...(metadata.CurrentKeyMaterialId === undefined
              ? []
              : [["Current key material", <code>{metadata.CurrentKeyMaterialId}</code>] as const]),
          ]}
        />
        {isAsymmetric(metadata) && <PublicKey KeyId={Arn} />}
      </section>
      {metadata.MultiRegionConfiguration !== undefined && (
        <Regions family={metadata.MultiRegionConfiguration} />
      )}
    </div>
  );
}

function LastUse({ LastUse: use }: Awaited<ReturnType<typeof lastUseOf>>) {
  if (use === undefined) return <span class="none">not visible to you</span>;
  if (use === null) return <span class="none">never</span>;
  return (
    <span>
      <Time date={use.Time} /> ({use.Operation}
      {use.Principal !== undefined && (
        <>
          {" "}
          by <PrincipalName arn={use.Principal} />
        </>
      )}
      )
    </span>
  );
}

function deletionOf({ DeletionDate }: Key) {
  return DeletionDate === undefined ? [] : ([["To be deleted", day(DeletionDate)]] as const);
}

function regionalityOf({ MultiRegionConfiguration: family }: Key): string {
  return family === undefined
    ? "Single Region"
    : `Multi-Region, ${family.MultiRegionKeyType.toLowerCase()}`;
}

export function algorithmsOf(key: Key): readonly string[] {
  return (
    key.EncryptionAlgorithms ??
    key.SigningAlgorithms ??
    key.MacAlgorithms ??
    key.KeyAgreementAlgorithms ??
    key.EncapsulationAlgorithms ??
    []
  );
}

function isAsymmetric({ KeySpec }: Key): boolean {
  return KeySpec !== "SYMMETRIC_DEFAULT" && !KeySpec.startsWith("HMAC");
}

function PublicKey({ KeyId }: { readonly KeyId: string }) {
  const loaded = useLoaded(KeyId, () => kms("getPublicKey", { KeyId }));
  return (
    <>
      <h3>Public key</h3>
      <Show of={loaded}>
        {({ PublicKey: der }) => (
          <Code
            label="public key in PEM"
            text={`-----BEGIN PUBLIC KEY-----\n${der.replaceAll(/.{64}(?=.)/g, "$&\n")}\n-----END PUBLIC KEY-----\n`}
          />
        )}
      </Show>
    </>
  );
}

function EditDescription({ metadata: { Arn: KeyId, Description } }: { readonly metadata: Key }) {
  const [text, setText] = useState<string>();
  return (
    <>
      <Act
        asks={[{ action: "kms:UpdateKeyDescription", key: KeyId }]}
        onPress={() => setText(Description)}
      >
        Edit description
      </Act>
      {text !== undefined && (
        <Dialog title="Description" onClose={() => setText(undefined)}>
          <Form
            onSubmit={async () => {
              const isDone = await act("The description is changed.", () =>
                kms("updateKeyDescription", { KeyId, Description: text }),
              );
              if (isDone) setText(undefined);
            }}
          >
            <TextArea
              label="Description"
              value={text}
              onChange={setText}
              hint="At most 8,192 characters."
            />
            <button type="submit" class="primary">
              Save
            </button>
          </Form>
        </Dialog>
      )}
    </>
  );
}
