/**
 * A field for one name or ARN with a button, as everything that is attached to a principal needs it.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { act } from "../../access/act.tsx";
import { Form } from "../../parts/dialog.tsx";
import { Field, type InputProps } from "../../parts/field.tsx";

interface NameFormProps extends Pick<InputProps, "label" | "placeholder" | "suggestions"> {
  readonly button: string;
  /** What is said afterwards. */
  readonly done: string;
  readonly run: (name: string) => Promise<unknown>;
}

/** The field is empty again once it is done; what was refused stays to be corrected. */
export function NameForm({ button, done, run, ...field }: NameFormProps) {
  const [name, setName] = useState("");
  return (
    <Form
      class="asking"
      onSubmit={async () => {
        if (await act(done, () => run(name))) setName("");
      }}
    >
      <Field {...field} value={name} onChange={setName} required />
      <button type="submit">{button}</button>
    </Form>
  );
}
