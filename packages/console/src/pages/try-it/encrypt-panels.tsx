/**
 * Encryption and decryption of a text.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { Act } from "../../access/act.tsx";
import { kms } from "../../aws/calls.ts";
import { fromBase64, toBase64 } from "../../aws/wire.ts";
import { Code } from "../../parts/code.tsx";
import { TextArea } from "../../parts/field.tsx";
import { messageOf, toastError } from "../../parts/toast.tsx";
import { Secret } from "./secret.tsx";
import type { PanelProps } from "./try-it-page.tsx";

export function EncryptPanel({ metadata, context }: PanelProps) {
  const KeyId = metadata.Arn;
  const [text, setText] = useState("");
  const [ciphertext, setCiphertext] = useState<string>();
  const encrypt = async (): Promise<void> => {
    const bytes = new TextEncoder().encode(text);
    try {
      const request = {
        KeyId,
        Plaintext: toBase64(bytes),
        ...withAlgorithm(metadata),
        EncryptionContext: context,
      };
      setCiphertext((await kms("encrypt", request)).CiphertextBlob);
      setText("");
    } catch (error) {
      toastError(error);
    } finally {
      bytes.fill(0);
    }
  };
  return (
    <section class="card" aria-label="Encrypt">
      <h2>Encrypt</h2>
      <TextArea
        label="Text"
        value={text}
        onChange={setText}
        rows={3}
        hint="At most 4,096 bytes. It is wiped once it is encrypted."
      />
      <div class="buttons">
        <Act
          asks={[{ action: "kms:Encrypt", key: KeyId, encryptionContext: context }]}
          blocked={text === "" ? "There is no text." : undefined}
          onPress={() => void encrypt()}
        >
          Encrypt
        </Act>
      </div>
      {ciphertext !== undefined && <Code text={ciphertext} label="ciphertext" />}
    </section>
  );
}

export function DecryptPanel({ metadata, context }: PanelProps) {
  const KeyId = metadata.Arn;
  const [blob, setBlob] = useState("");
  const [plaintext, setPlaintext] = useState<string>();
  const [problem, setProblem] = useState("");
  const decrypt = async (): Promise<void> => {
    setProblem("");
    try {
      const request = {
        KeyId,
        CiphertextBlob: blob.replaceAll(/\s/g, ""),
        ...withAlgorithm(metadata),
        EncryptionContext: context,
      };
      const bytes = fromBase64((await kms("decrypt", request)).Plaintext);
      setPlaintext(toText(bytes));
      bytes.fill(0);
    } catch (error) {
      setProblem(messageOf(error));
    }
  };
  return (
    <section class="card" aria-label="Decrypt">
      <h2>Decrypt</h2>
      <TextArea label="Ciphertext in base64" value={blob} onChange={setBlob} rows={3} />
      <div class="buttons">
        <Act
          asks={[{ action: "kms:Decrypt", key: KeyId, encryptionContext: context }]}
          blocked={blob === "" ? "There is no ciphertext." : undefined}
          onPress={() => void decrypt()}
        >
          Decrypt
        </Act>
      </div>
      {problem !== "" && (
        <p class="notice refused" role="alert">
          {problem}
        </p>
      )}
      {plaintext !== undefined && (
        <Secret text={plaintext} label="plaintext" onWipe={() => setPlaintext(undefined)} />
      )}
    </section>
  );
}

/** RSA keys have several algorithms: the newest is last. */
function withAlgorithm({ EncryptionAlgorithms = [] }: PanelProps["metadata"]) {
  const algorithm = EncryptionAlgorithms.at(-1);
  return algorithm === undefined ? {} : { EncryptionAlgorithm: algorithm };
}

/** Text, or base64 of bytes that are not. */
function toText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return toBase64(bytes);
  }
}
