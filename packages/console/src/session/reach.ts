/**
 * Whether the server answers: while it does not, it is asked again, and what is shown is loaded anew once it does.
 *
 * @module
 */
import { signal } from "@preact/signals";

export const isReachable = signal(true);

/** Grows whenever what is shown may have changed: after every change, and when the server is back. */
export const revision = signal(0);

export function changed(): void {
  revision.value++;
}

export function reached(): void {
  isReachable.value = true;
}

export function unreached(): void {
  if (!isReachable.value) return;
  isReachable.value = false;
  setTimeout(() => void ask(1000), 500);
}

async function ask(wait: number): Promise<void> {
  try {
    const { ok } = await fetch("/healthz", { cache: "no-store" });
    if (!ok) throw new Error("not ready");
    reached();
    changed();
  } catch {
    setTimeout(() => void ask(Math.min(wait * 1.5, 10_000)), wait);
  }
}
