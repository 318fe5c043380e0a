/** The columns that the tests of killed passes are about, in the process that is killed and in the one that looks. */
import { createPrivateKey, hash, type KeyObject } from "node:crypto";
import { Columns, defineTables, type FenceStore, type SqlClient } from "@env/columns";
import { Envelope } from "@env/core";
import { FixedCmk } from "./fixed-cmk.ts";

const tables = defineTables({
  people: {
    key: ["id"],
    scope: { tenant: "tenant" },
    columns: { email: { type: "text", index: { column: "email_index" } } },
  },
});

/** Signs receipts in both processes. */
export function receiptKey(): KeyObject {
  // The fixed part of PKCS #8 for Ed25519, and a seed.
  const prefix = Buffer.from("302e020100300506032b657004220420", "hex");
  const key = Buffer.concat([prefix, hash("sha256", "receipts", "buffer")]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" });
}

interface PassOptions {
  /** Whether the data keys are those of before a rewrap. */
  readonly before?: boolean;
  readonly fences?: readonly FenceStore[];
  readonly writeLease?: number;
}

export function passColumns(
  client: SqlClient,
  { before = false, fences = [], writeLease = 1 }: PassOptions = {},
): Columns<typeof tables> {
  const [one, two] = [new FixedCmk("one"), new FixedCmk("two")];
  const cmks = before ? [one.cmk] : [one.cmk, two.cmk];
  const envelope = new Envelope({ cmks });
  return new Columns({ envelope, client, tables, writeLease, fences });
}
