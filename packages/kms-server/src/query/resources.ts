/**
 * Names, paths and tags as IAM writes them.
 *
 * @module
 */
import { QueryError } from "./query-error.ts";
import type { Result } from "./action.ts";

/** What follows the last slash of an ARN. */
export function nameOf(arn: string): string {
  return arn.slice(arn.lastIndexOf("/") + 1);
}

/** `/`, or `/team/` of `arn:aws:iam::…:user/team/alice`. */
export function pathOf(arn: string): string {
  return arn.slice(arn.indexOf("/"), arn.lastIndexOf("/") + 1);
}

/** @throws {@link QueryError} `ValidationError` */
export function requireName(name: string): string {
  if (/^[\w+=,.@-]{1,128}$/.test(name)) return name;
  throw new QueryError(
    "ValidationError",
    "The specified value for a name is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-",
  );
}

export function tagList(tags: Readonly<Record<string, string>>): readonly Result[] {
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}

/** Answers carry documents percent-encoded by RFC 3986. */
export function encodeDocument(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
