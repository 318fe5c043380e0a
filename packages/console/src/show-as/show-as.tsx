/**
 * "Show as": what a page does, for those who would rather type or keep it.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { Code } from "../parts/code.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { remembered } from "../parts/remembered.ts";
import { forms, type FormName } from "./forms.ts";
import type { ShownCall } from "./call.ts";

export function ShowAs({ calls }: { readonly calls: readonly ShownCall[] }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        Show as…
      </button>
      {open && (
        <Dialog title="Show as" wide onClose={() => setOpen(false)}>
          <Forms calls={calls} />
        </Dialog>
      )}
    </>
  );
}

/** The same in each form, one at a time. */
export function Forms({ calls }: { readonly calls: readonly ShownCall[] }) {
  const [form, setForm] = remembered<FormName>("form", () => "aws CLI");
  return (
    <div class="forms">
      <div class="segments" role="group" aria-label="Form">
        {Object.keys(forms).map((name) => (
          <button
            key={name}
            type="button"
            aria-pressed={name === form}
            // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.keys forgets it.
            onClick={() => setForm(name as FormName)}
          >
            {name}
          </button>
        ))}
      </div>
      <Code text={forms[form](calls, location.origin)} label={form} />
    </div>
  );
}
