/**
 * The one way every operation goes, so that none can forget a step:
 *
 *     members -> shape -> resolve -> quota -> authorize -> what is due on the key -> state -> usage
 *     -> kind of key -> do -> dry run -> audit
 *
 * An operation is data: its row in the catalogue, what it asks for, and what it does with the keys it then
 * gets. There is no other way to run one than {@link Operation.call}.
 *
 * A dry run does everything and throws it away: a change is rolled back, an answer is wiped. So it
 * cannot succeed where the call would not.
 *
 * @module
 */
import { isEnvelopeError } from "@env/core";
import { Access, type AccessSource } from "../access/access.ts";
import type { Found, HeldGrant, KeyQuestion, Question, Resolved } from "../access/question.ts";
import type { Realm } from "../arn.ts";
import type { AuditSink } from "../audit/event.ts";
import type { KeyAction } from "../catalogue/actions.ts";
import { isOfKind } from "../catalogue/key-specs.ts";
import { membersOf, operationRows, type OperationName } from "../catalogue/operations.ts";
import * as check from "../requests/check.ts";
import { isKmsError, KmsError } from "../catalogue/errors.ts";
import { requireKnownTokens } from "../keys/grant-records.ts";
import { arnOf, keyState } from "../keys/key.ts";
import type { KeyRecord } from "../store/key-record.ts";
import { carryOutDue, isDue } from "../keys/lifecycle.ts";
import { bornManagedKey } from "../keys/managed.ts";
import type { Quotas } from "../access/quotas.ts";
import type { Parameter, RequestOf, ResponseOf } from "../requests/operations.ts";
import type { KeyRequest } from "../requests/shapes.ts";
import { requireState } from "../keys/states.ts";
import type { Store } from "../store/store.ts";
import { ownEvent, Trail, type Outcome, type OwnEvent } from "./trail.ts";

/** What all calls of one client share. */
export interface Environment extends AccessSource {
  readonly audit: AuditSink;
  readonly quotas: Quotas | undefined;
  /** How long a new grant counts only with its token, in ms. */
  readonly grantDelay: number;
  /** The request of a server in front. */
  readonly requestId?: string;
}

/** One operation of the KMS: all that can be done with it is to call it. */
export interface Operation<Name extends OperationName = OperationName> {
  /** AWS's name. */
  readonly name: Name;
  /** A request may be absent where the method's may. */
  readonly call: (environment: Environment, request: Parameter<Name>) => Promise<ResponseOf<Name>>;
}

/** Operations by the names of the client's methods. */
export type Implementations<Names extends OperationName> = {
  readonly [Name in Names as Uncapitalize<Name>]: Operation<Name>;
};

type Questions = Readonly<Record<string, Question | undefined>>;

/** What was found for each question, by its name; `undefined` where it is about no key. */
type Keys<Q extends Questions> = {
  readonly [Name in keyof Q]:
    | Found<NonNullable<Q[Name]>>
    | (undefined extends Q[Name] ? undefined : never);
};

/** What an operation's own code may reach, inside the transaction. */
export interface Call {
  readonly store: Store;
  readonly realm: Realm;
  /** Asks further questions, such as whether a new policy still lets the caller in. Not recorded. */
  readonly access: Access;
  /** The store's clock: milliseconds since 1970. */
  readonly now: number;
  readonly grantDelay: number;
  readonly lastUse: Environment["lastUse"];
  /** Puts into the log what the KMS did by itself besides. */
  readonly note: (event: OwnEvent) => void;
}

/** What the catalogue cannot say of an operation. */
interface Definition<Request, Input, Q extends Questions, Made, Response> {
  /** The shape of the request, and copies of its bytes: one `check.all`. No look at any key. */
  readonly parse: (request: Request) => Input;
  /** What is asked for, by name and in this order; at least one question that needs permission. */
  readonly questions: (input: Input) => Q;
  /** Whose quota is used, where it is not that of the first key's spec. */
  readonly quotaSpec?: (input: Input) => string;
  /**
   * Makes what takes long, outside of any transaction, once the call has been found allowed. All
   * questions are asked again afterwards.
   */
  readonly make?: (input: Input, keys: Keys<Q>) => Promise<Made>;
  /** Semantic checks, and then the thing itself. May run more than once: effects on the store only. */
  readonly run: (call: Call, input: Input, keys: Keys<Q>, made: Made) => Response;
  /** The ARN of a key that the call made, which was not there to be asked for. */
  readonly created?: (response: Response) => string;
  /** After the call, whatever became of it. */
  readonly wipe?: (input: Input) => void;
}

