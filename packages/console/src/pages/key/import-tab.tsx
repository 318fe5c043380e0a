/**
 * The import of key material. It is wrapped outside, where it comes from: the page only ever has it encrypted.
 *
 * @module
 */
import type { GetParametersForImportResponse } from "@env/kms";
import { useState } from "preact/hooks";
import { act, Act } from "../../access/act.tsx";
import { kms } from "../../aws/calls.ts";
import type { Received } from "../../aws/wire.ts";
import { Code } from "../../parts/code.tsx";
import { Dialog, Form } from "../../parts/dialog.tsx";
import { Field, Select, TextArea } from "../../parts/field.tsx";
import { Facts, Time } from "../../parts/format.tsx";
import type { TabProps } from "./key.ts";

type Parameters = Received<GetParametersForImportResponse>;

const algorithms = ["RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_256"] as const;

export function ImportTab({ metadata }: TabProps) {
  const { Arn: KeyId, KeySpec } = metadata;
  const [algorithm, setAlgorithm] = useState<string>(
    KeySpec.startsWith("RSA") || KeySpec.startsWith("ML") ? algorithms[1] : algorithms[0],
  );
  const [parameters, setParameters] = useState<Parameters>();
  const [deleting, setDeleting] = useState(false);
  const begin = () =>
    act("The wrapping key is good for 24 hours.", async () => {
      const request = { KeyId, WrappingAlgorithm: algorithm, WrappingKeySpec: "RSA_4096" };
      setParameters(await kms("getParametersForImport", request));
    });
  return (
    <div class="stack">
      <section class="card" aria-label="Imported key material">
        <header>
          <h2>Imported key material</h2>
          <Act
            asks={[{ action: "kms:DeleteImportedKeyMaterial", key: KeyId }]}
            kind="danger"
            blocked={metadata.KeyState === "PendingImport" ? "There is no material." : undefined}
            onPress={() => setDeleting(true)}
          >
            Delete material…
          </Act>
        </header>
        <Facts
          facts={[
            ["State", metadata.KeyState === "PendingImport" ? "Waits for material" : "Imported"],
            [
              "Expires",
              metadata.ValidTo === undefined ? "never" : <Time date={metadata.ValidTo} exact />,
            ],
          ]}
        />
        <h3>1. Get a wrapping key</h3>
        <Select
          label="Wrapping algorithm"
          value={algorithm}
          onChange={setAlgorithm}
          options={algorithms}
        />
        <div class="buttons">
          <Act
            asks={[{ action: "kms:GetParametersForImport", key: KeyId }]}
            onPress={() => void begin()}
          >
            Get wrapping key
          </Act>
        </div>
      </section>
      {parameters !== undefined && (
        <Import
          KeyId={KeyId}
          algorithm={algorithm}
          parameters={parameters}
          onDone={() => setParameters(undefined)}
        />
      )}
      {deleting && (
        <Dialog title="Delete the key material?" onClose={() => setDeleting(false)}>
          <p>The key cannot be used until the same material is imported again.</p>
          <button
            type="button"
            class="danger primary"
            onClick={async () => {
              setDeleting(false);
              await act("The material is deleted.", () =>
                kms("deleteImportedKeyMaterial", { KeyId }),
              );
            }}
          >
            Delete material
          </button>
        </Dialog>
      )}
    </div>
  );
}

function Import({
  KeyId,
  algorithm,
  parameters: { PublicKey, ImportToken },
  onDone,
}: {
  readonly KeyId: string;
  readonly algorithm: string;
  readonly parameters: Parameters;
  readonly onDone: () => void;
}) {
  const [wrapped, setWrapped] = useState("");
  const [expires, setExpires] = useState("");
  const command = [
    `base64 -d > wrapping-key.der <<< '${PublicKey}'`,
    algorithm === "RSAES_OAEP_SHA_256"
      ? "openssl pkeyutl -encrypt -in material.bin -pubin -inkey wrapping-key.der -keyform DER \\\n  -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256 | base64 -w0"
      : "# AES key wrap with padding of the material, its key in front under RSA-OAEP: see RSA_AES_KEY_WRAP_SHA_256",
  ].join("\n");
  return (
    <section class="card" aria-label="Import">
      <h3>2. Wrap the material where it is</h3>
      <Code text={command} label="command" />
      <h3>3. Import it</h3>
      <Form
        onSubmit={async () => {
          const request = {
            KeyId,
            ImportToken,
            EncryptedKeyMaterial: wrapped.replaceAll(/\s/g, ""),
            ...(expires === ""
              ? { ExpirationModel: "KEY_MATERIAL_DOES_NOT_EXPIRE" }
              : { ExpirationModel: "KEY_MATERIAL_EXPIRES", ValidTo: new Date(expires) }),
          };
          if (await act("The material is imported.", () => kms("importKeyMaterial", request)))
            onDone();
        }}
      >
        <TextArea label="Wrapped material in base64" value={wrapped} onChange={setWrapped} />
        <Field
          label="Expires"
          type="date"
          value={expires}
          onChange={setExpires}
          hint="Empty: never."
        />
        <button type="submit" class="primary" disabled={wrapped.trim() === ""}>
          Import
        </button>
      </Form>
    </section>
  );
}
