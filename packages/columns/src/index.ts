/**
 * Encrypted database columns that can be searched, rotated and forgotten.
 *
 * @module
 */
export { Columns } from "./columns.ts";
export type { AnyColumns, ColumnsOptions } from "./columns.ts";
export { fileFences, sqlFences } from "./fences.ts";
export type { FenceStore } from "./fences.ts";
export type { KeyState } from "./key-table.ts";
export type { Purpose } from "./place.ts";
export { reencrypt, reindex } from "./reencrypt.ts";
export type {
  PassOptions,
  PassProgress,
  PassResult,
  ReencryptOptions,
  ReindexOptions,
} from "./reencrypt.ts";
export { prismaExtension } from "./prisma.ts";
export type { PrismaCall, PrismaExtension } from "./prisma.ts";
export { report } from "./report.ts";
export type { CmkReport, ColumnReport, ColumnsReport, KeyReport, PassScope } from "./report.ts";
export { rewrapKeys } from "./rewrap.ts";
export type { RewrapCounts, RewrapKeysOptions, RewrapKeysResult } from "./rewrap.ts";
export { SubjectKeys, verifyReceipt } from "./shred.ts";
export type { Receipt, SubjectKeysOptions } from "./shred.ts";
export type { PaceOptions, SweepCounts } from "./sweep.ts";
export type { IndexRule } from "./normalise.ts";
export { schemaSql } from "./schema.ts";
export { pg, postgres, sqlite } from "./sql.ts";
export type {
  Dialect,
  PgPool,
  PostgresSql,
  SqlClient,
  SqliteDatabase,
  SqlRow,
  SqlValue,
} from "./sql.ts";
export type { ColumnConverter, TableColumns } from "./table-columns.ts";
export { defineTables, json } from "./tables.ts";
export type {
  ColumnDefinition,
  IndexColumns,
  IndexDefinition,
  JsonColumn,
  Opened,
  Plain,
  PlaintextSource,
  Sealed,
  StoredOf,
  TableDefinition,
  TableDefinitions,
  ValueOf,
} from "./tables.ts";
export type { ColumnType, ValueTypes } from "./value-type.ts";
