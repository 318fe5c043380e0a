/**
 * A dialog over the page: the browser keeps the focus inside, and gives it back.
 *
 * @module
 */
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

export interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  /** Closes neither by Escape nor by its button. */
  readonly stays?: boolean;
  readonly wide?: boolean;
  readonly children: ComponentChildren;
}

export function Dialog({ title, onClose, stays = false, wide = false, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      class={wide ? "wide" : ""}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        if (!stays) onClose();
      }}
    >
      <header>
        <h2 id={id}>{title}</h2>
        {!stays && (
          <button type="button" class="quiet" aria-label="Close" onClick={onClose}>
            ×
          </button>
        )}
      </header>
      {children}
    </dialog>
  );
}

export interface FormProps {
  /** Says what is sent, and may fail: the dialog then stays open with the reason. */
  readonly onSubmit: () => unknown;
  readonly children: ComponentChildren;
  readonly class?: string;
}

/** A form that is submitted by its button or by Enter. Nothing is sent by the browser. */
export function Form({ onSubmit, children, class: name = "" }: FormProps) {
  return (
    <form
      class={name}
      onSubmit={(event) => {
        event.preventDefault();
        void onSubmit();
      }}
    >
      {children}
    </form>
  );
}
