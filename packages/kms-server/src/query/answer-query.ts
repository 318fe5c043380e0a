/**
 * The query protocol of STS and IAM: a form in, XML out.
 *
 * @module
 */
import type { Keystore } from "@env/kms";
import { IamError, type FederatedCaller, type IamCaller } from "@env/kms/server";
import type { Answer } from "../aws-json.ts";
import type { Action } from "./action.ts";
import type { Form } from "./form.ts";
import { iamActions } from "./iam-actions.ts";
import { toIamError } from "./iam-errors.ts";
import { stsActions } from "./sts-actions.ts";
import { element, elements } from "./xml.ts";

export type QueryService = "iam" | "sts";

/** A request whose caller is known. */
export interface QueryRequest {
  readonly service: QueryService;
  readonly form: Form;
  readonly caller: IamCaller | FederatedCaller;
  readonly requestId: string;
}

const services: Readonly<
  Record<QueryService, { readonly version: string; readonly actions: ReadonlyMap<string, Action> }>
> = {
  iam: { version: "2010-05-08", actions: iamActions },
  sts: { version: "2011-06-15", actions: stsActions },
};

/** Whether a request is one of this protocol. */
export function isForm(contentType = ""): boolean {
  return /^application\/x-www-form-urlencoded(?:;|$)/.test(contentType);
}

/** The service whose action the form names; for an action that is not offered, the service whose version it names. */
export function serviceOfForm(form: Form): QueryService {
  const isSts = stsActions.has(form.action) || form.version === services.sts.version;
  return isSts ? "sts" : "iam";
}

/** Answers a request. Never throws. `operation` is the action, if there is such. */
export async function answerQuery(
  keystore: Keystore,
  { service, form, caller, requestId }: QueryRequest,
): Promise<{ readonly answer: Answer; readonly operation?: string; readonly fault?: unknown }> {
  const { actions } = services[service];
  let operation: string | undefined;
  try {
    const action = actions.get(form.action);
    if (action === undefined) throw unknownAction(service, form.action);
    operation = form.action;
    form.requireOnly(action.parameters);
    const result = await keystore.iam.access.call(
      { ...caller, requestId },
      { source: service, operation, readOnly: action.readOnly, parameters: form.parameters },
      (call) => action.run(call, form),
    );
    const parts =
      (result === undefined ? "" : element(`${operation}Result`, result)) +
      element("ResponseMetadata", { RequestId: requestId });
    const text = `<${operation}Response xmlns="${namespace(service)}">${parts}</${operation}Response>`;
    return { answer: { status: 200, contentType: "text/xml", body: text }, operation };
  } catch (error) {
    const answer = answerQueryError(service, error, requestId);
    return {
      answer,
      ...(operation === undefined ? {} : { operation }),
      ...(answer.status >= 500 ? { fault: error } : {}),
    };
  }
}

/** The answer to a request that failed, its signature included. */
export function answerQueryError(service: QueryService, error: unknown, requestId: string): Answer {
  const { name: Code, status, message } = toIamError(error);
  const Type = status >= 500 ? "Receiver" : "Sender";
  const parts = elements({ Error: { Type, Code, Message: message }, RequestId: requestId });
  return {
    status,
    contentType: "text/xml",
    body: `<ErrorResponse xmlns="${namespace(service)}">${parts}</ErrorResponse>`,
    error: Code,
  };
}

function namespace(service: QueryService): string {
  return `https://${service}.amazonaws.com/doc/${services[service].version}/`;
}

function unknownAction(service: QueryService, action: string): IamError {
  const name = JSON.stringify(action.slice(0, 100));
  return new IamError(
    "InvalidAction",
    `This server does not support the action ${name} of ${service}: it serves the part of IAM and STS that decides who may use keys.`,
  );
}
