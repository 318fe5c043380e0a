/**
 * Principals and keys as people write them, `user/alice` and `alias/app` of the keystore at hand, and as ARNs.
 *
 * @module
 */
import { principalArn, type KeystoreFacts } from "@env/kms";

/** The account and region whose principals and keys may have short names. */
export type Realm = Pick<KeystoreFacts, "accountId" | "region">;

const KEY_ID = /^(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/** The short name of an ARN; what belongs to another account keeps its ARN. */
export function shortPrincipal(arn: string, realm: Realm): string {
  const [, name] = /^arn:aws:(?:iam|sts)::[0-9]{12}:(.+)$/s.exec(arn) ?? [];
  return name !== undefined && principalArn(name, realm) === arn ? name : arn;
}

/** A key id or an alias as an ARN, whether or not the key exists; anything else as it is. */
export function keyArn(text: string, { region, accountId }: Realm): string {
  const name = KEY_ID.test(text) ? `key/${text}` : text.startsWith("alias/") ? text : undefined;
  return name === undefined ? text : `arn:aws:kms:${region}:${accountId}:${name}`;
}

/** The short name of a key ARN; keys of other accounts and regions keep it. */
export function shortKey(arn: string, { region, accountId }: Realm): string {
  const own = `arn:aws:kms:${region}:${accountId}:`;
  return arn.startsWith(own) ? arn.slice(own.length) : arn;
}
