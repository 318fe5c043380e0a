/**
 * Signatures and MACs of a text.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { Act } from "../../access/act.tsx";
import { kms } from "../../aws/calls.ts";
import { toBase64 } from "../../aws/wire.ts";
import { Select, TextArea } from "../../parts/field.tsx";
import { messageOf, toast, toastError } from "../../parts/toast.tsx";
import { algorithmsOf } from "../key/general-tab.tsx";
import type { PanelProps } from "./try-it-page.tsx";

export function SignPanel({ metadata }: PanelProps) {
  return (
    <MessagePanel
      metadata={metadata}
      title="Sign and verify"
      word="signature"
      actions={["kms:Sign", "kms:Verify"]}
      make={async (Message, SigningAlgorithm) =>
        (await kms("sign", { KeyId: metadata.Arn, Message, MessageType: "RAW", SigningAlgorithm }))
          .Signature
      }
      check={async (Message, SigningAlgorithm, Signature) =>
        (
          await kms("verify", {
            KeyId: metadata.Arn,
            Message,
            MessageType: "RAW",
            SigningAlgorithm,
            Signature,
          })
        ).SignatureValid
      }
    />
  );
}

export function MacPanel({ metadata }: PanelProps) {
  return (
    <MessagePanel
      metadata={metadata}
      title="Generate and verify a MAC"
      word="MAC"
      actions={["kms:GenerateMac", "kms:VerifyMac"]}
      make={async (Message, MacAlgorithm) =>
        (await kms("generateMac", { KeyId: metadata.Arn, Message, MacAlgorithm })).Mac
      }
      check={async (Message, MacAlgorithm, Mac) =>
        (await kms("verifyMac", { KeyId: metadata.Arn, Message, MacAlgorithm, Mac })).MacValid
      }
    />
  );
}

interface MessagePanelProps {
  readonly metadata: PanelProps["metadata"];
  readonly title: string;
  readonly word: string;
  readonly actions: readonly [make: string, check: string];
  readonly make: (message: string, algorithm: string) => Promise<string>;
  readonly check: (message: string, algorithm: string, made: string) => Promise<boolean>;
}

function MessagePanel({ metadata, title, word, actions, make, check }: MessagePanelProps) {
  const algorithms = algorithmsOf(metadata);
  const [algorithm, setAlgorithm] = useState(algorithms[0] ?? "");
  const [text, setText] = useState("");
  const [made, setMade] = useState("");
  const message = () => toBase64(new TextEncoder().encode(text));
  const asks = (action: string) => [{ action, key: metadata.Arn }];
  return (
    <section class="card" aria-label={title}>
      <h2>{title}</h2>
      <Select label="Algorithm" value={algorithm} onChange={setAlgorithm} options={algorithms} />
      <TextArea label="Text" value={text} onChange={setText} rows={3} />
      <TextArea
        label={`${word.charAt(0).toUpperCase()}${word.slice(1)} in base64`}
        value={made}
        onChange={setMade}
        rows={3}
      />
      <div class="buttons">
        <Act
          asks={asks(actions[0])}
          blocked={text === "" ? "There is no text." : undefined}
          onPress={() => void run(async () => setMade(await make(message(), algorithm)))}
        >
          Make {word}
        </Act>
        <Act
          asks={asks(actions[1])}
          blocked={text === "" || made === "" ? `There is no text or no ${word}.` : undefined}
          onPress={() =>
            void run(async () => {
              const isValid = await check(message(), algorithm, made.replaceAll(/\s/g, "")).catch(
                (error: unknown) => {
                  toast(messageOf(error), "failed");
                  return false;
                },
              );
              if (isValid) toast(`The ${word} verifies.`);
            })
          }
        >
          Verify
        </Act>
      </div>
    </section>
  );
}

async function run(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    toastError(error);
  }
}
