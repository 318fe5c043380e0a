/**
 * The table of the audit log, which is in the keystore's file. Records are sealed. Their number and time are unencrypted, to
 * order and to find them, and are checked against what is sealed.
 *
 * Source: spec/audit-v1.md#table
 *
 * @module
 */
export const auditSchema: readonly string[] = [
  "CREATE TABLE audit (seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT",
  "CREATE INDEX audit_by_time ON audit (time)",
];
