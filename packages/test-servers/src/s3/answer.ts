/**
 * The answers to requests.
 *
 * @module
 */
import type { S3Error } from "./error.ts";
import { toXml, type Xml } from "./xml.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: readonly Uint8Array[];
}

export function answer(
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body: readonly Uint8Array[] = [],
): Answer {
  return { status, headers, body };
}

export function xmlAnswer(
  root: string,
  content: Xml,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  const body = Buffer.from(toXml(root, content));
  return answer(200, { "content-type": "application/xml", ...headers }, [body]);
}

export function errorAnswer(error: S3Error, requestId: string): Answer {
  const { code, status, message, details, headers } = error;
  if (status === 304) return answer(status, headers);
  const content = {
    Code: code,
    Message: message,
    ...details,
    RequestId: requestId,
    HostId: "host",
  };
  const body = Buffer.from(toXml("Error", content));
  return answer(status, { ...headers, "content-type": "application/xml" }, [body]);
}
