/**
 * What AWS KMS has and this KMS does not offer, one row each: policies may name it, so the linter and the
 * decisions know it.
 *
 * Sources: those of operations.ts
 *
 * @module
 */
import type { Row } from "./row.ts";

export const notOffered: Readonly<Record<string, Row>> = {
  // A permission alone: AWS asks for it when it copies what replicas share.
  SynchronizeMultiRegionKey: { on: "key", request: "KeyId" },
};
