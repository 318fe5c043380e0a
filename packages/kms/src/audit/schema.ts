/**
 * The table of the audit log, which lives in the keystore's file. Records are sealed; in clear is
 * what orders them and what finds a time, and both are checked against what is sealed.
 *
 * Source: spec/audit-v1.md#table
 *
 * @module
 */
export const auditSchema: readonly string[] = [
  "CREATE TABLE audit (seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT",
  "CREATE INDEX audit_by_time ON audit (time)",
];
