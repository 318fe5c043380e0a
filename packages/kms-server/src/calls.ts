/**
 * A request of the AWS KMS protocol, from its bytes to an answer: authenticated, decoded, called, encoded.
 *
 * @module
 */
import { principalArn, type Keystore, type KmsClient, type SessionOptions } from "@env/kms";
import { servedOperations, type ServedOperation } from "@env/kms/server";
import { answerOf, answerOfError, decodeRequest, objectOf, type Answer } from "./aws-json.ts";
import type { Authenticate, Caller } from "./caller.ts";
import type { ConsoleCaller, ConsoleOperations } from "./console/calls.ts";
import type { ReceivedRequest } from "./signed-request.ts";
import {
  answerQuery,
  answerQueryError,
  isForm,
  serviceOfForm,
  type QueryRequest,
  type QueryService,
} from "./query/answer-query.ts";
import type { LogEntry } from "./options.ts";
import { Form } from "./query/form.ts";
import { WITH_TOKEN } from "./query/sts-actions.ts";
import type { WebIdentity } from "./query/web-identity.ts";
import { WireError } from "./wire-error.ts";

/** Where a request came from. */
export interface Origin {
  readonly requestId: string;
  readonly sourceIp: string | undefined;
  readonly userAgent: string | undefined;
  /** Whether it came by TLS. */
  readonly secure: boolean;
}

/** What is known of a request after it was answered, for metrics and logs. */
export interface Outcome {
  readonly answer: Answer;
  /** AWS's name; undefined if the request names none that there is. */
  readonly operation?: string | undefined;
  readonly caller?: Pick<LogEntry, "accessKeyId" | "principal" | "region"> | undefined;
  readonly encryptionContext?: unknown;
  /** What the answer does not say: a mistake of the program, a full disk. */
  readonly fault?: unknown;
}

export interface CallsOptions {
  readonly keystore: Keystore;
  readonly authenticate: Authenticate;
  readonly webIdentity: WebIdentity;
  /** The calls of the console, where there is one. */
  readonly own: ConsoleOperations | undefined;
  /** Counts a call of a principal. @throws {@link WireError} `ThrottlingException` */
  readonly count: (principal: string) => void;
}

const TARGET = "TrentService.";

export class Calls {
  readonly #options: CallsOptions;
  /** Clients by all that they were made from. */
  readonly #clients = new Map<string, KmsClient>();

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  /** Answers a request. Never throws; wipes the body. */
  answer(request: ReceivedRequest, headers: TargetHeaders, origin: Origin): Promise<Outcome> {
    return isForm(headers.contentType)
      ? this.#answerForm(request, origin)
      : this.#answerJson(request, headers, origin);
  }

