/**
 * A new key, in four steps on one page, with a summary and the equivalent call.
 *
 * @module
 */
import { keySpecs, keyUsages } from "@env/kms/catalogue";
import type { KeySpec, KeyUsage } from "@env/kms";
import { useState } from "preact/hooks";
import { useLocation } from "wouter-preact";
import { Act } from "../../access/act.tsx";
import { kms } from "../../aws/calls.ts";
import { Form } from "../../parts/dialog.tsx";
import { Checkbox, Field, Pairs, Select, TextArea, toMap, type Pair } from "../../parts/field.tsx";
import { Facts, keyAddress, words } from "../../parts/format.tsx";
import { Page } from "../../parts/page.tsx";
import { toast, toastError } from "../../parts/toast.tsx";
import { accountPolicy, toText } from "../../policy/key-policy.ts";
import { PolicyEditor } from "../../policy/policy-editor.tsx";
import { PolicyForm } from "../../policy/policy-form.tsx";
import { changed } from "../../session/reach.ts";
import { session } from "../../session/session.ts";
import { kmsCall, type ShownCall } from "../../show-as/call.ts";
import { Forms } from "../../show-as/show-as.tsx";
import { keyTerraform } from "../key/key-terraform.ts";

const steps = ["Kind", "Labels", "Who may", "Summary"] as const;

const purposes: Readonly<Record<KeyUsage, readonly [title: string, hint: string]>> = {
  ENCRYPT_DECRYPT: ["Encrypt and decrypt", "Wraps data keys. The usual choice."],
  SIGN_VERIFY: ["Sign and verify", "Signatures with a private key that stays here."],
  GENERATE_VERIFY_MAC: ["Generate and verify MACs", "HMAC, such as for tokens."],
  KEY_AGREEMENT: ["Agree on keys", "ECDH with somebody's public key."],
  ENCAPSULATE_DECAPSULATE: ["Encapsulate and decapsulate", "ML-KEM, against quantum computers."],
};

function specsFor(usage: KeyUsage): readonly string[] {
  return Object.entries(keySpecs).flatMap(([spec, { usages }]) =>
    usages.includes(usage) ? [spec] : [],
  );
}

