/**
 * The three protocols of the server: AWS KMS and the console's own calls in JSON, IAM as forms and XML. Every call is signed with
 * the temporary credentials of the session, like those of any other client.
 *
 * @module
 */
import type { ConsoleCalls } from "@env/kms-server";
import type { KmsOperations } from "@env/kms/server";
import { credentials, region, sessionEnded } from "../session/session.ts";
import { reached, unreached } from "../session/reach.ts";
import { CallError, UnreachableError } from "./errors.ts";
import { sign } from "./sign.ts";
import { fromJson, toJson, type Received, type Sent } from "./wire.ts";
import { parseAnswer, type XmlValue } from "./xml.ts";

type Request<Name extends keyof KmsOperations> = Sent<
  NonNullable<Parameters<KmsOperations[Name]>[0]>
>;
type Answer<Name extends keyof KmsOperations> = Received<Awaited<ReturnType<KmsOperations[Name]>>>;

/**
 * Calls an operation of the KMS.
 *
 * @param at - The Region. Default: the session's.
 */
export async function kms<Name extends keyof KmsOperations>(
  method: Name,
  request: Request<Name>,
  at = region(),
): Promise<Answer<Name>> {
  const operation = `${method.charAt(0).toUpperCase()}${method.slice(1)}`;
  // The server answers what the types of the operation say.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return (await json(`TrentService.${operation}`, request, at)) as Answer<Name>;
}

/** Calls what the console has beyond AWS. */
export async function own<Name extends keyof ConsoleCalls>(
  name: Name,
  request: Sent<ConsoleCalls[Name][0]>,
): Promise<Received<ConsoleCalls[Name][1]>> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return (await json(`EnvelopeConsole.${name}`, request)) as Received<ConsoleCalls[Name][1]>;
}

/** Calls IAM. */
export async function iam(
  action: string,
  parameters: Readonly<Record<string, string | number | undefined>> = {},
): Promise<Readonly<Record<string, XmlValue>>> {
  const form = new URLSearchParams({ Action: action, Version: "2010-05-08" });
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) form.set(name, String(value));
  }
  const contentType = "application/x-www-form-urlencoded; charset=utf-8";
  const { status, text } = await send("iam", { "content-type": contentType }, form.toString());
  const { error, result } = parseAnswer(text);
  if (status < 300 && error === undefined) return result;
  throw failed(new CallError(error?.code ?? "ServiceFailure", error?.message ?? "", status));
}

async function json(target: string, request: object, at = region()): Promise<unknown> {
  const headers = { "content-type": "application/x-amz-json-1.1", "x-amz-target": target };
  const { status, text } = await send("kms", headers, toJson(request), at);
  const answer = fromJson(text);
  if (status < 300) return answer;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Errors have this shape.
  const { __type, message, Message } = answer as Record<string, string | undefined>;
  throw failed(new CallError(__type ?? "KMSInternalException", message ?? Message ?? "", status));
}

async function send(
  service: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  at = region(),
): Promise<{ status: number; text: string }> {
  const url = new URL("/", location.href);
  const request = { url, method: "POST", headers, body, service, region: at };
  const signed = await sign(request, await credentials());
  try {
    const response = await fetch(url, { method: "POST", headers: signed, body });
    const answer = { status: response.status, text: await response.text() };
    reached();
    return answer;
  } catch {
    unreached();
    throw new UnreachableError();
  }
}

function failed(error: CallError): CallError {
  if (error.isSessionOver) sessionEnded();
  return error;
}

/** All items of a list that comes in pages. */
export async function all<Item>(
  page: (marker: string | undefined) => Promise<{
    readonly items: readonly Item[];
    readonly next: string | undefined;
  }>,
): Promise<Item[]> {
  const found: Item[] = [];
  let marker: string | undefined;
  do {
    const { items, next } = await page(marker);
    found.push(...items);
    marker = next;
  } while (marker !== undefined);
  return found;
}
