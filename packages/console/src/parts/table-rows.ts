/**
 * Filtering and sorting of rows.
 *
 * @module
 */
export interface Column<Row> {
  readonly id: string;
  /** What is searched and filtered. */
  readonly text: (row: Row) => string;
  /** What is sorted by. Default: the text. `undefined` is last. */
  readonly order?: (row: Row) => number | string | undefined;
}

/** The rows that have `search` in some column, and each filter in its own column. Case does not matter. */
export function filterRows<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  search: string,
  filters: Readonly<Record<string, string>>,
): readonly Row[] {
  const wanted = search.trim().toLowerCase();
  const tests = columns.flatMap(({ id, text }) => {
    const filter = (filters[id] ?? "").trim().toLowerCase();
    return filter === "" ? [] : [(row: Row) => text(row).toLowerCase().includes(filter)];
  });
  if (wanted === "" && tests.length === 0) return rows;
  return rows.filter(
    (row) =>
      tests.every((test) => test(row)) &&
      (wanted === "" || columns.some(({ text }) => text(row).toLowerCase().includes(wanted))),
  );
}

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

export function sortRows<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { by, down }: { readonly by: string; readonly down: boolean },
): readonly Row[] {
  const column = columns.find(({ id }) => id === by);
  if (column === undefined) return rows;
  const { text, order = text } = column;
  const keyed = rows.map((row) => [order(row), row] as const);
  return keyed.toSorted(([a], [b]) => compare(a, b, down)).map(([, row]) => row);
}

function compare(
  a: number | string | undefined,
  b: number | string | undefined,
  down: boolean,
): number {
  if (a === undefined || a === "" || b === undefined || b === "") {
    return Number(a === undefined || a === "") - Number(b === undefined || b === "");
  }
  const result =
    typeof a === "number" && typeof b === "number" ? a - b : collator.compare(String(a), String(b));
  return down ? -result : result;
}
