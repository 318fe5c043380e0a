/**
 * Labelled fields of forms. Values are strings, held by whoever shows the form.
 *
 * @module
 */
import type { ComponentChildren, InputHTMLAttributes } from "preact";
import { useId } from "preact/hooks";

interface Labelled {
  readonly label: string;
  readonly hint?: ComponentChildren;
  readonly value: string;
  readonly onChange: (value: string) => void;
}

export type InputProps = Labelled &
  Pick<
    InputHTMLAttributes,
    | "type"
    | "required"
    | "placeholder"
    | "pattern"
    | "title"
    | "min"
    | "max"
    | "maxLength"
    | "autofocus"
  > & {
    readonly autocomplete?: "username" | "current-password" | "off";
    readonly suggestions?: readonly string[];
  };

export function Field({
  label,
  hint,
  value,
  onChange,
  suggestions,
  autocomplete = "off",
  ...input
}: InputProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        {...input}
        id={id}
        value={value}
        autocomplete={autocomplete}
        spellcheck={false}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        list={suggestions === undefined ? undefined : `${id}-list`}
        onInput={({ currentTarget }) => onChange(currentTarget.value)}
      />
      {suggestions !== undefined && (
        <datalist id={`${id}-list`}>
          {suggestions.map((each) => (
            <option key={each} value={each} />
          ))}
        </datalist>
      )}
      {hint !== undefined && <small id={`${id}-hint`}>{hint}</small>}
    </div>
  );
}

export function TextArea({
  label,
  hint,
  value,
  onChange,
  rows = 4,
}: Labelled & { readonly rows?: number }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        rows={rows}
        value={value}
        spellcheck={false}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        onInput={({ currentTarget }) => onChange(currentTarget.value)}
      />
      {hint !== undefined && <small id={`${id}-hint`}>{hint}</small>}
    </div>
  );
}

export function Select({
  label,
  hint,
  value,
  onChange,
  options,
}: Labelled & { readonly options: readonly (string | readonly [value: string, text: string])[] }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        value={value}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        onChange={({ currentTarget }) => onChange(currentTarget.value)}
      >
        {options.map((option) => {
          const [key, text] = typeof option === "string" ? [option, option] : option;
          return (
            <option key={key} value={key}>
              {text}
            </option>
          );
        })}
      </select>
      {hint !== undefined && <small id={`${id}-hint`}>{hint}</small>}
    </div>
  );
}

export function Checkbox({
  label,
  checked,
  onChange,
}: {
  readonly label: ComponentChildren;
  readonly checked: boolean;
  readonly onChange: (checked: boolean) => void;
}) {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={checked}
        onChange={({ currentTarget }) => onChange(currentTarget.checked)}
      />
      <span>{label}</span>
    </label>
  );
}

export type Pair = readonly [name: string, value: string];

/** Names with values, as many as are wanted: tags, contexts, conditions. */
export function Pairs({
  label,
  pairs,
  onChange,
  nameLabel = "Name",
  suggestions,
}: {
  readonly label: string;
  readonly pairs: readonly Pair[];
  readonly onChange: (pairs: readonly Pair[]) => void;
  readonly nameLabel?: string;
  readonly suggestions?: readonly string[];
}) {
  const id = useId();
  const change = (index: number, pair: Pair) => onChange(pairs.with(index, pair));
  return (
    <fieldset class="pairs">
      <legend>{label}</legend>
      {pairs.map(([name, value], index) => (
        <div class="pair" key={index}>
          <input
            aria-label={`${label}, ${nameLabel.toLowerCase()} ${index + 1}`}
            placeholder={nameLabel}
            value={name}
            list={suggestions === undefined ? undefined : `${id}-list`}
            onInput={({ currentTarget }) => change(index, [currentTarget.value, value])}
          />
          <input
            aria-label={`${label}, value ${index + 1}`}
            placeholder="Value"
            value={value}
            onInput={({ currentTarget }) => change(index, [name, currentTarget.value])}
          />
          <button
            type="button"
            class="quiet"
            aria-label={`Remove ${nameLabel.toLowerCase()} ${index + 1}`}
            onClick={() => onChange(pairs.toSpliced(index, 1))}
          >
            ×
          </button>
        </div>
      ))}
      {suggestions !== undefined && (
        <datalist id={`${id}-list`}>
          {suggestions.map((each) => (
            <option key={each} value={each} />
          ))}
        </datalist>
      )}
      <button type="button" class="small" onClick={() => onChange([...pairs, ["", ""]])}>
        Add
      </button>
    </fieldset>
  );
}

/** The pairs with a name. `undefined`: there are none. */
export function toMap(pairs: readonly Pair[]): Record<string, string> | undefined {
  const named = pairs.filter(([name]) => name !== "");
  return named.length === 0 ? undefined : Object.fromEntries(named);
}
