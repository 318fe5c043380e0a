/**
 * What is loaded from the server, and what is shown where it may not be.
 *
 * @module
 */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { CallError, UnreachableError } from "../aws/errors.ts";
import { revision } from "../session/reach.ts";
import { sessionState } from "../session/session.ts";
import { messageOf } from "./toast.tsx";

export interface Loaded<T> {
  /** The last value, also while a newer one is loaded. */
  readonly value: T | undefined;
  readonly error: unknown;
}

/**
 * Loads something: first, when `key` changes, and when anything was changed.
 *
 * @param key - What the value depends on. `undefined`: nothing is loaded yet.
 */
export function useLoaded<T>(key: string | undefined, load: () => Promise<T>): Loaded<T> {
  const [loaded, setLoaded] = useState<Loaded<T> & { readonly key?: string | undefined }>({
    value: undefined,
    error: undefined,
  });
  const moment = revision.value;
  const isActive = sessionState.value === "active";
  useEffect(() => {
    if (key === undefined || !isActive) return undefined;
    let current = true;
    load().then(
      (value) => current && setLoaded({ key, value, error: undefined }),
      (error: unknown) =>
        current &&
        setLoaded((before) => ({ key, value: keeps(before.key === key, error, before), error })),
    );
    return () => {
      current = false;
    };
    // `load` is what `key` says.
  }, [key, moment, isActive]);
  return loaded.key === key ? loaded : { value: undefined, error: undefined };
}

/** What was shown stays where only the way to the server is missing. */
function keeps<T>(same: boolean, error: unknown, { value }: Loaded<T>): T | undefined {
  const isPassing =
    error instanceof UnreachableError || (error instanceof CallError && error.isSessionOver);
  return same && isPassing ? value : undefined;
}

/** Shows a value, or that it is loading, or why it is not there. */
export function Show<T>({
  of: { value, error },
  children,
}: {
  readonly of: Loaded<T>;
  readonly children: (value: T) => ComponentChildren;
}) {
  if (value !== undefined) return <>{children(value)}</>;
  if (error !== undefined) return <Refused error={error} />;
  return (
    <p class="loading" role="status">
      Loading…
    </p>
  );
}

/** Why something is not shown: never a blank page. */
export function Refused({ error }: { readonly error: unknown }) {
  const isDenied = error instanceof CallError && error.isDenied;
  return (
    <div class="notice refused" role="alert">
      <strong>{isDenied ? "You may not see this." : "This could not be loaded."}</strong>
      <p>{messageOf(error)}</p>
    </div>
  );
}
