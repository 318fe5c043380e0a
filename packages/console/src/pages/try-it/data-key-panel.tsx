/**
 * A data key.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { Act } from "../../access/act.tsx";
import { kms } from "../../aws/calls.ts";
import { Code } from "../../parts/code.tsx";
import { toastError } from "../../parts/toast.tsx";
import { Secret } from "./secret.tsx";
import type { PanelProps } from "./try-it-page.tsx";

export function DataKeyPanel({ metadata, context }: PanelProps) {
  const KeyId = metadata.Arn;
  const [plaintext, setPlaintext] = useState<string>();
  const [ciphertext, setCiphertext] = useState<string>();
  const generate = async (): Promise<void> => {
    try {
      const answer = await kms("generateDataKey", {
        KeyId,
        KeySpec: "AES_256",
        EncryptionContext: context,
      });
      setPlaintext(answer.Plaintext);
      setCiphertext(answer.CiphertextBlob);
    } catch (error) {
      toastError(error);
    }
  };
  return (
    <section class="card" aria-label="Data key">
      <h2>Generate a data key</h2>
      <div class="buttons">
        <Act
          asks={[{ action: "kms:GenerateDataKey", key: KeyId, encryptionContext: context }]}
          onPress={() => void generate()}
        >
          Generate
        </Act>
      </div>
      {plaintext !== undefined && (
        <Secret text={plaintext} label="plaintext" onWipe={() => setPlaintext(undefined)} />
      )}
      {ciphertext !== undefined && (
        <>
          <h3>Wrapped: goes with the data</h3>
          <Code text={ciphertext} label="ciphertext" />
        </>
      )}
    </section>
  );
}
