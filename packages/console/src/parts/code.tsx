/**
 * Text that is copied: commands, documents, ids.
 *
 * @module
 */
import { useState } from "preact/hooks";
import { toastError } from "./toast.tsx";

export function Code({ text, label }: { readonly text: string; readonly label: string }) {
  return (
    <div class="code">
      {/* It scrolls, so it takes the focus. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre tabIndex={0} role="region" aria-label={label}>
        {text}
      </pre>
      <Copy text={text} label={label} />
    </div>
  );
}

export function Copy({ text, label }: { readonly text: string; readonly label: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
      setTimeout(() => setCopied(false), 1500);
    } catch (error) {
      toastError(error);
    }
  };
  return (
    <button
      type="button"
      class="copy small"
      aria-label={`Copy ${label}`}
      onClick={() => void copy()}
    >
      {copied ? "Copied" : "Copy"}
    </button>
  );
}

/**
 * JSON as people read it; other text as it is. Characters that AWS does not take in policies stay escaped, so that what is shown can
 * be saved.
 */
export function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), undefined, 2).replaceAll(
      /[\u0100-\uffff]/g,
      (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
  } catch {
    return json;
  }
}
