/**
 * The verification of the whole log, with its result.
 *
 * @module
 */
import type { AuditReport } from "@env/kms";
import type { VerifyAuditResponse } from "@env/kms-server";
import { useState } from "preact/hooks";
import { own } from "../../aws/calls.ts";
import { Code } from "../../parts/code.tsx";
import { Dialog, Form } from "../../parts/dialog.tsx";
import { Field } from "../../parts/field.tsx";
import { count } from "../../parts/format.tsx";
import { toastError } from "../../parts/toast.tsx";

export function Verify() {
  const [answer, setAnswer] = useState<VerifyAuditResponse>();
  const [busy, setBusy] = useState(false);
  const run = async (anchor = ""): Promise<void> => {
    setBusy(true);
    try {
      const [sequence, Digest] = anchor.split(":");
      const request =
        Digest === undefined ? {} : { Anchor: { Sequence: Number(sequence), Digest } };
      setAnswer(await own("VerifyAudit", request));
    } catch (error) {
      toastError(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <button type="button" disabled={busy} onClick={() => void run()}>
        {busy ? "Verifying…" : "Verify log"}
      </button>
      {answer !== undefined && (
        <Dialog title="Verification of the audit log" onClose={() => setAnswer(undefined)}>
          <Report {...answer} />
          <Compare busy={busy} onCompare={run} />
        </Dialog>
      )}
    </>
  );
}

function Report({ Report: report, Anchor }: VerifyAuditResponse) {
  const { intact, verified, problems, anchor } = report;
  const records = verified.reduce((sum, range) => sum + range.last - range.first + 1, 0);
  return (
    <>
      <p class={`notice ${intact ? "good" : "refused"}`} role="status">
        {intact
          ? `Intact: ${count(records, "record")}${spanOf(report)}, unaltered and complete.`
          : `${count(problems.length, "problem")} found. ${count(records, "record")} verified.`}
      </p>
      {anchor !== undefined && <p role="status">{comparisons[anchor]}</p>}
      <ul>
        {problems.map(({ kind, first, last, message }) => (
          <li key={`${kind} ${first}`}>
            <strong>{kind}</strong> {first === last ? first : `${first} to ${last}`}: {message}
          </li>
        ))}
      </ul>
      {Anchor !== undefined && (
        <>
          <p>
            Keep this anchor elsewhere: a later verification with it also notices that the whole
            keystore was replaced by an older one.
          </p>
          <Code text={`${Anchor.Sequence}:${Anchor.Digest}`} label="anchor" />
        </>
      )}
    </>
  );
}

/** The numbers of the records, or how many chains they are in. */
function spanOf({ base, last, chains }: AuditReport): string {
  return chains === undefined
    ? `, ${base.sequence + 1} to ${last.sequence}`
    : ` in ${chains.length + 1} chains`;
}

const comparisons: Readonly<Record<NonNullable<AuditReport["anchor"]>, string>> = {
  confirmed: "The anchor is confirmed: the log still contains its record.",
  contradicted: "The anchor is contradicted: the log does not contain its record.",
  "cut off":
    "The anchor is older than the log, whose first records were pruned: its record is in the archive.",
};

/** Takes an anchor as an earlier verification printed it, here or by `envelope audit verify`. */
function Compare({
  busy,
  onCompare,
}: {
  readonly busy: boolean;
  readonly onCompare: (anchor: string) => Promise<void>;
}) {
  const [anchor, setAnchor] = useState("");
  return (
    <Form class="asking" onSubmit={() => onCompare(anchor)}>
      <Field
        label="Earlier anchor"
        value={anchor}
        onChange={(text) => setAnchor(text.trim())}
        placeholder="sequence number:digest"
        title="A sequence number, a colon and a digest of 64 hexadecimal digits"
        pattern="[0-9]{1,15}:[0-9a-f]{64}"
        required
      />
      <button type="submit" disabled={busy}>
        Compare
      </button>
    </Form>
  );
}
