/**
 * The verification of the whole log, with its result.
 *
 * @module
 */
import type { AuditReport } from "@env/kms";
import { useState } from "preact/hooks";
import { own } from "../../aws/calls.ts";
import { Code } from "../../parts/code.tsx";
import { Dialog } from "../../parts/dialog.tsx";
import { count } from "../../parts/format.tsx";
import { toastError } from "../../parts/toast.tsx";

export function Verify() {
  const [report, setReport] = useState<AuditReport>();
  const [busy, setBusy] = useState(false);
  const run = async (): Promise<void> => {
    setBusy(true);
    try {
      setReport((await own("VerifyAudit", {})).Report);
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
        </Dialog>
      )}
    </>
  );
}

function Report({
  report: { intact, base, last, verified, problems },
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
      <ul>
        {problems.map(({ kind, first, last: end, message }) => (
          <li key={`${kind} ${first}`}>
            <strong>{kind}</strong> {first === end ? first : `${first} to ${end}`}: {message}
          </li>
        ))}
      </ul>
      <p>
        Keep this anchor elsewhere: a later verification with it also notices that the whole file
        was replaced by an older one.
      </p>
      <Code text={`${last.sequence}:${last.digest}`} label="anchor" />
    </>
  );
}
