import { Envelope } from "@env/core";
import { describe, expect, it } from "vitest";
import { manifest, rewrapHandler, type BatchTask } from "../src/batch.ts";
import { Bucket, setUp } from "./support/s3.ts";

const invocation = {
  invocationId: "YXNkbGZqYWRmaiBhc2RmdW9hZHNmZGpmaGFzbGtkaGZza2RmaAo",
  job: { id: "f3cc4f60" },
};

describe("the handler", () => {
  it.each(["1.0", "2.0"] as const)(
    "answers a task of schema %s as S3 Batch Operations wants",
    async (version) => {
      const { cmk, newCmk, s3, ...setup } = await setUp();
      const Key = "a folder/ü+%.pdf";
      await s3.put({ Bucket, Key, Body: "hello" });
      const more = setup.with({ envelope: new Envelope({ cmks: [cmk, newCmk()] }) });
      const s3Key = encodeURIComponent(Key).replaceAll("%20", "+");
      const place =
        version === "1.0" ? { s3BucketArn: `arn:aws:s3:::${Bucket}` } : { s3Bucket: Bucket };
      const task: BatchTask = {
        taskId: "dGFza2lkZ29lc2hlcmUK",
        s3Key,
        s3VersionId: null,
        ...place,
      };
      const event = { invocationSchemaVersion: version, ...invocation, tasks: [task] };
      const handler = rewrapHandler(more);
      const answer = (resultString: string): object => ({
        invocationSchemaVersion: version,
        treatMissingKeysAs: "PermanentFailure",
        invocationId: invocation.invocationId,
        results: [{ taskId: task.taskId, resultCode: "Succeeded", resultString }],
      });
      expect(await handler(event)).toEqual(answer("rewrapped"));
      expect(await handler(event)).toEqual(answer("current"));
      expect((await more.head({ Bucket, Key })).entries).toHaveLength(2);
    },
  );

  it("says of each failure whether another attempt may succeed", async () => {
    const { server, newCmk, s3, ...setup } = await setUp();
    for (const Key of ["other", "busy", "denied"]) await s3.put({ Bucket, Key, Body: "x" });
    server.put(Bucket, "plain", { body: Buffer.from("not encrypted") });
    server.hook = ({ key }) => {
      if (key === "busy") return { kind: "answer", code: "SlowDown" };
      return key === "denied" ? { kind: "answer", code: "AccessDenied" } : undefined;
    };
    const stranger = setup.with({ envelope: new Envelope({ cmks: [newCmk()] }) });
    const tasks = ["plain", "busy", "denied", "none", "other", "%"].map((s3Key, i) => ({
      taskId: String(i),
      s3Key,
      s3Bucket: Bucket,
    }));
    const event = { invocationSchemaVersion: "2.0", ...invocation, tasks } as const;
    const { results } = await rewrapHandler(stranger)(event);
    expect(
      results.map(({ resultCode, resultString }) => [resultCode, resultString.split(":")[0]]),
    ).toEqual([
      ["Succeeded", "not encrypted"],
      ["TemporaryFailure", "SlowDown"],
      ["PermanentFailure", "AccessDenied"],
      ["PermanentFailure", "NoSuchKey"],
      ["PermanentFailure", "ERR_ENVELOPE_NO_KEY"],
      ["PermanentFailure", "URIError"],
    ]);
  });

  it("does not make an old version the current one", async () => {
    const { cmk, newCmk, s3, ...setup } = await setUp({ versioning: "Enabled" });
    const { VersionId: s3VersionId } = await s3.put({ Bucket, Key: "x", Body: "old" });
    await s3.put({ Bucket, Key: "x", Body: "new" });
    const more = setup.with({ envelope: new Envelope({ cmks: [cmk, newCmk()] }) });
    const tasks = [{ taskId: "1", s3Key: "x", s3Bucket: Bucket, s3VersionId }];
    const { results } = await rewrapHandler(more)({
      invocationSchemaVersion: "2.0",
      ...invocation,
      tasks,
    });
    expect(results).toMatchObject([
      { resultCode: "PermanentFailure", resultString: "PreconditionFailed" },
    ]);
    expect(await (await s3.get({ Bucket, Key: "x" })).text()).toBe("new");
  });
});

it("the manifest has one encoded line for each object", async () => {
  const names = ["a b,c", "ü", `x.${"a".repeat(16)}.envelope-keys`].map((Key) => ({ Bucket, Key }));
  const lines = [];
  for await (const line of manifest(names)) lines.push(line);
  expect(lines).toEqual([`${Bucket},a%20b%2Cc\n`, `${Bucket},%C3%BC\n`]);
});
