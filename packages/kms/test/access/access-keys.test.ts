import { readFileSync } from "node:fs";
import { rejection } from "@env/testkit/refusal";
import { describe, expect, it, onTestFinished } from "vitest";
import { openKeystore, type Keystore } from "../../src/index.ts";
import { auditRecords, refusal, ROOT, tempKeystore, onFiles } from "../support/keystore.ts";
import { attack } from "../support/store.ts";

const ALICE = "arn:aws:iam::000000000000:user/alice";
const ROLE = "arn:aws:iam::000000000000:role/app";

async function setup(): Promise<{ path: string; keystore: Keystore; root: { keyFile: string } }> {
  const made = await tempKeystore();
  await made.keystore.iam.put({ arn: ALICE });
  return made;
}

describe("access keys", () => {
  it("are made for users and the account's root, and authenticate their owner", async () => {
    const { keystore } = await setup();
    for (const [short, arn] of [
      ["user/alice", ALICE],
      ["root", ROOT],
    ] as const) {
      const key = await keystore.iam.accessKeys.create(short);
      expect(key).toEqual({
        accessKeyId: expect.stringMatching(/^AKIA[A-Z2-7]{16}$/),
        secretAccessKey: expect.stringMatching(/^[\w+/]{40}$/),
        owner: arn,
        created: expect.any(Date),
        active: true,
      });
      expect(await keystore.iam.credential(key.accessKeyId)).toEqual({
        accessKeyId: key.accessKeyId,
        secretAccessKey: key.secretAccessKey,
        principal: arn,
        session: {},
      });
    }
  });

  it("are listed without their secrets, and two at most", async () => {
    const { keystore } = await setup();
    const { accessKeys } = keystore.iam;
    const made = [await accessKeys.create(ALICE), await accessKeys.create(ALICE)];
    const ofRoot = await accessKeys.create(ROOT);
    const listed = await accessKeys.list("user/alice");
    expect(listed.map(({ accessKeyId }) => accessKeyId)).toEqual(
      made.map(({ accessKeyId }) => accessKeyId).toSorted(),
    );
    const { secretAccessKey: _, ...facts } = ofRoot;
    expect(await accessKeys.list()).toEqual([facts, ...listed]);
    expect(JSON.stringify(listed)).not.toContain(made[0]?.secretAccessKey);
    expect(await refusal(accessKeys.create(ALICE))).toBe(
      "LimitExceededException: Cannot exceed quota for AccessKeysPerUser: 2",
    );
  });

  it("authenticate nobody while inactive, and none after they are deleted", async () => {
    const { keystore } = await setup();
    const { iam } = keystore;
    const { accessKeyId } = await iam.accessKeys.create(ALICE);
    expect(await iam.accessKeys.setActive(accessKeyId, false)).toMatchObject({ active: false });
    expect(await iam.credential(accessKeyId)).toBeUndefined();
    await iam.accessKeys.setActive(accessKeyId, true);
    expect(await iam.credential(accessKeyId)).toBeDefined();
    await iam.accessKeys.delete(accessKeyId);
    expect(await iam.credential(accessKeyId)).toBeUndefined();
    expect((await rejection(iam.accessKeys.delete(accessKeyId))).name).toBe("NotFoundException");
    expect(await iam.accessKeys.list(ALICE)).toEqual([]);
  });

  it("go with their user, and are not those of a later user of the same name", async () => {
    const { keystore } = await setup();
    const { iam } = keystore;
    const { accessKeyId } = await iam.accessKeys.create(ALICE);
    await iam.delete(ALICE);
    expect(await iam.credential(accessKeyId)).toBeUndefined();
    await iam.put({ arn: ALICE });
    expect(await iam.credential(accessKeyId)).toBeUndefined();
    expect(await iam.accessKeys.list(ALICE)).toEqual([]);
  });

  it("are not for roles, groups and those who do not exist", async () => {
    const { keystore } = await setup();
    await keystore.iam.put({ arn: ROLE });
    const { accessKeys } = keystore.iam;
    expect((await rejection(accessKeys.create(ROLE))).name).toBe("ValidationException");
    expect((await rejection(accessKeys.create("user/bob"))).name).toBe("NotFoundException");
    expect((await rejection(accessKeys.list("user/bob"))).name).toBe("NotFoundException");
  });

  it("do not authenticate together with a session token, nor by an id that nobody has", async () => {
    const { keystore } = await setup();
    const { accessKeyId } = await keystore.iam.accessKeys.create(ALICE);
    expect(await keystore.iam.credential(accessKeyId, "token")).toBeUndefined();
    for (const id of ["AKIA", "", "é", "x".repeat(5000)]) {
      expect(await keystore.iam.credential(id), id).toBeUndefined();
    }
  });

  it("survive the end of the process, and no secret is in the file or the audit log", async () => {
    const { path, keystore, root } = await setup();
    const { accessKeyId, secretAccessKey } = await keystore.iam.accessKeys.create(ALICE);
    const again = await openKeystore(path, { root });
    onTestFinished(() => again.close());
    expect(await again.iam.credential(accessKeyId)).toMatchObject({ secretAccessKey });
    const records = await auditRecords(keystore);
    expect(records.at(-1)).toMatchObject({
      eventName: "CreateAccessKey",
      userIdentity: { type: "Root" },
      requestParameters: { principalArn: ALICE, accessKeyId },
    });
    expect(JSON.stringify(records)).not.toContain(secretAccessKey);
    expect(readFileSync(path).includes(secretAccessKey)).toBe(false);
    expect(readFileSync(`${path}-wal`).includes(secretAccessKey)).toBe(false);
  });

  it("leave records of every change", async () => {
    const { keystore } = await setup();
    const { accessKeys } = keystore.iam;
    const { accessKeyId } = await accessKeys.create(ALICE);
    await accessKeys.setActive(accessKeyId, false);
    await accessKeys.delete(accessKeyId);
    const records = await auditRecords(keystore);
    expect(records.slice(-2).map((one) => [one.eventName, one.requestParameters])).toEqual([
      ["UpdateAccessKey", { principalArn: ALICE, accessKeyId, status: "Inactive" }],
      ["DeleteAccessKey", { principalArn: ALICE, accessKeyId }],
    ]);
  });

  // Requirements: F11
  it.runIf(onFiles)("do not change hands by an edited row", async () => {
    const { path, keystore, root } = await setup();
    const { accessKeyId } = await keystore.iam.accessKeys.create(ALICE);
    attack(path, `UPDATE access_key SET owner = '${ROOT}'`);
    const again = await openKeystore(path, { root });
    onTestFinished(() => again.close());
    const problem = `access key ${accessKeyId} does not verify: its row has another owner`;
    expect((await rejection(again.iam.credential(accessKeyId))).message).toContain(problem);
    expect(await again.verify()).toEqual([
      { record: `access key ${accessKeyId}`, problem: "its row has another owner" },
    ]);
  });
});