  /** STS and IAM. */
  async #answerForm(request: ReceivedRequest, origin: Origin): Promise<Outcome> {
    const { requestId } = origin;
    let service: QueryService = "sts";
    let caller: Outcome["caller"];
    try {
      const form = Form.parse(request.body);
      service = serviceOfForm(form);
      let by: QueryRequest["caller"];
      if (form.action === WITH_TOKEN) {
        const token = form.required("WebIdentityToken");
        const bearer = await this.#options.webIdentity.verify(token, origin.sourceIp);
        caller = { principal: bearer.provider };
        by = { ...bearer, session: placeOf(origin) };
      } else {
        const signer = await this.#options.authenticate(request);
        caller = toLogged(signer);
        const { principal } = signer.credential;
        this.#options.count(principal);
        requireService(signer, service);
        by = { principal, session: sessionOf(signer, origin) };
      }
      const asked = { service, form, caller: by, requestId };
      return { ...(await answerQuery(this.#options.keystore, asked)), caller };
    } catch (error) {
      const answer = answerQueryError(service, error, requestId);
      return { answer, caller, ...(answer.status >= 500 ? { fault: error } : {}) };
    } finally {
      request.body.fill(0);
    }
  }

  async #answerJson(
    request: ReceivedRequest,
    headers: TargetHeaders,
    origin: Origin,
  ): Promise<Outcome> {
    let operation: Pick<ServedOperation, "name"> | undefined;
    let caller: Outcome["caller"];
    let input: Record<string, unknown> | undefined;
    const about = (): Omit<Outcome, "answer"> => ({
      operation: operation?.name,
      caller,
      encryptionContext: input?.["EncryptionContext"],
    });
    try {
      requireProtocol(headers);
      const signer = await this.#options.authenticate(request);
      caller = toLogged(signer);
      this.#options.count(signer.credential.principal);
      requireService(signer, "kms");
      const own = this.#options.own?.find(headers.target);
      if (own !== undefined) {
        operation = own;
        const by = consoleCaller(signer, origin, this.#options.keystore);
        return { answer: answerOf(await own.call(objectOf(request.body), by)), ...about() };
      }
      const served = operationOf(headers.target);
      operation = served;
      input = decodeRequest(served, request.body);
      return { answer: await this.#call(served, input, signer, origin), ...about() };
    } catch (error) {
      const answer = answerOfError(error);
      return { answer, ...about(), ...(answer.status >= 500 ? { fault: error } : {}) };
    } finally {
      request.body.fill(0);
      if (input !== undefined) wipe(input);
    }
  }

  async #call(
    { method }: ServedOperation,
    input: Record<string, unknown>,
    caller: Caller,
    origin: Origin,
  ): Promise<Answer> {
    const client = this.#clientOf(caller, origin).forRequest(origin.requestId);
    // The operation checks the shape of its request.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const call = client[method] as (request: object) => Promise<unknown>;
    const response = await call.call(client, input);
    const answer = answerOf(response);
    if (typeof response === "object" && response !== null) wipe(response);
    return answer;
  }

  /** A client remembers what its principal's records say as long as those are the same, so one is kept for each caller. */
  #clientOf(caller: Caller, origin: Origin): KmsClient {
    const { credential, region } = caller;
    const session = { ...sessionOf(caller, origin), region };
    const make = (): KmsClient => this.#options.keystore.as(credential.principal, session);
    // Sessions of temporary credentials have policies of their own, and end.
    if (Object.keys(credential.session).length > 0) return make();
    const name = JSON.stringify([credential.principal, session]);
    const known = this.#clients.get(name);
    if (known !== undefined) return known;
    const client = make();
    const [oldest] = this.#clients.size >= MAX_CLIENTS ? this.#clients.keys() : [];
    if (oldest !== undefined) this.#clients.delete(oldest);
    this.#clients.set(name, client);
    return client;
  }
}

/** An address or a user agent costs a caller nothing. */
const MAX_CLIENTS = 1000;

/** What a log says of a caller. */
function toLogged({
  credential: { principal, accessKeyId },
  region,
}: Caller): NonNullable<Outcome["caller"]> {
  return { principal, accessKeyId, region };
}

/** What the caller brings along, and where from. */
function sessionOf({ credential }: Caller, origin: Origin): SessionOptions {
  return { ...credential.session, ...placeOf(origin) };
}

function consoleCaller(
  caller: Caller,
  origin: Origin,
  { facts }: Pick<Keystore, "facts">,
): ConsoleCaller {
  const { credential, region } = caller;
  return {
    principal: principalArn(credential.principal, facts),
    session: { ...sessionOf(caller, origin), region },
    requestId: origin.requestId,
  };
}

/** What policies see of where a request came from. */
export function placeOf({ sourceIp, userAgent, secure }: Origin): SessionOptions {
  return {
    ...(sourceIp === undefined ? {} : { sourceIp }),
    ...(userAgent === undefined ? {} : { userAgent }),
    secureTransport: secure,
  };
}

/** A signature for one service is not one for another. */
function requireService({ service }: Caller, served: string): void {
  if (service === served) return;
  throw new WireError(
    "InvalidSignatureException",
    `Credential should be scoped to correct service: '${served}'.`,
  );
}

/** The headers that say what a request is. */
export interface TargetHeaders {
  readonly target: string | undefined;
  readonly contentType: string | undefined;
}

/** Another content type is another protocol: AWS has no operation there. */
function requireProtocol({ contentType = "" }: TargetHeaders): void {
  if (/^application\/x-amz-json-1\.[01](?:;|$)/.test(contentType)) return;
  throw new WireError("UnknownOperationException", "", 404);
}

function operationOf(target = ""): ServedOperation {
  const name = target.startsWith(TARGET) ? target.slice(TARGET.length) : "";
  const operation = servedOperations.get(name);
  if (operation === undefined) throw new WireError("UnknownOperationException", "");
  return operation;
}

function wipe(members: object): void {
  for (const value of Object.values(members)) if (value instanceof Uint8Array) value.fill(0);
}
