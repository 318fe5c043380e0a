/**
 * Tables: sorted and filtered by every column, with columns to choose, and rows that go on while one scrolls.
 *
 * @module
 */
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { filterRows, sortRows, type Column } from "./table-rows.ts";
import { remembered } from "./remembered.ts";

export interface TableProps<Row> {
  /** Names the table, and what is remembered of it. */
  readonly name: string;
  readonly rows: readonly Row[];
  readonly columns: readonly TableColumn<Row>[];
  readonly keyOf: (row: Row) => string;
  readonly empty: ComponentChildren;
  /** Filters by column that the page begins with. */
  readonly filters?: Readonly<Record<string, string>>;
  /** What is ahead of the column menu. */
  readonly tools?: ComponentChildren;
  /** Makes rows selectable, and is told which are selected. */
  readonly onSelect?: (selected: ReadonlySet<string>) => void;
  readonly selected?: ReadonlySet<string>;
  /** More rows are being loaded. */
  readonly loading?: boolean;
}

export interface TableColumn<Row> extends Column<Row> {
  readonly title: string;
  /** What the cell shows. Default: its text. */
  readonly cell?: (row: Row) => ComponentChildren;
  /** Not shown until chosen. */
  readonly optional?: boolean;
  /** The cell that names the row. */
  readonly heading?: boolean;
}

/** Rows that are shown first, and each time one reaches the end. */
const STEP = 100;

export function Table<Row>(props: TableProps<Row>) {
  const { name, rows, columns, keyOf, empty, tools, selected, onSelect, loading = false } = props;
  const [chosen, choose] = remembered<readonly string[]>(`${name}.columns`, () =>
    columns.filter(({ optional }) => optional !== true).map(({ id }) => id),
  );
  const [sort, setSort] = remembered(`${name}.sort`, () => ({ by: "", down: false }));
  const [filters, setFilters] = useState(props.filters ?? {});
  const [search, setSearch] = useState("");
  const [filtering, setFiltering] = useState(props.filters !== undefined);
  const [shownRows, setShownRows] = useState(STEP);
  const shown = columns.filter(({ id }) => chosen.includes(id));
  const found = useMemo(
    () => sortRows(filterRows(rows, columns, search, filters), columns, sort),
    [rows, columns, search, filters, sort],
  );
  useEffect(() => setShownRows(STEP), [search, filters, sort]);
  const visible = found.slice(0, shownRows);
  const allSelected = selected !== undefined && found.length > 0 && selected.size === found.length;

  return (
    <div class="table">
      <div class="toolbar">
        <input
          type="search"
          aria-label={`Search ${name}`}
          placeholder="Search"
          value={search}
          onInput={({ currentTarget }) => setSearch(currentTarget.value)}
        />
        <span class="count" role="status">
          {found.length === rows.length ? rows.length : `${found.length} of ${rows.length}`}
          {loading ? " …" : ""}
        </span>
        {tools}
        <button
          type="button"
          class="small"
          aria-pressed={filtering}
          onClick={() => {
            setFiltering(!filtering);
            if (filtering) setFilters({});
          }}
        >
          Filter
        </button>
        <Columns columns={columns} chosen={chosen} onChoose={choose} />
      </div>
      {/* It scrolls sideways, so it takes the focus. */}
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <div class="scroll" tabIndex={0} role="region" aria-label={name}>
        <table>
          <thead>
            <tr>
              {onSelect !== undefined && (
                <th class="select">
                  <input
                    type="checkbox"
                    aria-label="Select all"
                    checked={allSelected}
                    onChange={() => onSelect(new Set(allSelected ? [] : found.map(keyOf)))}
                  />
                </th>
              )}
              {shown.map(({ id, title }) => (
                <th
                  key={id}
                  aria-sort={sort.by === id ? (sort.down ? "descending" : "ascending") : "none"}
                >
                  <button
                    type="button"
                    onClick={() => setSort({ by: id, down: sort.by === id && !sort.down })}
                  >
                    {title}
                  </button>
                  {filtering && (
                    <input
                      aria-label={`Filter by ${title}`}
                      placeholder="contains"
                      value={filters[id] ?? ""}
                      onInput={({ currentTarget }) =>
                        setFilters({ ...filters, [id]: currentTarget.value })
                      }
                    />
                  )}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {visible.map((row) => {
              const key = keyOf(row);
              return (
                <tr key={key} aria-selected={selected?.has(key)}>
                  {onSelect !== undefined && (
                    <td class="select">
                      <input
                        type="checkbox"
                        aria-label={`Select ${columns[0]?.text(row) ?? key}`}
                        checked={selected?.has(key) === true}
                        onChange={() => onSelect(toggled(selected, key))}
                      />
                    </td>
                  )}
                  {shown.map(({ id, title, text, cell, heading = false }) => {
                    const Cell = heading ? "th" : "td";
                    return (
                      <Cell key={id} data-label={title} scope={heading ? "row" : undefined}>
                        {cell === undefined ? <bdi>{text(row)}</bdi> : cell(row)}
                      </Cell>
                    );
                  })}
                </tr>
              );
            })}
          </tbody>
        </table>
        {found.length === 0 && !loading && (
          <div class="empty">{rows.length === 0 ? empty : "No rows match."}</div>
        )}
        {found.length > visible.length && (
          <More key={visible.length} onReached={() => setShownRows(shownRows + STEP)} />
        )}
      </div>
    </div>
  );
}

function toggled(selected: ReadonlySet<string> | undefined, key: string): ReadonlySet<string> {
  const next = new Set(selected);
  if (!next.delete(key)) next.add(key);
  return next;
}

/** Reached by scrolling, or pressed. */
function More({ onReached }: { readonly onReached: () => void }) {
  const element = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => {
      if (entries.some(({ isIntersecting }) => isIntersecting)) onReached();
    });
    if (element.current !== null) observer.observe(element.current);
    return () => observer.disconnect();
  }, []);
  return (
    <button type="button" ref={element} class="more" onClick={onReached}>
      Show more
    </button>
  );
}

function Columns({
  columns,
  chosen,
  onChoose,
}: {
  readonly columns: readonly { readonly id: string; readonly title: string }[];
  readonly chosen: readonly string[];
  readonly onChoose: (chosen: string[]) => void;
}) {
  return (
    <details class="menu">
      <summary class="small">Columns</summary>
      <fieldset>
        <legend class="hidden">Columns</legend>
        {columns.map(({ id, title }) => (
          <label class="check" key={id}>
            <input
              type="checkbox"
              checked={chosen.includes(id)}
              onChange={() =>
                onChoose(
                  chosen.includes(id) ? chosen.filter((each) => each !== id) : [...chosen, id],
                )
              }
            />
            <span>{title}</span>
          </label>
        ))}
      </fieldset>
    </details>
  );
}
