/**
 * What a row of the catalogue says. Rows are plain literals: every list of operations, actions or members
 * in this package, and every type of their names, derives from them.
 *
 * @module
 */
import type { KeyUsage } from "./key-specs.ts";
import type { StateRule } from "./key-states.ts";

/** What AWS says of an operation, whether this KMS offers it or not: policies may name any. */
export interface Row {
  /**
   * What permission is asked for on. `alias`: on the alias and on its key. `grant`: on the key that has the
   * grant. `account`: on everything, or on what the operation has for a resource.
   */
  readonly on: "key" | "alias" | "grant" | "account";
  /** The permissions that it needs, after `kms:`. Default: one with the operation's name. */
  readonly permissions?: readonly string[];
  /**
   * `accounts`: callers of other accounts may be allowed it. `alias`: an alias may name the key. `grant`: a
   * grant may allow it.
   */
  readonly open?: readonly ("accounts" | "alias" | "grant")[];
  /** Members of the request, separated by spaces: those that this KMS understands. */
  readonly request: string;
  /** Further members of AWS's request. A request with one of them is refused. */
  readonly refused?: string;
  /** Members of the response that the audit log keeps. Default: none, as for all that only reads. */
  readonly logged?: string;
  /**
   * Condition keys of this operation, beyond those of every operation on the same. The value is the one that
   * policies see where the request leaves the member out; `null`: then there is none.
   */
  readonly conditions?: Readonly<Record<string, string | number | boolean | null>>;
}

/** An operation that this KMS offers. */
export interface OperationRow extends Row {
  /** `read` changes nothing. `write` is one transaction, and the audit record is part of it. */
  readonly mode: "read" | "write";
  /** What the states of its key allow; absent if there is no key, or it may be in any state and is not used. */
  readonly states?: StateRule;
  /** What its keys must be for. Default: anything. */
  readonly usage?: KeyUsage;
  /** What its keys must be, where keys for the same use are of several kinds. */
  readonly keys?: "symmetric" | "asymmetric";
  /**
   * Calls per second that AWS allows by default. `cryptographic`: one quota for all of these, by kind of key.
   * `dataKeyPair`: one by spec of the pair. Absent: AWS documents none.
   */
  readonly quota?: number | "cryptographic" | "dataKeyPair";
}
