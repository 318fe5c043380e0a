/**
 * What is said of an identity provider: its members, and whether they are in order.
 *
 * @module
 */
import { isLoopback } from "@env/core/driver";
import type { Realm } from "../arn.ts";
import { KmsError } from "../catalogue/errors.ts";
import * as check from "../requests/check.ts";
import type { ProviderRecord } from "../store/iam-records.ts";
import { checkTags } from "./principal-input.ts";

/** The same numbers as in AWS. */
const MAX_CLIENT_IDS = 100;
const MAX_THUMBPRINTS = 5;
const MAX_CHARS = 255;

/** Scheme, host, port and path: a token's `iss` is compared with all of it. */
const ISSUER = /^(https?):\/\/([a-z0-9.-]+|\[[0-9a-f:]+\])((?::[0-9]{1,5})?(?:\/[\w.~/-]*)?)$/i;
/** Condition keys of its claims would be AWS's own. */
const RESERVED = /^(?:aws|iam|kms|sts)(?=:|$)/i;

/** ARN of the provider of an issuer. */
export function providerArn(issuer: string, { accountId }: Pick<Realm, "accountId">): string {
  return `arn:aws:iam::${accountId}:oidc-provider/${issuerName(issuer)}`;
}

/** An issuer as ARNs and condition keys name it: without `https://`. */
export function issuerName(issuer: string): string {
  return issuer.replace(/^https?:\/\//, "");
}

/** @throws {@link KmsError} `ValidationException`, `LimitExceededException`, `TagException` */
export function checkProvider(record: ProviderRecord): ProviderRecord {
  const { issuer, clientIds, thumbprints, tags } = record;
  requireIssuer(issuer);
  requireFew(clientIds, MAX_CLIENT_IDS, "ClientIdsPerOpenIdConnectProvider");
  requireFew(thumbprints, MAX_THUMBPRINTS, "ThumbprintsPerOpenIdConnectProvider");
  for (const id of clientIds) check.text(id, "clientIDList", 1, MAX_CHARS);
  for (const each of thumbprints) {
    if (!/^[0-9A-Fa-f]{40}$/.test(each)) throw invalid("a thumbprint has 40 hex digits");
  }
  return { ...record, clientIds: [...new Set(clientIds)], tags: checkTags(tags) };
}

function requireIssuer(issuer: string): void {
  const [, scheme, host = ""] = ISSUER.exec(check.text(issuer, "url", 1, MAX_CHARS)) ?? [];
  if (scheme === "https" ? !RESERVED.test(issuerName(issuer)) : isLoopback(host)) return;
  throw invalid(
    "The issuer must be https://, a host that is not a service of AWS, and a path without a query; http:// is only for a loopback address.",
  );
}

function requireFew(items: readonly string[], most: number, quota: string): void {
  if (items.length <= most) return;
  throw new KmsError("LimitExceededException", `Cannot exceed quota for ${quota}: ${most}`);
}

function invalid(problem: string): KmsError {
  return new KmsError("ValidationException", problem);
}
