/**
 * Buttons that change something: they know beforehand whether the caller may, and say why not.
 *
 * @module
 */
import type { ExplainRequest } from "@env/kms";
import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { changed } from "../session/reach.ts";
import { toast, toastError } from "../parts/toast.tsx";
import { permissionFor, type Permission } from "./ask.ts";

export interface ActProps {
  /** What the action needs: all of it. */
  readonly asks: readonly ExplainRequest[];
  readonly onPress: () => void;
  readonly kind?: "primary" | "danger" | "plain";
  /** A reason of another kind why the action is not possible now. */
  readonly blocked?: string | undefined;
  readonly children: ComponentChildren;
}

export function Act({ asks, onPress, kind = "plain", blocked, children }: ActProps) {
  const id = useId();
  const [open, setOpen] = useState(false);
  const permissions = asks.map((question) => permissionFor(question).value);
  const denied = permissions.find((each) => typeof each === "object");
  const reason = blocked ?? denied?.denied;
  if (reason === undefined) {
    return (
      <button
        type="button"
        class={kind}
        aria-busy={permissions.includes("asking")}
        onClick={onPress}
      >
        {children}
      </button>
    );
  }
  // It stays in the order of focus, so that everybody can find out why.
  return (
    <span class="why-not">
      <button
        type="button"
        class={kind}
        aria-disabled="true"
        aria-describedby={id}
        aria-expanded={open}
        title={reason}
        onClick={() => setOpen(!open)}
        onBlur={() => setTimeout(() => setOpen(false), 200)}
      >
        {children}
      </button>
      <span id={id} class="why" role="tooltip" hidden={!open}>
        {reason} {denied !== undefined && <WhyLink question={deniedOf(asks, permissions)} />}
      </span>
    </span>
  );
}

function deniedOf(
  asks: readonly ExplainRequest[],
  permissions: readonly Permission[],
): ExplainRequest | undefined {
  return asks[permissions.findIndex((each) => typeof each === "object")];
}

function WhyLink({ question }: { readonly question: ExplainRequest | undefined }) {
  if (question === undefined) return undefined;
  return <Link href={simulatorAddress(question)}>Explain</Link>;
}

/** The address of the simulator with a question filled in. */
export function simulatorAddress({ action, key, principal }: ExplainRequest): string {
  const given = { action, key, principal };
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(given))
    if (value !== undefined) search.set(name, value);
  return `/who-can?${search.toString()}`;
}

/**
 * Does something, and says that it is done or why not. What is shown is loaded anew.
 *
 * @returns Whether it was done.
 */
export async function act(done: string, run: () => Promise<unknown>): Promise<boolean> {
  try {
    await run();
    toast(done);
    return true;
  } catch (error) {
    toastError(error);
    return false;
  } finally {
    changed();
  }
}
