/**
 * Tags: they describe a key, and policies may ask for them.
 *
 * @module
 */
import type { Conditions } from "../access/access.ts";
import * as check from "../requests/check.ts";
import { kmsLimits } from "../keys/key.ts";
import { fromMarker, toPage } from "../requests/page.ts";
import type { Tag } from "../requests/shapes.ts";
import { operation, type Implementations } from "./operation.ts";

/** Adds tags, and replaces those with the same key. */
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
    const tags = { ...key.tags, ...input.tags };
    if (Object.keys(tags).length > kmsLimits.tagsPerKey) throw check.tooManyTags();
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
    const left = Object.entries(key.tags).filter(([name]) => !names.includes(name));
    store.keys.update({ ...key, tags: Object.fromEntries(left) });
  },
});

/** Lists tags, sorted by key. */
const listResourceTags = operation("ListResourceTags", {
  parse: ({ KeyId, Limit, Marker }) =>
    check.all({
      keyId: () => check.requireKeyId(KeyId),
      limit: () => check.integer(Limit ?? 50, "limit", 1, 50),
      after: () => tagKeyIn(fromMarker(Marker, /^(?:[0-9a-f]{2}){1,512}$/)),
    }),
  questions: ({ keyId }) => ({
    key: { on: "key", action: "ListResourceTags", keyId } as const,
  }),
  run: (_, { after, limit }, { key }) => {
    const left = Object.keys(key.tags)
      .toSorted()
      .filter((name) => name > after);
    const names = left.slice(0, limit);
    const last = left.length > limit ? names.at(-1) : undefined;
    return {
      Tags: names.map((name) => ({ TagKey: name, TagValue: key.tags[name] ?? "" })),
      ...toPage(last === undefined ? undefined : Buffer.from(last).toString("hex")),
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

function tagKeyIn(position: string | undefined): string {
  return Buffer.from(position ?? "", "hex").toString();
}

export function tagList(tags: Readonly<Record<string, string>>): Tag[] {
  return Object.entries(tags).map(([TagKey, TagValue]) => ({ TagKey, TagValue }));
}

/** The condition keys that the tags in a request make. */
export function tagConditions(tags: Readonly<Record<string, string>>): Conditions {
  const names = Object.keys(tags);
  const values = Object.entries(tags).map(([name, value]) => [`aws:RequestTag/${name}`, value]);
  return { ...Object.fromEntries(values), "aws:TagKeys": names.length === 0 ? undefined : names };
}
