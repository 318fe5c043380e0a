/**
 * Tags: they describe a key, and policies may ask for them.
 *
 * @module
 */
import type { Conditions } from "../access/question.ts";
import * as check from "../requests/check.ts";
import { kmsLimits } from "../keys/key.ts";
import { fromMarker, toPage } from "../requests/page.ts";
import type { Tag } from "../requests/shapes.ts";
import { operation, type Implementations } from "./operation.ts";

/** Adds tags after those that are there. A tag with the same key gets the new value, and keeps its place. */
const tagResource = operation("TagResource", {
  parse: ({ KeyId, Tags }) =>
    check.all({
      keyId: () => check.requireKeyId(KeyId),
      tags: () => check.tags(Tags, 0),
    }),
  questions: ({ keyId, tags }) => ({
    key: {
      on: "key",
      action: "TagResource",
      keyId,
      conditions: tagConditions(tags),
    } as const,
  }),
  run: ({ store }, input, { key }): void => {
    const tags = new Map([...key.tags, ...input.tags]);
    if (tags.size > kmsLimits.tagsPerKey) throw check.tooManyTags();
    store.keys.update({ ...key, tags });
  },
});

/** Removes tags, and ignores those that the key does not have. */
const untagResource = operation("UntagResource", {
  parse: ({ KeyId, TagKeys }) =>
    check.all({
      keyId: () => check.requireKeyId(KeyId),
      names: () => check.tagKeys(TagKeys),
    }),
  questions: ({ keyId, names }) => ({
    key: {
      on: "key",
      action: "UntagResource",
      keyId,
      conditions: { "aws:TagKeys": names.length === 0 ? undefined : names },
    } as const,
  }),
  run: ({ store }, { names }, { key }): void => {
    const tags = new Map(key.tags);
    for (const name of names) tags.delete(name);
    store.keys.update({ ...key, tags });
  },
});

/** Lists tags in the order in which they were added. */
const listResourceTags = operation("ListResourceTags", {
  parse: ({ KeyId, Limit, Marker }) =>
    check.all({
      keyId: () => check.requireKeyId(KeyId),
      limit: () => check.integer(Limit ?? 50, "limit", 1, 50),
      start: () => Number(fromMarker(Marker, /^[0-9]{1,2}$/) ?? 0),
    }),
  questions: ({ keyId }) => ({
    key: { on: "key", action: "ListResourceTags", keyId } as const,
  }),
  run: (_, { start, limit }, { key }) => {
    const end = start + limit;
    return {
      Tags: tagList(key.tags).slice(start, end),
      ...toPage(end < key.tags.size ? String(end) : undefined),
    };
  },
});

export const implementations: Implementations<
  "TagResource" | "UntagResource" | "ListResourceTags"
> = {
  tagResource,
  untagResource,
  listResourceTags,
};

export function tagList(tags: ReadonlyMap<string, string>): Tag[] {
  return Array.from(tags, ([TagKey, TagValue]) => ({ TagKey, TagValue }));
}

/** The condition keys that the tags in a request make. */
export function tagConditions(tags: ReadonlyMap<string, string>): Conditions {
  const names = [...tags.keys()];
  const values = Array.from(tags, ([name, value]) => [`aws:RequestTag/${name}`, value]);
  return { ...Object.fromEntries(values), "aws:TagKeys": names.length === 0 ? undefined : names };
}
