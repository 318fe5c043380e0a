/**
 * All keys with what the list shows of them: page after page, so that the first are there at once.
 *
 * @module
 */
import type { KeySummary } from "@env/kms-server";
import { useEffect, useState } from "preact/hooks";
import { own } from "../../aws/calls.ts";
import type { Received } from "../../aws/wire.ts";
import { useLoaded } from "../../parts/loading.tsx";
import { revision } from "../../session/reach.ts";
import { sessionState } from "../../session/session.ts";

export type Summary = Received<KeySummary>;

const PAGE = 1000;
const DAY = 86_400_000;

export interface Summaries {
  readonly keys: readonly Summary[];
  readonly loading: boolean;
  readonly error: unknown;
}

export function useSummaries(): Summaries {
  const [keys, setKeys] = useState<readonly Summary[]>();
  const [state, setState] = useState<{ loading: boolean; error: unknown }>({
    loading: true,
    error: undefined,
  });
  const isActive = sessionState.value === "active";
  const moment = revision.value;
  useEffect(() => {
    let current = true;
    const load = async (): Promise<void> => {
      const found: Summary[] = [];
      let marker: string | undefined;
      do {
        const { Keys, NextMarker } = await own("KeySummaries", {
          Limit: PAGE,
          ...(marker === undefined ? {} : { Marker: marker }),
        });
        if (!current) return;
        found.push(...Keys);
        marker = NextMarker;
        // While the list is loaded anew, the former one stays until all of it is there.
        setKeys((before) => (marker === undefined || before === undefined ? [...found] : before));
      } while (marker !== undefined);
      setState({ loading: false, error: undefined });
    };
    if (isActive) {
      load().catch((error: unknown) => {
        if (current) setState({ loading: false, error });
      });
    }
    return () => {
      current = false;
    };
  }, [isActive, moment]);
  const known = keys ?? nothing;
  return {
    keys: known,
    loading: state.loading,
    error: keys === undefined ? state.error : undefined,
  };
}

const nothing: readonly Summary[] = [];

/** Calls in the last 30 days by the ARN of the key. `undefined`: not known yet, or not for the caller to see. */
export function useCalls(): ReadonlyMap<string, number> | undefined {
  return useLoaded("calls", callsOfKeys).value;
}

async function callsOfKeys(): Promise<ReadonlyMap<string, number>> {
  const { Groups } = await own("CountAudit", {
    From: new Date(Date.now() - 30 * DAY),
    GroupBy: ["resource"],
  });
  return new Map(Groups.map(({ Values: [resource = ""], Count }) => [resource, Count]));
}

/** Whether nobody used a key for as many days, since it exists. A key of which that is not known is not. */
export function isUnused({ LastUse, Metadata }: Summary, days: number, now = Date.now()): boolean {
  if (LastUse === undefined || Metadata === undefined) return false;
  const since = LastUse?.Time ?? Metadata.CreationDate;
  return now - since.getTime() >= days * DAY;
}
