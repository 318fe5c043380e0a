/**
 * The verification of the whole log, with its result.
 *
 * @module
 */
import type { AuditReport } from "@env/kms";
import { useState } from "preact/hooks";
import { own } from "../../aws/calls.ts";
import { Code } from "../../parts/code.tsx";
import { Dialog, Form } from "../../parts/dialog.tsx";
import { Field } from "../../parts/field.tsx";
import { count } from "../../parts/format.tsx";
import { toastError } from "../../parts/toast.tsx";

export function Verify() {
  const [report, setReport] = useState<AuditReport>();
  const [busy, setBusy] = useState(false);
  const run = async (anchor = ""): Promise<void> => {
    setBusy(true);
    try {
      const [sequence, Digest] = anchor.split(":");
      const request =
        Digest === undefined ? {} : { Anchor: { Sequence: Number(sequence), Digest } };
      setReport((await own("VerifyAudit", request)).Report);
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
      {report !== undefined && (
        <Dialog title="Verification of the audit log" onClose={() => setReport(undefined)}>
          <Report report={report} />
          <Compare busy={busy} onCompare={run} />
        </Dialog>
      )}
    </>
  );
}

function Report({
  report: { intact, base, last, verified, problems, anchor },
}: {
  readonly report: AuditReport;
}) {
  const records = verified.reduce((sum, range) => sum + range.last - range.first + 1, 0);
  return (
    <>
      <p class={`notice ${intact ? "good" : "refused"}`} role="status">
        {intact
          ? `Intact: ${count(records, "record")}, ${base.sequence + 1} to ${last.sequence}, unaltered and complete.`
          : `${count(problems.length, "problem")} found. ${count(records, "record")} verified.`}
      </p>
      {anchor !== undefined && <p role="status">{comparisons[anchor]}</p>}
      <ul>
        {problems.map(({ kind, first, last: end, message }) => (
          <li key={`${kind} ${first}`}>
            <strong>{kind}</strong> {first === end ? first : `${first} to ${end}`}: {message}
          </li>
        ))}
      </ul>
      {/* The anchor of an altered log would vouch for the alteration. */}
      {intact && (
        <>
          <p>
            Keep this anchor elsewhere: a later verification with it also notices that the whole
            file was replaced by an older one.
          </p>
          <Code text={`${last.sequence}:${last.digest}`} label="anchor" />
        </>
      )}
    </>
  );
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