/** Whether the method may be called without a request, which is then an empty one. */
type Absent<Name extends OperationName> =
  undefined extends Parameter<Name> ? { readonly optional: true } : { readonly optional?: never };

/** @param name - That of the operation's row in the catalogue. */
export function operation<Name extends OperationName, Input, Q extends Questions, Made = undefined>(
  name: Name,
  definition: Absent<Name> & Definition<RequestOf<Name>, Input, Q, Made, ResponseOf<Name>>,
): Operation<Name> {
  const { optional = false } = definition;
  return {
    name,
    call: (environment, request) => {
      const given = request === undefined && optional ? {} : request;
      // Where it is optional, an empty one is a request.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      return perform(environment, name, definition, given as RequestOf<Name>);
    },
  };
}

/** The part of an operation that asks for one key. */
export interface Asking<Request, Input> {
  readonly parse: (request: Request) => Input;
  readonly questions: (input: Input) => { readonly key: KeyQuestion };
}

/** The part of an operation that asks for the key in `KeyId`, and for nothing else. */
export function onKey(action: KeyAction): Asking<KeyRequest, string> {
  return {
    parse: ({ KeyId }) => check.requireKeyId(KeyId),
    questions: (keyId) => ({ key: { on: "key", action, keyId } }),
  };
}

async function perform<Request extends object, Input, Q extends Questions, Made, Response>(
  environment: Environment,
  name: OperationName,
  definition: Definition<Request, Input, Q, Made, Response>,
  request: Request,
): Promise<Response> {
  check.requireObject(request);
  const { store, quotas, session } = environment;
  const trail = new Trail(environment, name, request);
  let dryRun = false;
  let wipe: (() => void) | undefined;
  let answer: Response | undefined;
  const record = (outcome: Outcome<Response>): void | Promise<void> => {
    const created = "response" in outcome ? definition.created?.(outcome.response) : undefined;
    return trail.record(outcome, { dryRun, created });
  };
  try {
    check.requireMembers(request, membersOf(name));
    dryRun = "DryRun" in request && request.DryRun === true;
    const { input, tokens } = check.all({
      input: () => definition.parse(request),
      tokens: () => check.grantTokens(request),
      dryRun: () => check.dryRun(request),
    });
    wipe = () => definition.wipe?.(input);
    const count = quotas?.counter(name, session.accountId);
    const entry = { environment, name, definition, input, tokens, trail, count };
    const run = ({ call, keys }: Entered<Q>, made: Made): Response => {
      // A transaction may be tried again: what came of it before is given to nobody.
      discard(answer);
      answer = definition.run(call, input, keys, made);
      if (!dryRun) return answer;
      throw new KmsError(
        "DryRunOperationException",
        "The request would have succeeded, but the DryRun option is set.",
      );
    };

    const made = await makeAhead(definition, input, () => store.read(() => enter(entry, false)));
    // Where others may change something at any moment, the transaction that records the call also confirms its answer.
    if (operationRows[name].mode === "read" && !store.isShared) {
      const read = await store.read(() => {
        const entered = enter(entry, false);
        return entered.due ? undefined : { response: run(entered, made) };
      });
      if (read !== undefined) {
        // Nothing is answered that is not in the log.
        await record(read);
        return read.response;
      }
    }
    const outcome = await store.write(() => {
      const settled = settle(() => store.attempt(() => run(enter(entry, true), made)));
      // In the transaction: it commits with the change, or refuses it.
      void record(settled);
      return settled;
    });
    if ("error" in outcome) throw outcome.error;
    return outcome.response;
  } catch (error) {
    discard(answer);
    if (!trail.recorded && isRefusal(error)) await record({ error });
    throw error;
  } finally {
    wipe?.();
  }
}

/** What a transaction starts from, each time that it is tried. */
interface Entry<Input, Q extends Questions> {
  readonly environment: Environment;
  readonly name: OperationName;
  readonly definition: Pick<Definition<never, Input, Q, never, unknown>, "questions" | "quotaSpec">;
  readonly input: Input;
  readonly tokens: readonly string[];
  readonly trail: Trail;
  readonly count: ReturnType<Quotas["counter"]> | undefined;
}

interface Entered<Q extends Questions> {
  readonly call: Call;
  readonly keys: Keys<Q>;
  /** Something is due on a key, so the transaction has to be one that writes. */
  readonly due: boolean;
}

