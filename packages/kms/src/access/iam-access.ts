/**
 * Calls of IAM and STS by somebody: each one is a transaction, asks whether the caller may, and is recorded whatever
 * becomes of it.
 *
 * @module
 */
import { isEnvelopeError } from "@env/core";
import { principalArn, type Realm } from "../arn.ts";
import type { AuditEvent, AuditSink } from "../audit/event.ts";
import { isKmsError, KmsError } from "../catalogue/errors.ts";
import { decide } from "../policy/decide.ts";
import type { AccessRequest, Caller, ConditionValues, ServiceOfOthers } from "../policy/request.ts";
import { conditionValues } from "../policy/values.ts";
import type { ProviderRecord } from "../store/iam-records.ts";
import type { Store } from "../store/store.ts";
import { Access, type AccessSource } from "./access.ts";
import type { Asked, Question } from "./question.ts";
import type { Directory } from "./directory.ts";
import { IamError } from "./iam-error.ts";
import {
  ambientValues,
  identityOf,
  Session,
  type Identity,
  type SessionOptions,
} from "./session.ts";

/** Who calls, as a server knows it. */
export interface IamCaller {
  /** ARN, or in short `user/alice`, `root`. */
  readonly principal: string;
  readonly session?: SessionOptions;
  readonly requestId?: string;
}

/** Whom an identity provider vouches for. A server has verified the token that says all this. */
export interface FederatedCaller {
  /** ARN of the provider. */
  readonly provider: string;
  readonly subject: string;
  readonly audience: string;
  /** Claims as condition keys. */
  readonly claims: Readonly<Record<string, string | readonly string[]>>;
  /** Who the token says that the session is of, whatever role it is of. */
  readonly sourceIdentity?: string | undefined;
  /** Session tags that the token asks for, and the keys of those that are passed on. */
  readonly tags: Readonly<Record<string, string>>;
  readonly transitiveTags: readonly string[];
  readonly session?: Pick<SessionOptions, "sourceIp" | "userAgent" | "secureTransport">;
  readonly requestId?: string;
}

/** What is called. */
export interface IamOperation {
  readonly source: ServiceOfOthers;
  /** `CreateUser`, `AssumeRole`, `QueryAudit`, … */
  readonly operation: string;
  readonly readOnly: boolean;
  /** The parameters; what spec/audit-v1.md lists is kept of them. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

/** What an action on a resource depends on beside the caller. */
export interface ResourceFacts {
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** Condition keys of the request, in any case. */
  readonly conditions?: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** The trust policy of the resource. */
  readonly trust?: string;
}

/** One call, inside its transaction. */
export class IamCall {
  readonly directory: Directory;
  readonly caller: Caller;
  /** Present where the caller has a token of an identity provider and no credentials. */
  readonly federated: FederatedCaller | undefined;
  /** Keys of the caller's session tags that are passed on. */
  readonly transitiveTags: readonly string[];
  /** `aws:SourceIdentity` of the caller. */
  readonly sourceIdentity: string | undefined;
  readonly #ambient: ConditionValues;
  readonly #decisions: AuditEvent["decisions"][number][] = [];
  readonly #accessTo: Begun["access"];
  #access: Access | undefined;

  constructor(
    directory: Directory,
    { caller, ambient, federated, transitiveTags = [], sourceIdentity, access }: Begun,
  ) {
    this.#accessTo = access;
    this.directory = directory;
    this.caller = caller;
    this.federated = federated;
    this.transitiveTags = transitiveTags;
    this.sourceIdentity = sourceIdentity;
    this.#ambient = ambient;
  }

  /** Whether the caller has temporary credentials. */
  get isTemporary(): boolean {
    return this.#ambient.has("aws:tokenissuetime");
  }

  /** What was decided, for the record. */
  get decisions(): AuditEvent["decisions"] {
    return this.#decisions;
  }

  /** @throws {@link KmsError} `AccessDeniedException` in AWS's words. */
  authorize(
    action: `${ServiceOfOthers}:${string}`,
    resource: string,
    facts: ResourceFacts = {},
  ): void {
    const begun = { caller: this.caller, ambient: this.#ambient };
    const request = requestOn(this.directory, begun, action, resource, facts);
    const decision = decide(request);
    this.#note({ request, decision });
    if (decision.allowed) return;
    throw new KmsError(
      "AccessDeniedException",
      `User: ${this.caller.arn} is not authorized to perform: ${action} on resource: ${resource} ${decision.reason}`,
    );
  }

  /**
   * Asks what an operation of the KMS would ask.
   *
   * @returns ARN of the key, or `*`.
   * @throws {@link KmsError} `AccessDeniedException`, `NotFoundException`
   */
  authorizeOn(question: Question): string {
    const asked = this.keys.ask(this.keys.resolve(question), [], []);
    this.#note(asked);
    this.keys.requireAllowed(asked);
    return asked.request.resource;
  }

  /**
   * The caller's way to keys.
   *
   * @throws TypeError where the caller has a token of an identity provider.
   */
  get keys(): Access {
    this.#access ??= this.#accessTo?.();
    if (this.#access === undefined) throw new TypeError("the caller has no way to keys");
    return this.#access;
  }

  #note({ request: { action, resource }, decision }: Asked): void {
    const { allowed, because, deciding } = decision;
    const what = { action, resource, allowed, because };
    this.#decisions.push(deciding === undefined ? what : { ...what, deciding });
  }
}

/** What a decision is asked. */
export function requestOn(
  { store, realm }: Directory,
  { caller, ambient }: Pick<Begun, "caller" | "ambient">,
  action: AccessRequest["action"],
  resource: string,
  { tags, conditions = {}, trust }: ResourceFacts,
): AccessRequest {
  return {
    caller,
    action,
    resource,
    resourceAccount: realm.accountId,
    ...(tags === undefined ? {} : { resourceTags: tags }),
    ...(trust === undefined ? {} : { trust }),
    conditions: new Map([...conditionValues(conditions), ...ambient]),
    now: store.now(),
  };
}

/** A caller within one transaction. */
interface Begun {
  readonly caller: Caller;
  /** Condition keys that come with the caller. */
  readonly ambient: ConditionValues;
  readonly federated?: FederatedCaller;
  readonly transitiveTags?: readonly string[] | undefined;
  readonly sourceIdentity?: string | undefined;
  readonly access?: () => Access;
}

/** Where calls are recorded, and what the log knows of uses of keys. */
export interface CallLog extends AuditSink, Pick<AccessSource, "lastUse"> {}

/** The way of all calls. */
export class IamAccess {
  readonly #directory: Directory;
  readonly #audit: CallLog;

