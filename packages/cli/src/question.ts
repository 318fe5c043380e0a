/**
 * What the keystore is asked about a permission: by the options of `policy explain` and `policy check`, or by
 * a line of a simulation.
 *
 * @module
 */
import {
  KmsError,
  principalArn,
  type ExplainRequest,
  type Explanation,
  type Keystore,
} from "@env/kms";
import { usageError } from "./errors.ts";
import { keyArn, type Realm } from "./arn.ts";

/** A question in the terms of the command; everything optional may be absent. */
export interface Question {
  /** ARN, or short as in arn.ts. */
  readonly principal: string;
  readonly action: string;
  readonly key?: string | undefined;
  /** The role that is to be assumed: ARN, or short as in arn.ts. */
  readonly role?: string | undefined;
  readonly alias?: string | undefined;
  readonly context?: Readonly<Record<string, string>> | undefined;
  /** A service, as `s3`. */
  readonly via?: string | undefined;
  readonly conditions?: Readonly<Record<string, string | readonly string[]>> | undefined;
  readonly grantTokens?: readonly string[] | undefined;
  /** The grant of the key that RetireGrant is about. */
  readonly grant?: string | undefined;
  /** What CreateGrant is to grant. */
  readonly newGrant?: NewGrant | undefined;
}

/** At most one of the contexts. */
export interface NewGrant {
  readonly operations: readonly string[];
  /** ARN, or short as in arn.ts. */
  readonly grantee?: string | undefined;
  /** A service's name, in place of `grantee`. */
  readonly granteeService?: string | undefined;
  readonly retiring?: string | undefined;
  readonly retiringService?: string | undefined;
  readonly sourceArn?: string | undefined;
  readonly contextEquals?: Readonly<Record<string, string>> | undefined;
  readonly contextSubset?: Readonly<Record<string, string>> | undefined;
}

/**
 * Asks. Nothing is done and nothing recorded.
 *
 * @throws CommandError `ERR_CLI_USAGE` for a question that makes no sense; KmsError `NotFoundException`.
 */
export async function ask(keystore: Keystore, question: Question): Promise<Explanation> {
  try {
    return await keystore.explain(toRequest(question, keystore.facts));
  } catch (error) {
    // In a program this is misuse, but here a person wrote it.
    if (error instanceof TypeError) throw usageError(error.message, PRINCIPALS);
    if (error instanceof RangeError) throw usageError(error.message);
    if (error instanceof KmsError && error.name === "ValidationException") {
      throw usageError(error.message);
    }
    throw error;
  }
}

/**
 * Whether the keystore has the caller, or cannot have it: only users and roles of its own account are in it. A
 * caller that is not there has no IAM policies, so a misspelt name looks like a refused one.
 */
export async function isKnown(keystore: Keystore, { caller }: Explanation): Promise<boolean> {
  const arn = roleOf(caller) ?? caller;
  const { accountId } = keystore.facts;
  if (!new RegExp(`^arn:aws:iam::${accountId}:(?:user|role)/`).test(arn)) return true;
  try {
    await keystore.iam.get(arn);
    return true;
  } catch (error) {
    if (error instanceof KmsError && error.name === "NotFoundException") return false;
    throw error;
  }
}

/** The role that a session has its policies from. */
function roleOf(caller: string): string | undefined {
  const [, account, role] = /^arn:aws:sts::([0-9]{12}):assumed-role\/([^/]+)\//.exec(caller) ?? [];
  return account === undefined ? undefined : `arn:aws:iam::${account}:role/${role}`;
}

function toRequest(question: Question, realm: Realm): ExplainRequest {
  const { principal, action, key, role, alias, context, via, conditions } = question;
  const { grantTokens, grant, newGrant } = question;
  return {
    principal: principalArn(principal, realm),
    action,
    // A short name would mean a key in the caller's account, which may be another one.
    key: key === undefined ? undefined : keyArn(key, realm),
    role: role === undefined ? undefined : principalArn(role, realm),
    alias,
    encryptionContext: context,
    conditions,
    grantTokens,
    grantId: grant,
    newGrant: newGrant && toNewGrant(newGrant, realm),
    ...(via === undefined ? {} : { session: { viaService: via } }),
  };
}

function toNewGrant(
  { grantee, retiring, contextEquals, contextSubset, sourceArn, ...rest }: NewGrant,
  realm: Realm,
): ExplainRequest["newGrant"] {
  return {
    ...rest,
    grantee: grantee === undefined ? undefined : principalArn(grantee, realm),
    retiring: retiring === undefined ? undefined : principalArn(retiring, realm),
    constraints: {
      encryptionContextEquals: contextEquals,
      encryptionContextSubset: contextSubset,
      sourceArn,
    },
  };
}

const PRINCIPALS =
  "short: user/alice, role/app, assumed-role/app/session or root, of this keystore";
