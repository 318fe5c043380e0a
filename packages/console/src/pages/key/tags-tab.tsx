/**
 * The tags of a key.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { act, Act } from "../../access/act.tsx";
import { all, kms } from "../../aws/calls.ts";
import { Pairs, type Pair } from "../../parts/field.tsx";
import { Show, useLoaded } from "../../parts/loading.tsx";
import type { TabProps } from "./key.ts";

export function TagsTab({ metadata: { Arn: KeyId } }: TabProps) {
  const loaded = useLoaded(KeyId, () =>
    all(async (Marker) => {
      const page = await kms("listResourceTags", { KeyId, Marker });
      return {
        items: page.Tags.map(({ TagKey, TagValue }): Pair => [TagKey, TagValue]),
        next: page.NextMarker,
      };
    }),
  );
  const [draft, setDraft] = useState<readonly Pair[]>();
  return (
    <Show of={loaded}>
      {(tags) => (
        <section class="card" aria-label="Tags">
          <p class="notice">
            Policies can depend on tags: a change can allow and deny. Tags are not secret.
          </p>
          <Pairs label="Tags" nameLabel="Key" pairs={draft ?? tags} onChange={setDraft} />
          <div class="buttons">
            <Act
              asks={[
                { action: "kms:TagResource", key: KeyId },
                { action: "kms:UntagResource", key: KeyId },
              ]}
              kind="primary"
              blocked={draft === undefined ? "Nothing is changed." : undefined}
              onPress={async () => {
                if (await act("The tags are saved.", () => save(KeyId, tags, draft ?? tags)))
                  setDraft(undefined);
              }}
            >
              Save tags
            </Act>
            {draft !== undefined && (
              <button type="button" onClick={() => setDraft(undefined)}>
                Discard
              </button>
            )}
          </div>
        </section>
      )}
    </Show>
  );
}

async function save(KeyId: string, before: readonly Pair[], after: readonly Pair[]): Promise<void> {
  const now = new Map(after.filter(([name]) => name !== ""));
  const gone = before.map(([name]) => name).filter((name) => !now.has(name));
  const known = new Map(before);
  const Tags = [...now]
    .filter(([name, value]) => known.get(name) !== value)
    .map(([TagKey, TagValue]) => ({ TagKey, TagValue }));
  if (Tags.length > 0) await kms("tagResource", { KeyId, Tags });
  if (gone.length > 0) await kms("untagResource", { KeyId, TagKeys: gone });
}
