/**
 * Names, paths and tags as IAM writes them.
 *
 * @module
 */
import { IamError } from "@env/kms/server";
import type { Result } from "./action.ts";
import type { Form } from "./form.ts";

/** What follows the last slash of an ARN. */
export function nameOf(arn: string): string {
  return arn.slice(arn.lastIndexOf("/") + 1);
}

/** `/`, or `/team/` of `arn:aws:iam::…:user/team/alice`. */
export function pathOf(arn: string): string {
  return arn.slice(arn.indexOf("/"), arn.lastIndexOf("/") + 1);
}

/** @throws {@link IamError} `ValidationError` */
export function requireName(name: string): string {
  if (/^[\w+=,.@-]{1,128}$/.test(name)) return name;
  throw new IamError(
    "ValidationError",
    "The specified value for a name is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-",
  );
}

/** How many items a page has: 100 unless the form says otherwise, and at most 1,000. */
export function pageSize(form: Form): number {
  return Math.min(Math.max(form.integer("MaxItems") ?? 100, 1), 1000);
}

/** The tags of a record in an answer, which is without them where there are none. */
export function tagMember(tags: Readonly<Record<string, string>>): Result {
  return Object.keys(tags).length === 0 ? {} : { Tags: tagList(tags) };
}

/** The tags without those that an untagging form names. */
export function untagged(
  tags: Readonly<Record<string, string>>,
  form: Form,
): Record<string, string> {
  const gone = new Set(form.list("TagKeys"));
  return Object.fromEntries(Object.entries(tags).filter(([key]) => !gone.has(key)));
}

/** What policies see of a form. */
export function conditionsOf(form: Form): Record<string, string | readonly string[] | undefined> {
  const tags = Object.entries(form.tags());
  const boundary = form.get("PermissionsBoundary");
  const keys = [...tags.map(([name]) => name), ...form.list("TagKeys")];
  return {
    ...Object.fromEntries(tags.map(([name, value]) => [`aws:RequestTag/${name}`, value])),
    "aws:TagKeys": keys.length === 0 ? undefined : keys,
    "iam:PolicyARN": form.get("PolicyArn"),
    ...(boundary === undefined ? {} : { "iam:PermissionsBoundary": boundary }),
  };
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

/** What a call about something that does not exist is answered. */
export function noSuch(message: string): IamError {
  return new IamError("NoSuchEntity", message, 404);
}
