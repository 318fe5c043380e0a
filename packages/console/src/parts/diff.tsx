/**
 * What a change does to a text, line by line.
 *
 * @module
 */
import { diffLines } from "./diff-lines.ts";

export function Diff({ before, after }: { readonly before: string; readonly after: string }) {
  const lines = diffLines(before, after);
  const isNear = (index: number): boolean =>
    lines
      .slice(Math.max(index - AROUND, 0), index + AROUND + 1)
      .some(({ kind }) => kind !== "same");
  if (lines.every(({ kind }) => kind === "same")) return <p class="none">No change.</p>;
  return (
    // It scrolls, so it takes the focus.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <pre class="diff" tabIndex={0} role="region" aria-label="Changes">
      {lines.map(({ kind, text }, index) => {
        if (isNear(index)) {
          return (
            <span key={index} class={kind}>
              {`${signs[kind]} ${text}\n`}
            </span>
          );
        }
        return isNear(index - 1) || index === 0 ? (
          <span key={index} class="none">
            {"  …\n"}
          </span>
        ) : undefined;
      })}
    </pre>
  );
}

/** Lines that are shown around a change. */
const AROUND = 4;

const signs = { same: " ", added: "+", removed: "−" } as const;
