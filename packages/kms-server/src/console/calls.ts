/**
 * The calls of the console, see api.ts: each one is decided and recorded as one call of the person, and then answered by what
 * the keystore offers to everybody.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import {
  isKmsError,
  KmsError,
  lintPolicy,
  principalArn,
  type AuditQuery,
  type ExplainRequest,
  type Keystore,
  type SessionOptions,
} from "@env/kms";
import { keySummaries, type IamCall } from "@env/kms/server";
import { throttled } from "../rate.ts";
import type {
  Anchor,
  ConsoleCalls,
  CountAuditResponse,
  CountedMember,
  ExplainAnswer,
  ExplainCallResponse,
  VerifyAuditResponse,
} from "./api.ts";
import {
  countRequest,
  effectiveAccessRequest,
  explainRequest,
  lintRequest,
  pageRequest,
  queryOf,
  queryRequest,
  verifyRequest,
} from "./requests.ts";
import { required } from "./shape.ts";

/** Who calls, with the session of a signed request. */
export interface ConsoleCaller {
  /** ARN. */
  readonly principal: string;
  readonly session: SessionOptions & { readonly region: string };
  readonly requestId: string;
}

/** The part of the target before the name of a call. */
const TARGET = "EnvelopeConsole.";
/** Records that are opened for one page of a query, and for one count. */
const QUERY_EFFORT = 20_000;
const COUNT_EFFORT = 100_000;
const MAX_GROUPS = 10_000;
/** Counts that wait for their turn: each one opens many records. */
const MAX_COUNTS = 32;

type Call = (request: unknown, by: ConsoleCaller) => Promise<unknown>;

export class ConsoleOperations {
  readonly #keystore: Keystore;
  #counts = 0;
  #lastCount: Promise<unknown> = Promise.resolve();
  #verification: { readonly of: string; readonly answer: Promise<VerifyAuditResponse> } | undefined;

  constructor(keystore: Keystore) {
    this.#keystore = keystore;
  }

  /** The call that a target names, with its name. */
  find(target = ""): { readonly name: string; readonly call: Call } | undefined {
    const name = target.startsWith(TARGET) ? target.slice(TARGET.length) : "";
    const call = this.#calls.get(name);
    return call && { name, call };
  }

  readonly #calls: ReadonlyMap<string, Call> = new Map<keyof ConsoleCalls, Call>([
    ["Explain", (request, by) => this.#explain(request, by)],
    [
      "EffectiveAccess",
      async (request, by) => {
        const { KeyId, ...page } = effectiveAccessRequest(request, "");
        const keyId = required(KeyId, "KeyId");
        const { region } = by.session;
        const arn = await this.#asked("EffectiveAccess", { KeyId }, by, (call) => {
          call.authorize("iam:SimulatePrincipalPolicy", "*");
          return call.authorizeOn({ on: "key", action: "GetKeyPolicy", keyId, anyName: true });
        });
        return this.#keystore.effectiveAccess({ ...page, KeyId: arn }, region);
      },
    ],
    [
      "QueryAudit",
      async (request, by) => {
        const { First = "newest", Limit = 100, Marker, ...filter } = queryRequest(request, "");
        await this.#asked("QueryAudit", filter, by, mayQuery);
        const { entries, next } = await this.#keystore.audit.page({
          ...queryOf(filter),
          first: First,
          limit: Limit,
          effort: QUERY_EFFORT,
          ...(Marker === undefined ? {} : { marker: Marker }),
        });
        const isLast = next === undefined;
        return {
          Entries: entries,
          ...(isLast ? { Truncated: false } : { Truncated: true, NextMarker: next }),
        };
      },
    ],
    [
      "CountAudit",
      async (request, by) => {
        const { GroupBy, ...filter } = countRequest(request, "");
        const members = required(GroupBy, "GroupBy");
        await this.#asked("CountAudit", filter, by, mayQuery);
        return this.#inTurn(() => this.#count(members, queryOf(filter)));
      },
    ],
    [
      "VerifyAudit",
      async (request, by) => {
        const { Anchor } = verifyRequest(request, "");
        await this.#asked("VerifyAudit", {}, by, (call) =>
          call.authorize("envelope:VerifyAudit", "*"),
        );
        return this.#verify(Anchor);
      },
    ],
    [
      "LintKeyPolicy",
      async (request, by) => {
        const { Policy, Kind = "key" } = lintRequest(request, "");
        const policy = required(Policy, "Policy");
        return this.#asked("LintKeyPolicy", {}, by, () => ({ Findings: lintPolicy(policy, Kind) }));
      },
    ],
    [
      "KeySummaries",
      async (request, by) => {
        const page = pageRequest(request, "");
        return this.#asked("KeySummaries", {}, by, (call) => keySummaries(call, page));
      },
    ],
  ]);

  /** Decides and records a call. @throws {@link KmsError} what `run` throws, which is also recorded. */
  #asked<T>(
    operation: keyof ConsoleCalls,
    parameters: Readonly<Record<string, unknown>>,
    by: ConsoleCaller,
    run: (call: IamCall) => T,
  ): Promise<T> {
    const what = { source: "envelope", operation, readOnly: true, parameters } as const;
    return this.#keystore.iam.access.call(by, what, run);
  }

  async #explain(request: unknown, by: ConsoleCaller): Promise<ExplainCallResponse> {
    const { facts } = this.#keystore;
    const asked = required(explainRequest(request, "").Requests, "Requests");
    const questions = asked.map((one): Question => {
      const principal = principalArn(one.principal ?? by.principal, facts);
      return Object.assign({}, one, { principal });
    });
    const views = await this.#asked("Explain", { Requests: questions }, by, (call) =>
      questions.map((question) => viewOf(call, question, by)),
    );
    const Answers: ExplainAnswer[] = [];
    for (const [i, question] of questions.entries()) {
      Answers.push(await this.#answer(question, views[i] ?? {}, by));
      await setImmediate();
    }
    return { Answers };
  }

  async #answer(
    question: Question,
    { refusal, whole }: View,
    by: ConsoleCaller,
  ): Promise<ExplainAnswer> {
    try {
      if (refusal !== undefined) throw refusal;
      const { principal } = question;
      const own = principal === by.principal ? by.session : { region: by.session.region };
      const session = { ...own, ...question.session };
      requireCaller(this.#keystore, principal, session);
      const explanation = await this.#keystore.explain({ ...question, session });
      const { decision } = explanation;
      return { Decision: decision, ...(whole === true ? { Explanation: explanation } : {}) };
    } catch (error) {
      if (!isKmsError(error)) throw error;
      return { Error: { Code: error.name, Message: error.message } };
    }
  }

  /** Runs one after the other. */
  async #inTurn<T>(count: () => Promise<T>): Promise<T> {
    if (this.#counts >= MAX_COUNTS) throw throttled();
    this.#counts++;
    const turn = this.#lastCount.then(count);
    this.#lastCount = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      this.#counts--;
    }
  }

  async #count(members: readonly CountedMember[], filter: AuditQuery): Promise<CountAuditResponse> {
    const groups = new Map<string, { readonly Values: readonly string[]; Count: number }>();
    let marker: string | undefined;
    let left = COUNT_EFFORT;
    let isWhole = true;
    do {
      const { entries, next } = await this.#keystore.audit.page({
        ...filter,
        first: "newest",
        limit: 1000,
        effort: 1000,
        ...(marker === undefined ? {} : { marker }),
      });
      left -= 1000;
      for (const { record } of entries) {
        const Values = members.map((member) => counted[member](record));
        const name = JSON.stringify(Values);
        const group = groups.get(name);
        if (group !== undefined) group.Count++;
        else if (groups.size < MAX_GROUPS) groups.set(name, { Values, Count: 1 });
        else isWhole = false;
      }
      marker = next;
    } while (marker !== undefined && left > 0);
    return {
      Groups: [...groups.values()].toSorted((a, b) => b.Count - a.Count),
      Truncated: !isWhole || marker !== undefined,
    };
  }

  /** Verifies the log once for all who ask for the same meanwhile. */
  #verify(anchor: Anchor | undefined): Promise<VerifyAuditResponse> {
    const of = JSON.stringify(anchor ?? null);
    if (this.#verification !== undefined) {
      if (this.#verification.of !== of) throw throttled();
      return this.#verification.answer;
    }
    const answer = verified(this.#keystore, anchor).finally(() => {
      this.#verification = undefined;
    });
    this.#verification = { of, answer };
    return answer;
  }
}

