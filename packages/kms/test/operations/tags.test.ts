import { rejection } from "@env/testkit/refusal";
import { expect, it, onTestFinished } from "vitest";
import { openKeystore } from "../../src/index.ts";
import { allow, newKey, newUser, refusal, ROOT, tempKeystore } from "../support/keystore.ts";

const tag = (TagKey: string, TagValue = ""): { TagKey: string; TagValue: string } => ({
  TagKey,
  TagValue,
});
const many = (length: number): ReturnType<typeof tag>[] =>
  Array.from({ length }, (_, i) => tag(`k${i}`));

it("adds, replaces and removes tags, and lists them in the order of their adding", async () => {
  const { client } = await tempKeystore();
  const KeyId = await newKey(client);
  const tags = async (): Promise<unknown> => (await client.listResourceTags({ KeyId })).Tags;
  expect(await tags()).toEqual([]);
  await client.tagResource({ KeyId, Tags: [tag("team", "blue"), tag("cost", "1")] });
  await client.tagResource({ KeyId, Tags: [tag("team", "red"), tag("Team", "x")] });
  expect(await tags()).toEqual([tag("team", "red"), tag("cost", "1"), tag("Team", "x")]);
  await client.untagResource({ KeyId, TagKeys: ["team", "never there"] });
  expect(await tags()).toEqual([tag("cost", "1"), tag("Team", "x")]);
  await client.tagResource({ KeyId, Tags: [] });
});

it("keeps tags of any name apart", async () => {
  const { client } = await tempKeystore();
  const KeyId = await newKey(client);
  const Tags = ["x y", "constructor", "\u{1F511}", "__proto__"].map((key) => tag(key, key));
  await client.tagResource({ KeyId, Tags });
  expect((await client.listResourceTags({ KeyId })).Tags).toEqual(Tags);
  await client.untagResource({ KeyId, TagKeys: ["__proto__"] });
  expect((await client.listResourceTags({ KeyId })).Tags).toHaveLength(3);
});

it("gives back the tags and the policy of CreateKey byte for byte", async () => {
  const { keystore, client, path, root } = await tempKeystore();
  const Tags = ["zone", "10", "9", "Team", "a"].map((key) => tag(key, `${key} ü`));
  const Policy = ` {"Version":"2012-10-17",\n\t"Statement" : [{ "Effect": "Allow", "Principal": {"AWS": "${ROOT}"}, "Action": "kms:*", "Resource": "*" }]}\n`;
  const { KeyMetadata } = await client.createKey({ Tags, Policy });
  const { KeyId } = KeyMetadata;
  const given = async (from: typeof client): Promise<unknown> => [
    (await from.listResourceTags({ KeyId })).Tags,
    (await from.getKeyPolicy({ KeyId })).Policy,
  ];
  expect(await given(client)).toEqual([Tags, Policy]);
  keystore.close();
  const again = await openKeystore(path, { root });
  onTestFinished(() => again.close());
  expect(await given(again.as())).toEqual([Tags, Policy]);
});

it("lists tags in pages", async () => {
  const { client } = await tempKeystore();
  const KeyId = await newKey(client);
  await client.tagResource({ KeyId, Tags: [...many(7), tag("ä"), tag("\u{1F511}")] });
  const all = (await client.listResourceTags({ KeyId })).Tags;
  expect(all).toHaveLength(9);
  const listed: unknown[] = [];
  let Marker: string | undefined;
  do {
    const page = await client.listResourceTags({ KeyId, Limit: 2, Marker });
    expect(page.Truncated).toBe(page.NextMarker !== undefined);
    listed.push(...page.Tags);
    Marker = page.NextMarker;
  } while (Marker !== undefined);
  expect(listed).toEqual(all);
  const tooMany = client.listResourceTags({ KeyId, Limit: 51 });
  expect((await rejection(tooMany)).name).toBe("ValidationException");
});

it.each([
  ["a reserved key", [tag("aws:x")], "TagException: Tags beginning with aws: are reserved"],
  [
    "a reserved key in capitals",
    [tag("AWS:x")],
    "TagException: Tags beginning with aws: are reserved",
  ],
  ["a key twice", [tag("a", "1"), tag("a", "2")], "TagException: Duplicate tag keys"],
  ["51 tags", many(51), "TagException: Too many tags"],
  [
    "an empty key",
    [tag("")],
    "ValidationException: 1 validation error detected: Value '' at 'tags.1.member.tagKey' failed to satisfy constraint: Member must have length greater than or equal to 1",
  ],
  [
    "a value of 257 characters",
    [tag("a"), tag("b", "x".repeat(257))],
    `ValidationException: 1 validation error detected: Value '${"x".repeat(257)}' at 'tags.2.member.tagValue' failed to satisfy constraint: Member must have length less than or equal to 256`,
  ],
  [
    "no list",
    undefined,
    "ValidationException: 1 validation error detected: Value null at 'tags' failed to satisfy constraint: Member must not be null",
  ],
])("refuses %s", async (_, Tags, expected) => {
  const { client } = await tempKeystore();
  const KeyId = await newKey(client);
  expect(await refusal(client.tagResource({ KeyId, Tags }))).toBe(expected);
  if (Tags !== undefined) expect(await refusal(client.createKey({ Tags }))).toBe(expected);
});

it("limits a key to 50 tags in all, however they were added", async () => {
  const { client } = await tempKeystore();
  const KeyId = await newKey(client);
  await client.tagResource({ KeyId, Tags: many(50) });
  expect(await refusal(client.tagResource({ KeyId, Tags: [tag("one more")] }))).toBe(
    "TagException: Too many tags",
  );
  await client.tagResource({ KeyId, Tags: [tag("k0", "changed")] });
});

it("refuses to remove reserved tags", async () => {
  const { client } = await tempKeystore();
  const KeyId = await newKey(client);
  expect(await refusal(client.untagResource({ KeyId, TagKeys: ["aws:x"] }))).toBe(
    "TagException: Tags beginning with aws: are reserved",
  );
});

it("lets policies go by the tags of a key, and by those of a request", async () => {
  const { keystore, client } = await tempKeystore();
  const KeyId = await newKey(client);
  const user = await newUser(
    keystore,
    "alice",
    allow("kms:GenerateDataKey", {
      Condition: { StringEquals: { "aws:ResourceTag/team": "blue" } },
    }),
    allow(["kms:TagResource", "kms:UntagResource"], {
      Condition: { "ForAllValues:StringEquals": { "aws:TagKeys": ["team", "cost"] } },
    }),
  );
  const use = (): Promise<unknown> => user.generateDataKey({ KeyId, KeySpec: "AES_256" });
  expect((await rejection(use())).name).toBe("AccessDeniedException");
  await user.tagResource({ KeyId, Tags: [tag("team", "blue")] });
  await use();
  await user.untagResource({ KeyId, TagKeys: ["team"] });
  expect((await rejection(use())).name).toBe("AccessDeniedException");
  for (const call of [
    user.tagResource({ KeyId, Tags: [tag("other")] }),
    user.untagResource({ KeyId, TagKeys: ["other"] }),
  ]) {
    expect((await rejection(call)).name).toBe("AccessDeniedException");
  }
});