  /** Not for applications: servers take `keystore.iam.access`. */
  constructor(directory: Directory, audit: CallLog) {
    this.#directory = directory;
    this.#audit = audit;
  }

  /**
   * Makes a call. What `run` throws is recorded and thrown again, and what it had changed is undone.
   *
   * @param run - As for the store's `read` and `write`: synchronous, and may run more than once.
   */
  async call<T>(
    by: IamCaller | FederatedCaller,
    operation: IamOperation,
    run: (call: IamCall) => T,
  ): Promise<T> {
    const { store, realm } = this.#directory;
    const { requestId } = by;
    const { identity, callerIn } =
      "provider" in by ? vouched(by, realm) : signed(by, realm, this.#audit);
    const begin = (): IamCall => new IamCall(this.#directory, callerIn(store));
    const attempt = (): Outcome<T> => {
      const call = begin();
      const settled = settle(() => run(call));
      return { ...settled, call };
    };
    const record = ({ call, error }: Outcome<T>): void | Promise<void> =>
      this.#audit.append({
        time: store.now(),
        ...operation,
        ...identity,
        ...(requestId === undefined ? {} : { requestId }),
        ...(call.caller.userId === undefined ? {} : { principalId: call.caller.userId }),
        resources: [],
        decisions: call.decisions,
        ...(error === undefined ? {} : { error: { code: error.name, message: error.message } }),
      });
    const outcome = operation.readOnly
      ? await store.read(attempt)
      : await store.write(() => {
          // In the transaction: it commits with the change, or refuses it.
          const begun = begin();
          const settled = settle(() => store.attempt(() => run(begun)));
          const written = { ...settled, call: begun };
          void record(written);
          return written;
        });
    // Nothing is answered that is not in the log.
    if (operation.readOnly) await record(outcome);
    if (outcome.error !== undefined) throw outcome.error;
    // Without an error there is a result.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return outcome.result as T;
  }

  /** The identity provider whose tokens have this issuer, for a server that verifies them. */
  provider(issuer: string): Promise<ProviderRecord | undefined> {
    return this.#directory.store.read(() => this.#directory.providerOf(issuer));
  }
}

interface Introduced {
  /** What the audit log says of the caller. */
  readonly identity: Identity;
  readonly callerIn: (store: Store) => Begun;
}

function signed(
  { principal, session: options }: IamCaller,
  realm: Realm,
  log: CallLog,
): Introduced {
  const session = new Session(principalArn(principal, realm), realm, options);
  const { identity, ambient } = session;
  const { transitiveTags, sourceIdentity } = options ?? {};
  return {
    identity,
    callerIn: (store) => ({
      caller: session.caller(store),
      ambient,
      transitiveTags,
      sourceIdentity,
      access: () => new Access({ store, session, lastUse: (arn) => log.lastUse(arn) }),
    }),
  };
}

/** Somebody who has a token has no policies: the trust policy of the role decides alone. */
function vouched(by: FederatedCaller, realm: Realm): Introduced {
  const { provider, subject, audience, claims, session = {} } = by;
  const { accountId } = realm;
  const userId = `${provider}:${audience}:${subject}`;
  const begun: Begun = {
    federated: by,
    caller: { arn: provider, accountId, type: "federated", userId },
    // What is known here comes last: no claim takes its place.
    ambient: new Map([
      ...conditionValues(claims),
      ...ambientValues(realm, { ...session, federatedProvider: provider }),
    ]),
  };
  const who = identityOf({ principal: provider, accountId }, undefined, session);
  return { identity: { ...who, userName: subject }, callerIn: () => begun };
}

interface Settled<T> {
  readonly result?: T;
  readonly error?: Error;
}

interface Outcome<T> extends Settled<T> {
  readonly call: IamCall;
}

/** The outcome of `fn`. Rethrows anything that is not an answer to a call. */
function settle<T>(fn: () => T): Settled<T> {
  try {
    return { result: fn() };
  } catch (error) {
    const isAnswer = isKmsError(error) || error instanceof IamError;
    if (isAnswer || isEnvelopeError(error, "ERR_ENVELOPE_KEYSTORE_FORMAT")) return { error };
    throw error;
  }
}
