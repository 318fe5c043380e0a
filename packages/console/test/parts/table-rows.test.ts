import { expect, test } from "vitest";
import { filterRows, sortRows, type Column } from "../../src/parts/table-rows.ts";

interface Row {
  readonly name: string;
  readonly calls: number | undefined;
}

const rows: readonly Row[] = [
  { name: "key-10", calls: 2 },
  { name: "Key-9", calls: undefined },
  { name: "other", calls: 30 },
];

const columns: readonly Column<Row>[] = [
  { id: "name", text: ({ name }) => name },
  { id: "calls", text: ({ calls }) => String(calls ?? ""), order: ({ calls }) => calls },
];

const names = (found: readonly Row[]): string[] => found.map(({ name }) => name);

test("a search looks at every column, whatever the case", () => {
  expect(names(filterRows(rows, columns, "KEY", {}))).toEqual(["key-10", "Key-9"]);
  expect(names(filterRows(rows, columns, "30", {}))).toEqual(["other"]);
});

test("filters of columns must all hold", () => {
  expect(names(filterRows(rows, columns, "", { name: "key", calls: "2" }))).toEqual(["key-10"]);
});

test("numbers in names are sorted as numbers", () => {
  expect(names(sortRows(rows, columns, { by: "name", down: false }))).toEqual([
    "Key-9",
    "key-10",
    "other",
  ]);
});

test("rows without a value are last in both directions", () => {
  expect(names(sortRows(rows, columns, { by: "calls", down: false }))).toEqual([
    "key-10",
    "other",
    "Key-9",
  ]);
  expect(names(sortRows(rows, columns, { by: "calls", down: true }))).toEqual([
    "other",
    "key-10",
    "Key-9",
  ]);
});