/** Everything that comes before the operation's own part. */
function enter<Input, Q extends Questions>(
  { environment, name, definition, input, tokens, trail, count }: Entry<Input, Q>,
  writing: boolean,
): Entered<Q> {
  const { store, session, audit, lastUse, grantDelay } = environment;
  const { realm } = session;
  const now = store.now();
  const note = (event: OwnEvent): void => void audit.append(ownEvent(event, realm, now));
  const access = new Access(environment);
  trail.begin(access.caller);

  const questions = Object.entries(definition.questions(input)).flatMap(([key, question]) =>
    question === undefined ? [] : [[key, question] as const],
  );
  const resolved = questions.map(([, question]) => access.resolve(question));
  trail.found(resolved);
  count?.(definition.quotaSpec?.(input) ?? resolved[0]?.record?.keySpec, now);
  requireKnownTokens(store, realm, tokens);
  const asking = resolved.filter(({ question }) => question.on !== "filter");
  if (asking.length === 0) throw new Error(`${name} asks for no permission`);
  for (const one of asking) {
    const answer = access.ask(one, resolved, tokens);
    trail.asked(answer);
    access.requireAllowed(answer);
  }

  let due = false;
  const keys: Record<string, KeyRecord | HeldGrant> = {};
  for (const [i, [key]] of questions.entries()) {
    const one = resolved[i];
    if (one?.record === undefined) continue;
    // What is due waits until the keystore can be changed; expired material is not used meanwhile.
    const isHere = !one.unborn && (store.readOnly || !isDue(one.record, store));
    due ||= !isHere;
    const record = isHere || !writing ? one.record : carryOut(environment, one, note);
    if (isHere || writing) requireUsable(name, one.question, record, realm, now);
    keys[key] = one.grant === undefined ? record : { key: record, grant: one.grant };
  }
  // The names are those of the questions, and each has the kind of answer that its kind of question gets.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const found = keys as Keys<Q>;
  return { call: { store, realm, access, now, grantDelay, lastUse, note }, keys: found, due };
}

/** State, then use, then kind: a disabled key says that it is disabled, whatever it is for. */
function requireUsable(
  name: OperationName,
  question: Question,
  record: KeyRecord,
  realm: Realm,
  now: number,
): void {
  if (question.on !== "key" && question.on !== "blob") return;
  const arn = arnOf(record, realm);
  const { states, usage, keys } = operationRows[name];
  const { keyUsage, keySpec } = record;
  if (states !== undefined) requireState(states, keyState(record, now), arn);
  if (usage !== undefined && usage !== keyUsage) {
    throw new KmsError(
      "InvalidKeyUsageException",
      `${arn} key usage is ${keyUsage} which is not valid for ${name}.`,
    );
  }
  if (keys !== undefined && !isOfKind(keys, keySpec)) {
    throw new KmsError(
      keys === "symmetric" ? "InvalidKeyUsageException" : "UnsupportedOperationException",
      `${arn} key spec is ${keySpec} which is not valid for ${name}.`,
    );
  }
}

/** Does what is due on a key, and makes a managed key that is used for the first time. */
function carryOut(
  { store, session: { realm } }: Environment,
  { record, unborn }: Resolved,
  note: Call["note"],
): KeyRecord {
  if (record === undefined) throw new RangeError("the question is about no key");
  if (!unborn) {
    const { record: changed, done } = carryOutDue(record, store);
    done.forEach(note);
    return changed;
  }
  // The source and the destination of one call may be the same new key.
  const there = record.aliases.map(({ name }) => store.keys.byAlias(realm.region, name))[0];
  if (there !== undefined) return there;
  const born = bornManagedKey(record);
  store.keys.insert(born);
  note({ operation: "CreateKey", key: born });
  return born;
}

/** The outcome of `fn`. Rethrows anything that is not an answer to a call. */
function settle<Response>(fn: () => Response): Outcome<Response> {
  try {
    return { response: fn() };
  } catch (error) {
    if (isRefusal(error)) return { error };
    throw error;
  }
}

/** Whether an error is for the log: an answer to the call, or a record that does not verify. A mistake of the program or a full disk is not. */
function isRefusal(error: unknown): error is Error {
  return isKmsError(error) || isEnvelopeError(error, "ERR_ENVELOPE_KEYSTORE_FORMAT");
}

/** Wipes the bytes of an answer that nobody gets. */
function discard(response: unknown): void {
  if (typeof response !== "object" || response === null) return;
  for (const value of Object.values(response)) if (value instanceof Uint8Array) value.fill(0);
}

async function makeAhead<Input, Q extends Questions, Made>(
  { make }: Pick<Definition<never, Input, Q, Made, never>, "make">,
  input: Input,
  enterFirst: () => Promise<Entered<Q>>,
): Promise<Made> {
  // Without `make`, Made is undefined.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  if (make === undefined) return undefined as Made;
  const { keys } = await enterFirst();
  return make(input, keys);
}
