import { expect, it } from "vitest";
import { post, startedServer, strictServer } from "./support/server.ts";

const get = async (url: string): Promise<[number, string]> => {
  const response = await fetch(url);
  return [response.status, await response.text()];
};

it("is healthy, and ready until its keystore cannot be read", async () => {
  const { url, keystore } = await strictServer();
  expect(await get(`${url}/healthz`)).toEqual([200, "ok\n"]);
  expect(await get(`${url}/readyz`)).toEqual([200, "ok\n"]);
  keystore.close();
  expect(await get(`${url}/healthz`)).toEqual([200, "ok\n"]);
  expect(await get(`${url}/readyz`)).toEqual([503, "not ready\n"]);
});

it("answers HEAD without a body", async () => {
  const { url } = await startedServer();
  const response = await fetch(`${url}/healthz`, { method: "HEAD" });
  expect([response.status, response.headers.get("content-length")]).toEqual([200, "3"]);
  expect((await fetch(`${url}/nothing`, { method: "HEAD" })).status).toBe(404);
});

it("counts calls by operation and outcome", async () => {
  const { url } = await startedServer();
  await post(url, "ListKeys", {});
  await post(url, "ListKeys", {});
  await post(url, "DescribeKey", { KeyId: "alias/none" });
  await post(url, 'x"} 1\n', {}, { "x-amz-target": 'TrentService.x"}' });
  const [status, text] = await get(`${url}/metrics`);
  expect(status).toBe(200);
  const lines = text.split("\n");
  expect(lines).toEqual(
    expect.arrayContaining([
      'envelope_kms_calls_total{operation="ListKeys",outcome="Success"} 2',
      'envelope_kms_calls_total{operation="DescribeKey",outcome="NotFoundException"} 1',
      'envelope_kms_calls_total{operation="unknown",outcome="UnknownOperationException"} 1',
      'envelope_kms_call_duration_seconds_bucket{le="+Inf"} 4',
      "envelope_kms_call_duration_seconds_count 4",
      "envelope_kms_audit_backlog 0",
    ]),
  );
  // Every line of Prometheus's format: a comment, or a name with labels and a number.
  for (const line of lines.filter((one) => one !== "")) {
    expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[\w+.]+",?)+\})? [0-9.e-]+)$/);
  }
});

it("tells the age of the oldest rotation where a key has automatic rotation", async () => {
  const { url, keystore } = await startedServer();
  const client = keystore.as();
  const { KeyId } = (await client.createKey()).KeyMetadata;
  await client.enableKeyRotation({ KeyId });
  const [, text] = await get(`${url}/metrics`);
  expect(text).toMatch(/^envelope_kms_oldest_rotation_age_seconds [0-9]+$/m);
});

it("is taken for LocalStack only where it was asked to be", async () => {
  const { url } = await startedServer();
  expect((await get(`${url}/_localstack/health`))[0]).toBe(404);
  const like = await startedServer({ localstack: true });
  const [status, text] = await get(`${like.url}/_localstack/health`);
  expect([status, JSON.parse(text)]).toMatchObject([200, { services: { kms: "available" } }]);
});
