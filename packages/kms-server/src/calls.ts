/**
 * A request of the AWS KMS protocol, from its bytes to an answer: authenticated, decoded, called, encoded.
 *
 * @module
 */
import type { Keystore } from "@env/kms";
import { servedOperations, type ServedOperation } from "@env/kms/server";
import { answerOf, answerOfError, decodeRequest, type Answer } from "./aws-json.ts";
import type { Authenticate, Caller } from "./caller.ts";
import type { ReceivedRequest } from "./signed-request.ts";
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
  readonly caller?: Caller | undefined;
  readonly encryptionContext?: unknown;
  /** What the answer does not say: a mistake of the program, a full disk. */
  readonly fault?: unknown;
}

export interface CallsOptions {
  readonly keystore: Keystore;
  readonly authenticate: Authenticate;
  /** Counts a call of a principal. @throws {@link WireError} `ThrottlingException` */
  readonly count: (principal: string) => void;
}

const TARGET = "TrentService.";

export class Calls {
  readonly #options: CallsOptions;

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  /** Answers a request. Never throws; wipes the body. */
  async answer(request: ReceivedRequest, headers: TargetHeaders, origin: Origin): Promise<Outcome> {
    let operation: ServedOperation | undefined;
    let caller: Caller | undefined;
    let input: Record<string, unknown> | undefined;
    const about = (): Omit<Outcome, "answer"> => ({
      operation: operation?.name,
      caller,
      encryptionContext: input?.["EncryptionContext"],
    });
    try {
      requireProtocol(headers);
      caller = await this.#options.authenticate(request);
      this.#options.count(caller.credential.principal);
      operation = operationOf(headers.target);
      input = decodeRequest(operation, request.body);
      return { answer: await this.#call(operation, input, caller, origin), ...about() };
    } catch (error) {
      const answer = answerOfError(error);
      return { answer, ...about(), ...(answer.status >= 500 ? { fault: error } : {}) };
    } finally {
      request.body.fill(0);
      if (input !== undefined) wipe(input);
    }
  }

  async #call(
    { name, method }: ServedOperation,
    input: Record<string, unknown>,
    { credential }: Caller,
    { requestId, sourceIp, userAgent, secure }: Origin,
  ): Promise<Answer> {
    if (method === undefined) {
      throw new WireError("UnsupportedOperationException", `This KMS does not offer ${name}.`);
    }
    const client = this.#options.keystore
      .as(credential.principal, {
        ...credential.session,
        ...(sourceIp === undefined ? {} : { sourceIp }),
        ...(userAgent === undefined ? {} : { userAgent }),
        secureTransport: secure,
      })
      .forRequest(requestId);
    // The operation checks the shape of its request.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const call = client[method] as (request: object) => Promise<unknown>;
    const response = await call.call(client, input);
    const answer = answerOf(response);
    if (typeof response === "object" && response !== null) wipe(response);
    return answer;
  }
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