export function CreateKeyPage() {
  const [step, setStep] = useState(0);
  const [usage, setUsage] = useState<KeyUsage>("ENCRYPT_DECRYPT");
  const [spec, setSpec] = useState("SYMMETRIC_DEFAULT");
  const [isImported, setImported] = useState(false);
  const [isMultiRegion, setMultiRegion] = useState(false);
  const [alias, setAlias] = useState("");
  const [description, setDescription] = useState("");
  const [tags, setTags] = useState<readonly Pair[]>([]);
  const [rotates, setRotates] = useState(true);
  const [policy, setPolicy] = useState(() => toText(accountPolicy(session.value?.accountId ?? "")));
  const [busy, setBusy] = useState(false);
  const [, go] = useLocation();

  const mayRotate = spec === "SYMMETRIC_DEFAULT" && !isImported;
  const named = alias === "" ? undefined : `alias/${alias.replace(/^alias\//, "")}`;
  const tagMap = toMap(tags);
  const request = {
    ...(description === "" ? {} : { Description: description }),
    KeySpec: spec,
    KeyUsage: usage,
    ...(isImported ? { Origin: "EXTERNAL" } : {}),
    ...(isMultiRegion ? { MultiRegion: true } : {}),
    Policy: JSON.stringify(JSON.parse(valid(policy)) as unknown),
    ...(tagMap === undefined
      ? {}
      : { Tags: Object.entries(tagMap).map(([TagKey, TagValue]) => ({ TagKey, TagValue })) }),
  };
  const calls: readonly ShownCall[] = [
    kmsCall("CreateKey", request, {
      terraform: keyTerraform(request, named === undefined ? [] : [named], {
        policy: request.Policy,
        ...(tagMap === undefined ? {} : { tags: tagMap }),
        ...(mayRotate && rotates ? { rotationDays: 365 } : {}),
      }),
      ...(named === undefined ? {} : { envelope: `keys create --alias ${named}` }),
    }),
    ...(named === undefined
      ? []
      : [kmsCall("CreateAlias", { AliasName: named, TargetKeyId: "KEY_ID_FROM_CREATE_KEY" })]),
    ...(mayRotate && rotates
      ? [kmsCall("EnableKeyRotation", { KeyId: named ?? "KEY_ID_FROM_CREATE_KEY" })]
      : []),
  ];

  const create = async (): Promise<void> => {
    setBusy(true);
    try {
      const { KeyMetadata } = await kms("createKey", request);
      const { KeyId, Arn } = KeyMetadata;
      toast("The key is created.");
      // The key is there: what fails now is said, and can be done on its page.
      if (named !== undefined)
        await attempt(kms("createAlias", { AliasName: named, TargetKeyId: KeyId }));
      if (mayRotate && rotates) await attempt(kms("enableKeyRotation", { KeyId }));
      go(keyAddress(Arn, isImported ? "import" : undefined));
    } catch (error) {
      toastError(error);
    } finally {
      setBusy(false);
      changed();
    }
  };

  return (
    <Page title="Create key" calls={calls}>
      <ol class="steps">
        {steps.map((title, index) => (
          <li key={title}>
            <button
              type="button"
              aria-current={index === step ? "step" : undefined}
              onClick={() => setStep(index)}
            >
              {index + 1}. {title}
            </button>
          </li>
        ))}
      </ol>
      <Form class="wizard" onSubmit={() => step < steps.length - 1 && setStep(step + 1)}>
        {step === 0 && (
          <>
            <fieldset class="purposes">
              <legend>What is it for?</legend>
              {keyUsages.map((each) => (
                <label key={each} class="purpose">
                  <input
                    type="radio"
                    name="usage"
                    checked={usage === each}
                    onChange={() => {
                      setUsage(each);
                      setSpec(specsFor(each)[0] ?? "SYMMETRIC_DEFAULT");
                    }}
                  />
                  <span>
                    {purposes[each][0]} <small>{purposes[each][1]}</small>
                  </span>
                </label>
              ))}
            </fieldset>
            <div class="row">
              <Select
                label="Spec"
                value={spec}
                onChange={setSpec}
                options={specsFor(usage)}
                hint={algorithmsOf(spec, usage)}
              />
            </div>
            <details>
              <summary class="small">Advanced</summary>
              <div class="stack">
                <Checkbox
                  label="I import the key material"
                  checked={isImported}
                  onChange={setImported}
                />
                <Checkbox
                  label="Multi-Region: the same key can be replicated to other Regions"
                  checked={isMultiRegion}
                  onChange={setMultiRegion}
                />
              </div>
            </details>
          </>
        )}
        {step === 1 && (
          <>
            <Field
              label="Alias"
              value={alias}
              onChange={setAlias}
              placeholder="orders"
              pattern="(alias\/)?[a-zA-Z0-9\/_\-]+"
              hint="A name that can be moved to another key later."
              autofocus
            />
            <TextArea label="Description" value={description} onChange={setDescription} rows={2} />
            <Pairs label="Tags" nameLabel="Key" pairs={tags} onChange={setTags} />
            {mayRotate && (
              <Checkbox
                label="Rotate it automatically every 365 days"
                checked={rotates}
                onChange={setRotates}
              />
            )}
          </>
        )}
        {step === 2 && (
          <>
            <PolicyForm text={policy} usage={usage} onChange={setPolicy} />
            <PolicyEditor label="Key policy" text={policy} onChange={setPolicy} />
          </>
        )}
        {step === 3 && (
          <section class="card" aria-label="Summary">
            <Facts
              facts={[
                [
                  "Alias",
                  named === undefined ? <span class="none">none</span> : <bdi>{named}</bdi>,
                ],
                ["Spec", spec],
                ["Usage", words(usage.toLowerCase().replaceAll("_", " "))],
                ["Material", isImported ? "imported by you" : "made here"],
                ["Rotation", mayRotate && rotates ? "every 365 days" : "off"],
                ["Regionality", isMultiRegion ? "multi-Region" : "single Region"],
                [
                  "Tags",
                  tagMap === undefined
                    ? "none"
                    : Object.entries(tagMap)
                        .map(([k, v]) => `${k}=${v}`)
                        .join(", "),
                ],
              ]}
            />
            <h3>The same as</h3>
            <Forms calls={calls} />
          </section>
        )}
        <div class="buttons">
          {step < steps.length - 1 ? (
            <button type="submit" class="primary">
              Next: {steps[step + 1]}
            </button>
          ) : (
            <Act
              asks={[{ action: "kms:CreateKey" }]}
              kind="primary"
              blocked={busy ? "The key is being created." : undefined}
              onPress={() => void create()}
            >
              Create key
            </Act>
          )}
          {step > 0 && (
            <button type="button" onClick={() => setStep(step - 1)}>
              Back
            </button>
          )}
        </div>
      </Form>
    </Page>
  );
}

async function attempt(call: Promise<unknown>): Promise<void> {
  await call.catch(toastError);
}

/** Text that parses: what does not is sent as it is, so that the server says what is wrong with it. */
function valid(policy: string): string {
  try {
    JSON.parse(policy);
    return policy;
  } catch {
    return JSON.stringify(policy);
  }
}

function algorithmsOf(spec: string, usage: KeyUsage): string {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- The options are the names of the table.
  const facts = keySpecs[spec as KeySpec];
  const lists: Readonly<Record<KeyUsage, readonly string[]>> = {
    ENCRYPT_DECRYPT: facts.encryption,
    SIGN_VERIFY: facts.signing,
    GENERATE_VERIFY_MAC: facts.mac,
    KEY_AGREEMENT: facts.agreement,
    ENCAPSULATE_DECAPSULATE: facts.encapsulation,
  };
  return lists[usage].join(", ");
}
