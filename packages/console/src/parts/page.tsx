/**
 * What all pages have: a heading, actions, and the calls behind them.
 *
 * @module
 */
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { Link, useLocation, useSearch } from "wouter-preact";
import { ShowAs } from "../show-as/show-as.tsx";
import type { ShownCall } from "../show-as/call.ts";

export interface PageProps {
  readonly title: string;
  readonly subtitle?: ComponentChildren;
  readonly actions?: ComponentChildren;
  /** What this page asks, for those who would rather type it. */
  readonly calls: readonly ShownCall[];
  readonly children: ComponentChildren;
}

export function Page({ title, subtitle, actions, calls, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Env console`;
  }, [title]);
  return (
    <>
      <header class="page">
        <div class="titles">
          <h1>
            <bdi>{title}</bdi>
          </h1>
          {subtitle !== undefined && <div class="subtitle">{subtitle}</div>}
        </div>
        <div class="actions">
          {actions}
          <ShowAs calls={calls} />
        </div>
      </header>
      {children}
    </>
  );
}

/** Tabs are addresses, so that they can be opened, sent and gone back to. */
export function Tabs({
  tabs,
  current,
}: {
  readonly tabs: readonly (readonly [id: string, title: string])[];
  readonly current: string;
}) {
  const [path] = useLocation();
  return (
    <nav class="tabs" aria-label="Parts of this page">
      {tabs.map(([id, title]) => (
        <Link
          key={id}
          href={`${path}?tab=${id}`}
          aria-current={id === current ? "page" : undefined}
        >
          {title}
        </Link>
      ))}
    </nav>
  );
}

/** A parameter of the address. */
export function useParameter(name: string): string | undefined {
  return new URLSearchParams(useSearch()).get(name) ?? undefined;
}
