/**
 * What the parts of the page of a key know of it.
 *
 * @module
 */
import type { KeyMetadata } from "@env/kms";
import { kms, own } from "../../aws/calls.ts";
import type { Received } from "../../aws/wire.ts";
import type { Summary } from "../keys/summaries.ts";

export type Key = Received<KeyMetadata>;

export interface TabProps {
  readonly metadata: Key;
  /** Names, such as `alias/app`. */
  readonly aliases: readonly string[];
}

/** The last use, by whom where that is in the log. Empty for those who may not see it. */
export async function lastUseOf(KeyId: string): Promise<Pick<Summary, "LastUse">> {
  try {
    const { KeyLastUsage } = await kms("getKeyLastUsage", { KeyId });
    const { Operation, Timestamp } = KeyLastUsage;
    if (Operation === undefined || Timestamp === undefined) return { LastUse: null };
    const Principal = await own("QueryAudit", {
      Resource: KeyId,
      Operations: [Operation],
      Outcome: "succeeded",
      Limit: 1,
    }).then(
      ({ Entries: [entry] }) => entry?.record.userIdentity.arn,
      () => undefined,
    );
    return {
      LastUse: { Operation, Time: Timestamp, ...(Principal === undefined ? {} : { Principal }) },
    };
  } catch {
    return {};
  }
}
