/**
 * A policy as JSON, with what the linter finds at its place.
 *
 * @module
 */
import type { PolicyFinding } from "@env/kms";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { own } from "../aws/calls.ts";

export interface PolicyEditorProps {
  readonly label: string;
  readonly text: string;
  readonly kind?: "key" | "identity" | "trust";
  readonly onChange: (text: string) => void;
  readonly onFindings?: (findings: readonly PolicyFinding[]) => void;
}

/** How long nothing is typed before the linter is asked, in milliseconds. */
const PAUSE = 250;
const rank = { error: 0, warning: 1, note: 2 } as const;

export function PolicyEditor({
  label,
  text,
  kind = "key",
  onChange,
  onFindings,
}: PolicyEditorProps) {
  const [findings, setFindings] = useState<readonly PolicyFinding[]>([]);
  const area = useRef<HTMLTextAreaElement>(null);
  const gutter = useRef<HTMLDivElement>(null);
  const id = useId();

  useEffect(() => {
    let current = true;
    const timer = setTimeout(() => {
      own("LintKeyPolicy", { Policy: text, Kind: kind }).then(
        ({ Findings }) => {
          if (!current) return;
          setFindings(Findings);
          onFindings?.(Findings);
        },
        // Saving says what is wrong.
        () => undefined,
      );
    }, PAUSE);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [text, kind]);

  const lines = text.split("\n");
  const worst = new Map<number, PolicyFinding["severity"]>();
  for (const { line, severity } of findings) {
    const known = worst.get(line);
    if (known === undefined || rank[severity] < rank[known]) worst.set(line, severity);
  }
  const goTo = ({ line, column }: PolicyFinding): void => {
    const offset = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
    area.current?.focus();
    area.current?.setSelectionRange(offset + column - 1, offset + (lines[line - 1]?.length ?? 0));
  };
  return (
    <div class="editor">
      <label for={id}>{label}</label>
      <div class="lines">
        <div class="gutter" ref={gutter} aria-hidden="true">
          {lines.map((_, index) => (
            <span key={index} class={worst.get(index + 1) ?? ""}>
              {index + 1}
            </span>
          ))}
        </div>
        <textarea
          id={id}
          ref={area}
          rows={Math.min(Math.max(lines.length, 8), 28)}
          wrap="off"
          spellcheck={false}
          value={text}
          onInput={({ currentTarget }) => onChange(currentTarget.value)}
          onScroll={({ currentTarget }) => {
            if (gutter.current !== null) gutter.current.scrollTop = currentTarget.scrollTop;
          }}
        />
      </div>
      <ul class="findings" aria-label="Findings of the linter">
        {findings.map((finding, index) => (
          <li key={index} class={finding.severity}>
            <button type="button" class="small" onClick={() => goTo(finding)}>
              {finding.line}:{finding.column}
            </button>
            <span>
              <strong>{finding.severity}</strong> <bdi>{finding.message}</bdi>
            </span>
          </li>
        ))}
      </ul>
    </div>
  );
}
