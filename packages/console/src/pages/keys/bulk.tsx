/**
 * What is done with many keys at once.
 *
 * @module
 */
import type { ExplainRequest } from "@env/kms";
import { useState } from "preact/hooks";
import { Act } from "../../access/act.tsx";
import { kms } from "../../aws/calls.ts";
import { Dialog, Form } from "../../parts/dialog.tsx";
import { Pairs, type Pair } from "../../parts/field.tsx";
import { count } from "../../parts/format.tsx";
import { messageOf, toast } from "../../parts/toast.tsx";
import { changed } from "../../session/reach.ts";
import { DeleteKeys } from "../key/delete-keys.tsx";
import type { Summary } from "./summaries.ts";

/** Keys whose permissions are asked beforehand. The calls for the others say it themselves. */
const ASKED = 64;
/** Calls at a time. */
const AT_ONCE = 4;

export function Bulk({
  keys,
  onDone,
}: {
  readonly keys: readonly Summary[];
  readonly onDone: () => void;
}) {
  const [dialog, setDialog] = useState<"delete" | "tag">();
  const asks = (action: string): ExplainRequest[] =>
    keys.slice(0, ASKED).map(({ KeyArn }) => ({ action, key: KeyArn }));
  const close = () => setDialog(undefined);
  const run = async (done: string, call: (key: string) => Promise<unknown>): Promise<void> => {
    await forAll(
      done,
      keys.map(({ KeyArn }) => KeyArn),
      call,
    );
    onDone();
  };
  return (
    <div class="buttons" role="group" aria-label={`${count(keys.length, "key")} selected`}>
      <Act
        asks={asks("kms:EnableKey")}
        onPress={() => void run("enabled", (KeyId) => kms("enableKey", { KeyId }))}
      >
        Enable
      </Act>
      <Act
        asks={asks("kms:DisableKey")}
        onPress={() => void run("disabled", (KeyId) => kms("disableKey", { KeyId }))}
      >
        Disable
      </Act>
      <Act asks={asks("kms:TagResource")} onPress={() => setDialog("tag")}>
        Tag…
      </Act>
      <Act asks={asks("kms:ScheduleKeyDeletion")} kind="danger" onPress={() => setDialog("delete")}>
        Schedule deletion…
      </Act>
      {dialog === "delete" && (
        <DeleteKeys
          keys={keys}
          onClose={close}
          onConfirm={async (PendingWindowInDays) => {
            close();
            await run("scheduled for deletion", (KeyId) =>
              kms("scheduleKeyDeletion", { KeyId, PendingWindowInDays }),
            );
          }}
        />
      )}
      {dialog === "tag" && (
        <TagKeys
          number={keys.length}
          onClose={close}
          onConfirm={async (tags) => {
            close();
            const Tags = tags.map(([TagKey, TagValue]) => ({ TagKey, TagValue }));
            await run("tagged", (KeyId) => kms("tagResource", { KeyId, Tags }));
          }}
        />
      )}
    </div>
  );
}

function TagKeys({
  number,
  onClose,
  onConfirm,
}: {
  readonly number: number;
  readonly onClose: () => void;
  readonly onConfirm: (tags: readonly Pair[]) => Promise<void>;
}) {
  const [pairs, setPairs] = useState<readonly Pair[]>([["", ""]]);
  const named = pairs.filter(([name]) => name !== "");
  return (
    <Dialog title={`Tag ${count(number, "key")}`} onClose={onClose}>
      <Form onSubmit={() => onConfirm(named)}>
        <Pairs label="Tags to add or replace" pairs={pairs} onChange={setPairs} />
        <button type="submit" class="primary" disabled={named.length === 0}>
          Add tags
        </button>
      </Form>
    </Dialog>
  );
}

/** Makes a call for each key, and says how many were done and why others were not. */
async function forAll(
  done: string,
  keys: readonly string[],
  call: (key: string) => Promise<unknown>,
): Promise<void> {
  const rest = [...keys];
  const problems = new Map<string, number>();
  const work = async (): Promise<void> => {
    for (let key = rest.shift(); key !== undefined; key = rest.shift()) {
      try {
        await call(key);
      } catch (error) {
        const message = messageOf(error);
        problems.set(message, (problems.get(message) ?? 0) + 1);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const failures = [...problems.values()].reduce((sum, each) => sum + each, 0);
  if (keys.length > failures) toast(`${count(keys.length - failures, "key")} ${done}.`);
  for (const [message, times] of problems) {
    toast(times === 1 ? message : `${count(times, "key")} not ${done}: ${message}`, "failed");
  }
  changed();
}