async function verified(
  { audit }: Keystore,
  anchor: Anchor | undefined,
): Promise<VerifyAuditResponse> {
  const Report = await audit.verify(
    anchor && { anchor: { sequence: anchor.Sequence, digest: anchor.Digest } },
  );
  if (!Report.intact) return { Report };
  // That of several chains is a record of its own.
  const { sequence, digest } = Report.chains === undefined ? Report.last : await audit.anchor();
  return { Report, Anchor: { Sequence: sequence, Digest: digest } };
}

/** A question that says whom it is about. */
type Question = ExplainRequest & { readonly principal: string };

/** What the caller may see of an answer. */
interface View {
  /** Why there is none. */
  readonly refusal?: Error;
  /** Whether policies may be shown. */
  readonly whole?: boolean;
}

function viewOf(
  call: IamCall,
  { principal, key, role, grantTokens, session }: Question,
  by: ConsoleCaller,
): View {
  const refusal = refusalOf(() => call.authorize("iam:SimulatePrincipalPolicy", principal));
  if (refusal !== undefined) return principal === by.principal ? { whole: false } : { refusal };
  const seesKey =
    key === undefined
      ? // A token of a grant names a key.
        grantTokens === undefined
      : refusalOf(() =>
          call.authorizeOn({
            on: "key",
            action: "GetKeyPolicy",
            keyId: key,
            anyName: true,
            region: session?.region ?? by.session.region,
          }),
        ) === undefined;
  const seesRole =
    role === undefined || refusalOf(() => call.authorize("iam:GetRole", role)) === undefined;
  return { whole: seesKey && seesRole };
}

/** Refuses as the question's fault what the options of a session refuse. @throws {@link KmsError} `ValidationException` */
function requireCaller(keystore: Keystore, principal: string, session: SessionOptions): void {
  try {
    keystore.as(principal, session);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    throw new KmsError("ValidationException", error.message);
  }
}

function refusalOf(ask: () => unknown): Error | undefined {
  try {
    ask();
    return undefined;
  } catch (error) {
    if (isKmsError(error)) return error;
    throw error;
  }
}

function mayQuery(call: IamCall): void {
  call.authorize("envelope:QueryAudit", "*");
}

type Counted = Awaited<ReturnType<Keystore["audit"]["page"]>>["entries"][number]["record"];

const counted: Readonly<Record<CountedMember, (record: Counted) => string>> = {
  day: ({ eventTime }) => eventTime.slice(0, 10),
  operation: ({ eventName }) => eventName,
  principal: ({ userIdentity: { arn, invokedBy = "" } }) => arn ?? invokedBy,
  resource: ({ resources }) => resources.find(({ type }) => type === "AWS::KMS::Key")?.ARN ?? "",
  outcome: ({ errorCode }) => (errorCode === undefined ? "succeeded" : "refused"),
};
