/**
 * Asks beforehand what the caller may do, so that a button says why it cannot be pressed. Questions of one moment are one call,
 * and the answers count until something changes.
 *
 * @module
 */
import type { ExplainAnswer } from "@env/kms-server";
import type { ExplainRequest } from "@env/kms";
import { effect, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import { own } from "../aws/calls.ts";
import { revision } from "../session/reach.ts";

export type Permission = "asking" | "allowed" | { readonly denied: string };

const answers = new Map<string, Signal<Permission>>();
let waiting: ExplainRequest[] = [];
/** Questions of one call. */
const BATCH = 64;

effect(() => {
  if (revision.value > 0) answers.clear();
});

/** What would be decided. Read it in a component, which follows the answer. */
export function permissionFor(question: ExplainRequest): ReadonlySignal<Permission> {
  const key = JSON.stringify(question);
  let answer = answers.get(key);
  if (answer === undefined) {
    answer = signal<Permission>("asking");
    answers.set(key, answer);
    if (waiting.length === 0) queueMicrotask(flush);
    waiting.push(question);
  }
  return answer;
}

function flush(): void {
  for (; waiting.length > 0; waiting = waiting.slice(BATCH)) void askNow(waiting.slice(0, BATCH));
}

async function askNow(questions: readonly ExplainRequest[]): Promise<void> {
  const asked = questions.map((question) => answers.get(JSON.stringify(question)));
  try {
    const { Answers } = await own("Explain", { Requests: questions });
    for (const [index, answer] of Answers.entries()) {
      const found = asked[index];
      if (found !== undefined) found.value = toPermission(answer);
    }
  } catch {
    // The call itself will say what is wrong.
    for (const answer of asked) if (answer !== undefined) answer.value = "allowed";
  }
}

function toPermission(answer: ExplainAnswer): Permission {
  // A question that cannot be answered is one that the call will refuse in its own words.
  if ("Error" in answer || answer.Decision.allowed) return "allowed";
  return { denied: whyDenied(answer.Decision) };
}

/** Names the statement that denies, or what is missing. */
export function whyDenied({
  because,
  deciding,
  reason,
}: {
  readonly because: string;
  readonly deciding?: string;
  readonly reason: string;
}): string {
  if (because === "explicit-deny" && deciding !== undefined) return `Denied by ${deciding}.`;
  const text = reason.replace(/^because /, "");
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
