/**
 * Reads which rows a changeset of SQLite is about: the tables, and the values of the primary keys. What has become of a row
 * is in its table.
 *
 * Source: https://sqlite.org/session/sqlite3session_changeset.html
 *
 * @module
 */

/** Values of the columns of a primary key, in the order of the columns. */
export type RowKey = readonly (number | string)[];

const TABLE = 0x54;
/** Codes of the operations: all others insert, and have one record. */
const UPDATE = 23;

/** The keys of the changed rows, by table. No row is in it twice. */
export function changedRows(changeset: Uint8Array): ReadonlyMap<string, readonly RowKey[]> {
  const bytes = Buffer.from(changeset.buffer, changeset.byteOffset, changeset.length);
  const found = new Map<string, RowKey[]>();
  let at = 0;
  let isKey: readonly boolean[] = [];
  let keys: RowKey[] = [];

  const varint = (): number => {
    // Lengths here are below 2^28.
    for (let value = 0; ;) {
      const byte = bytes[at++] ?? 0;
      value = value * 128 + (byte & 0x7f);
      if (byte < 0x80) return value;
    }
  };
  const value = (): number | string | undefined => {
    const type = bytes[at++];
    if (type === 1 || type === 2) {
      at += 8;
      return type === 1 ? Number(bytes.readBigInt64BE(at - 8)) : bytes.readDoubleBE(at - 8);
    }
    if (type !== 3 && type !== 4) return undefined;
    const length = varint();
    at += length;
    return bytes.toString(type === 3 ? "utf8" : "latin1", at - length, at);
  };
  const record = (): RowKey =>
    isKey
      .map((isPart) => ({ isPart, found: value() }))
      .flatMap(({ isPart, found: part }) => (isPart && part !== undefined ? [part] : []));

  while (at < bytes.length) {
    const operation = bytes[at++];
    if (operation === TABLE) {
      const columns = varint();
      isKey = [...bytes.subarray(at, at + columns)].map((part) => part > 0);
      const name = bytes.indexOf(0, at + columns);
      keys = [];
      found.set(bytes.toString("utf8", at + columns, name), keys);
      at = name + 1;
      continue;
    }
    // After the operation, a byte says whether a trigger did it.
    at++;
    keys.push(record());
    if (operation === UPDATE) record();
  }
  return found;
}
