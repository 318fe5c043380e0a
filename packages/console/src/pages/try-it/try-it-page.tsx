/**
 * A key, tried: data keys, encryption, signatures, MACs. Plaintext stays in the page, and is wiped from it.
 *
 * @module
 */
import { useEffect, useState } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { kms } from "../../aws/calls.ts";
import { Field, Pairs, toMap, type Pair } from "../../parts/field.tsx";
import { Form } from "../../parts/dialog.tsx";
import { Show, useLoaded } from "../../parts/loading.tsx";
import { Page, useParameter } from "../../parts/page.tsx";
import { kmsCall } from "../../show-as/call.ts";
import type { Key } from "../key/key.ts";
import { useSummaries } from "../keys/summaries.ts";
import { DecryptPanel, EncryptPanel } from "./encrypt-panels.tsx";
import { DataKeyPanel } from "./data-key-panel.tsx";
import { MacPanel, SignPanel } from "./sign-panels.tsx";

export function TryItPage() {
  const key = useParameter("key") ?? "";
  const [typed, setTyped] = useState(key);
  const [, go] = useLocation();
  const { keys } = useSummaries();
  useEffect(() => setTyped(key), [key]);
  const names = keys.flatMap(({ Aliases = [], KeyArn, Metadata }) =>
    Metadata?.KeyState === "Enabled" ? [Aliases[0] ?? KeyArn] : [],
  );
  const loaded = useLoaded(
    key === "" ? undefined : key,
    async () => (await kms("describeKey", { KeyId: key })).KeyMetadata,
  );
  return (
    <Page
      title="Try it"
      subtitle="These are real calls: they are decided, recorded and counted like any other."
      calls={[
        kmsCall("GenerateDataKey", { KeyId: key || "alias/app", KeySpec: "AES_256" }),
        kmsCall("Encrypt", { KeyId: key || "alias/app", Plaintext: "aGVsbG8=" }),
        kmsCall("Decrypt", { KeyId: key || "alias/app", CiphertextBlob: "CIPHERTEXT_IN_BASE64" }),
      ]}
    >
      <div class="stack">
        <Form class="asking" onSubmit={() => go(`/try-it?key=${encodeURIComponent(typed.trim())}`)}>
          <Field
            label="Key"
            value={typed}
            onChange={setTyped}
            suggestions={names}
            placeholder="alias/orders"
            required
          />
          <button type="submit" class={key === "" ? "primary" : ""}>
            Use this key
          </button>
        </Form>
        {key !== "" && (
          <Show of={loaded}>{(metadata) => <Panels key={metadata.Arn} metadata={metadata} />}</Show>
        )}
      </div>
    </Page>
  );
}

/** What each panel is given. */
export interface PanelProps {
  readonly metadata: Key;
  readonly context: Record<string, string> | undefined;
}

function Panels({ metadata }: { readonly metadata: Key }) {
  const [pairs, setPairs] = useState<readonly Pair[]>([]);
  const props = { metadata, context: toMap(pairs) };
  const hasContext = metadata.KeySpec === "SYMMETRIC_DEFAULT";
  return (
    <>
      {hasContext && (
        <Pairs
          label="Encryption context: authenticated, not secret, and in the log"
          pairs={pairs}
          onChange={setPairs}
        />
      )}
      <div class="panels">
        {hasContext && <DataKeyPanel {...props} />}
        {metadata.KeyUsage === "ENCRYPT_DECRYPT" && (
          <>
            <EncryptPanel {...props} />
            <DecryptPanel {...props} />
          </>
        )}
        {metadata.KeyUsage === "SIGN_VERIFY" && <SignPanel {...props} />}
        {metadata.KeyUsage === "GENERATE_VERIFY_MAC" && <MacPanel {...props} />}
        {(metadata.KeyUsage === "KEY_AGREEMENT" ||
          metadata.KeyUsage === "ENCAPSULATE_DECAPSULATE") && (
          <p class="notice">Secrets of these keys are for programs: “Show as” has the calls.</p>
        )}
      </div>
    </>
  );
}
