/** The columns that the tests of killed passes are about, in the process that is killed and in the one that looks. */
import { Columns, defineTables, type SqlClient } from "@env/columns";
import { Envelope } from "@env/core";
import { FixedCmk } from "./fixed-cmk.ts";

const tables = defineTables({
  people: {
    key: ["id"],
    scope: { tenant: "tenant" },
    columns: { email: { type: "text", index: { column: "email_index" } } },
  },
});

/** @param before - Whether the data keys are those of before a rewrap. */
export function passColumns(client: SqlClient, before = false): Columns<typeof tables> {
  const [one, two] = [new FixedCmk("one"), new FixedCmk("two")];
  const cmks = before ? [one.cmk] : [one.cmk, two.cmk];
  return new Columns({ envelope: new Envelope({ cmks }), client, tables, writeLease: 1 });
}
