import { rejection } from "@env/testkit/refusal";
import { describe, expect, it, onTestFinished } from "vitest";
import { openKeystore, type PrincipalInput } from "../../src/index.ts";
import { allow, auditRecords, document, refusal, ROOT, tempKeystore } from "../support/keystore.ts";

const USER = "arn:aws:iam::000000000000:user/team/alice";
const GROUP = "arn:aws:iam::000000000000:group/developers";
const policy = { name: "use", text: document(allow("kms:*")) };

describe("principals", () => {
  it("are put, found, listed and deleted, and are there when the keystore is opened again", async () => {
    const { path, keystore, root } = await tempKeystore();
    await keystore.iam.put({ arn: GROUP });
    const input = {
      arn: USER,
      tags: { team: "blue" },
      policies: [policy],
      boundary: { name: "b", text: document(allow("kms:Decrypt")) },
      groups: [GROUP],
    };
    const put = await keystore.iam.put(input);
    expect(put).toEqual({
      ...input,
      attached: [],
      type: "user",
      userId: expect.stringMatching(/^AIDA[A-Z2-7]{17}$/),
      created: expect.any(Date),
    });
    const again = await openKeystore(path, { root });
    onTestFinished(() => again.close());
    expect(await again.iam.get(USER)).toEqual(put);
    expect((await again.iam.list()).Principals.map(({ arn }) => arn)).toEqual([GROUP, USER]);
    await again.iam.delete(USER);
    expect(await refusal(keystore.iam.get(USER))).toBe(
      `NotFoundException: There is no principal ${USER}`,
    );
    expect((await rejection(keystore.iam.delete(USER))).name).toBe("NotFoundException");
  });

  it("stay who they are when they are put again, and are another after deletion", async () => {
    const { keystore } = await tempKeystore();
    const first = await keystore.iam.put({ arn: USER, policies: [policy] });
    const second = await keystore.iam.put({ arn: USER });
    expect(second).toEqual({ ...first, policies: [] });
    expect(second).not.toHaveProperty("boundary");
    await keystore.iam.delete(USER);
    expect((await keystore.iam.put({ arn: USER })).userId).not.toBe(first.userId);
  });

  it("are listed in pages", async () => {
    const { keystore } = await tempKeystore();
    const arns = ["a", "b", "c"].map((name) => `arn:aws:iam::000000000000:role/${name}`);
    for (const arn of arns) await keystore.iam.put({ arn });
    const listed: string[] = [];
    let Marker: string | undefined;
    do {
      const page = await keystore.iam.list({ Limit: 2, Marker });
      listed.push(...page.Principals.map(({ arn }) => arn));
      Marker = page.NextMarker;
    } while (Marker !== undefined);
    expect(listed).toEqual(arns);
    await expect(keystore.iam.list({ Limit: 0 })).rejects.toMatchObject({
      name: "ValidationException",
    });
  });

  it("get and lose policies one at a time, also when many do so at once", async () => {
    const { keystore } = await tempKeystore();
    await keystore.iam.put({ arn: USER });
    const names = Array.from({ length: 20 }, (_, i) => `p${i}`);
    await Promise.all(names.map((name) => keystore.iam.putPolicy(USER, { ...policy, name })));
    const { policies } = await keystore.iam.get(USER);
    expect(policies.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
    const text = document(allow("kms:Decrypt"));
    await keystore.iam.putPolicy(USER, { name: "p0", text });
    const changed = await keystore.iam.deletePolicy(USER, "p1");
    expect(changed.policies).toHaveLength(19);
    expect(changed.policies).toContainEqual({ name: "p0", text });
    expect((await rejection(keystore.iam.deletePolicy(USER, "p1"))).name).toBe("NotFoundException");
    const nobody = keystore.iam.putPolicy(`${USER}-too`, policy);
    expect((await rejection(nobody)).name).toBe("NotFoundException");
  });

  it("may stay in a group that is gone, which gives them nothing", async () => {
    const { keystore } = await tempKeystore();
    await keystore.iam.put({ arn: GROUP, policies: [policy] });
    await keystore.iam.put({ arn: USER, groups: [GROUP] });
    await keystore.iam.delete(GROUP);
    const { groups } = await keystore.iam.putPolicy(USER, policy);
    expect(groups).toEqual([GROUP]);
    const other = keystore.iam.put({ arn: `${USER}-too`, groups: [GROUP] });
    expect((await rejection(other)).name).toBe("NotFoundException");
  });

  it("are recorded in the audit log, whoever opened the keystore", async () => {
    const { keystore } = await tempKeystore();
    await keystore.iam.put({ arn: USER, policies: [policy] });
    await keystore.iam.delete(USER);
    const records = await auditRecords(keystore);
    expect(records.map(({ eventName }) => eventName)).toEqual(["PutPrincipal", "DeletePrincipal"]);
    expect(records[0]?.userIdentity.arn).toBe(ROOT);
  });
});

describe("put refuses", () => {
  const many = Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, ""]));

  it.each<[string, Partial<PrincipalInput>, string]>([
    ["the root", { arn: ROOT }, "ValidationException"],
    ["a session", { arn: "arn:aws:sts::000000000000:assumed-role/a/b" }, "ValidationException"],
    ["a name with a space", { arn: "arn:aws:iam::000000000000:user/a b" }, "ValidationException"],
    ["no ARN", { arn: undefined as never }, "ValidationException"],
    [
      "a policy that does not parse",
      { policies: [{ name: "p", text: "{" }] },
      "MalformedPolicyDocumentException",
    ],
    [
      "a policy with a principal",
      { policies: [{ name: "p", text: document({ ...allow("kms:*"), Principal: "*" }) }] },
      "MalformedPolicyDocumentException",
    ],
    [
      "a boundary that does not parse",
      { boundary: { name: "p", text: "{" } },
      "MalformedPolicyDocumentException",
    ],
    [
      "a policy without a name",
      { policies: [{ name: "", text: policy.text }] },
      "ValidationException",
    ],
    ["two policies of one name", { policies: [policy, policy] }, "ValidationException"],
    ["51 tags", { tags: many }, "TagException"],
    ["a reserved tag", { tags: { "aws:x": "" } }, "TagException"],
    ["a group that is a user", { groups: [USER] }, "ValidationException"],
    [
      "a group of another account",
      { groups: [GROUP.replace("000000000000", "111122223333")] },
      "ValidationException",
    ],
    ["a group that is not there", { groups: [GROUP] }, "NotFoundException"],
    [
      "a role in a group",
      { arn: "arn:aws:iam::000000000000:role/r", groups: [GROUP] },
      "ValidationException",
    ],
    ["a group with a boundary", { arn: GROUP, boundary: policy }, "ValidationException"],
  ])("%s", async (_, change, name) => {
    const { keystore } = await tempKeystore();
    expect((await rejection(keystore.iam.put({ arn: USER, ...change }))).name).toBe(name);
    expect((await keystore.iam.list()).Principals).toEqual([]);
  });
});
