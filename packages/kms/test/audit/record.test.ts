import { describe, expect, it } from "vitest";
import type { AuditEvent } from "../../src/audit/event.ts";
import {
  decodeRecord,
  encodeRecord,
  MAX_RECORD_BYTES,
  toRecord,
  type AuditRecord,
} from "../../src/audit/record.ts";
import { ALICE, event, FACTS, KEY, NOON } from "./support/log.ts";

const ID = "99999999-8888-4777-8666-555555555555";

/** As it comes back from the file. */
function recorded(members: Partial<AuditEvent>): AuditRecord {
  const { bytes } = encodeRecord(toRecord(event({ eventId: ID, ...members }), FACTS));
  const record = decodeRecord(bytes);
  if (record === undefined) throw new Error("the record does not decode");
  return record;
}

describe("a record", () => {
  it("has CloudTrail's members", () => {
    const parameters = { KeyId: "alias/app", CiphertextBlob: Uint8Array.of(1) };
    const response = { KeyId: KEY, Plaintext: Uint8Array.of(2), KeyMaterialId: "ab12" };
    const decisions = [
      {
        action: "kms:Decrypt",
        resource: KEY,
        allowed: true,
        because: "key-policy-and-iam",
        deciding: 'identity policy "app", statement 2',
      },
    ];
    expect(
      recorded({
        parameters,
        response,
        decisions,
        encryptionContext: { tenant: "acme" },
        requestId: "r-1",
        sourceIp: "127.0.0.1",
        userAgent: "test",
      }),
    ).toEqual({
      eventVersion: "1.11",
      eventTime: "2030-01-02T12:00:00.000Z",
      eventSource: "kms.amazonaws.com",
      eventName: "Decrypt",
      eventType: "AwsApiCall",
      eventCategory: "Management",
      managementEvent: true,
      eventID: ID,
      requestID: "r-1",
      awsRegion: "local",
      recipientAccountId: "111122223333",
      sourceIPAddress: "127.0.0.1",
      userAgent: "test",
      userIdentity: { type: "IAMUser", arn: ALICE, accountId: "111122223333", userName: "alice" },
      readOnly: true,
      requestParameters: { keyId: "alias/app", encryptionContext: { tenant: "acme" } },
      responseElements: null,
      resources: [{ ARN: KEY, accountId: "111122223333", type: "AWS::KMS::Key" }],
      additionalEventData: {
        decisions: [
          {
            action: "kms:Decrypt",
            allowed: true,
            because: "key-policy-and-iam",
            deciding: 'identity policy "app", statement 2',
          },
        ],
        keyMaterialId: "ab12",
      },
    });
  });

  it("of a refusal has the error and no answer", () => {
    const { errorCode, errorMessage, responseElements, additionalEventData } = recorded({
      operation: "CreateKey",
      error: { code: "AccessDeniedException", message: "User: …" },
      decisions: [
        {
          action: "kms:CreateKey",
          resource: "*",
          allowed: false,
          because: "no-identity-policy-allows",
        },
      ],
    });
    expect(errorCode).toBe("AccessDeniedException");
    expect(errorMessage).toBe("User: …");
    expect(responseElements).toBeNull();
    expect(additionalEventData.decisions).toEqual([
      {
        action: "kms:CreateKey",
        resource: "*",
        allowed: false,
        because: "no-identity-policy-allows",
      },
    ]);
  });

  it("of a change has what was made", () => {
    const response = { GrantId: "0f".repeat(32), GrantToken: "secret" };
    const { responseElements } = recorded({ operation: "CreateGrant", readOnly: false, response });
    expect(responseElements).toEqual({ grantId: "0f".repeat(32) });
  });

  it("says that it was a dry run", () => {
    expect(recorded({ dryRun: true }).additionalEventData.dryRun).toBe(true);
    expect(recorded({ dryRun: false }).additionalEventData).not.toHaveProperty("dryRun");
  });

  it("tells keys from aliases, and whose they are", () => {
    const alias = "arn:aws:kms:local:999988887777:alias/app";
    expect(recorded({ resources: [alias, KEY] }).resources).toEqual([
      { ARN: alias, accountId: "999988887777", type: "AWS::KMS::Alias" },
      { ARN: KEY, accountId: "111122223333", type: "AWS::KMS::Key" },
    ]);
  });

  it("has an event id of its own where none is given", () => {
    const { eventId: _, ...without } = event();
    const ids = [toRecord(without, FACTS).eventID, toRecord(without, FACTS).eventID];
    expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(ids[0]).not.toBe(ids[1]);
  });

  it("keeps nothing that the caller may change afterwards", () => {
    const parameters = { KeyId: "k", Tags: [{ TagKey: "a", TagValue: "b" }] };
    const record = toRecord(event({ operation: "TagResource", parameters }), FACTS);
    parameters.Tags.push({ TagKey: "c", TagValue: "d" });
    expect(record.requestParameters?.["tags"]).toEqual([{ tagKey: "a", tagValue: "b" }]);
  });
});

describe("who called", () => {
  it.each<[string, Partial<AuditEvent>, object]>([
    [
      "the account's root",
      { principal: "arn:aws:iam::111122223333:root" },
      { type: "Root", principalId: "111122223333", arn: "arn:aws:iam::111122223333:root" },
    ],
    [
      "a user with a path",
      { principal: "arn:aws:iam::111122223333:user/a/b/bob", principalId: "AIDA0" },
      {
        type: "IAMUser",
        arn: "arn:aws:iam::111122223333:user/a/b/bob",
        principalId: "AIDA0",
        userName: "bob",
      },
    ],
    [
      "a role",
      { principal: "arn:aws:iam::111122223333:role/app" },
      { type: "Role", arn: "arn:aws:iam::111122223333:role/app", userName: "app" },
    ],
    [
      "a session",
      {
        principal: "arn:aws:sts::111122223333:assumed-role/app/pod-1",
        principalId: "AROA0:pod-1",
      },
      {
        type: "AssumedRole",
        arn: "arn:aws:sts::111122223333:assumed-role/app/pod-1",
        principalId: "AROA0:pod-1",
        sessionContext: {
          sessionIssuer: {
            type: "Role",
            arn: "arn:aws:iam::111122223333:role/app",
            accountId: "111122223333",
            userName: "app",
          },
        },
      },
    ],
    [
      "a federated user",
      { principal: "arn:aws:sts::111122223333:federated-user/eve" },
      {
        type: "FederatedUser",
        arn: "arn:aws:sts::111122223333:federated-user/eve",
        userName: "eve",
      },
    ],
    [
      "a kind that is not known",
      { principal: "arn:aws:iam::111122223333:group/g" },
      { type: "Unknown", arn: "arn:aws:iam::111122223333:group/g" },
    ],
    [
      "a service",
      { principal: "s3.amazonaws.com" },
      { type: "AWSService", invokedBy: "s3.amazonaws.com" },
    ],
  ])("%s", (_, members, identity) => {
    expect(recorded(members).userIdentity).toEqual({ accountId: "111122223333", ...identity });
  });

  it("names the service that called for a principal", () => {
    const principal = "arn:aws:iam::111122223333:user/alice";
    expect(recorded({ principal, invokedBy: "s3.amazonaws.com" }).userIdentity).toEqual({
      type: "IAMUser",
      accountId: "111122223333",
      arn: principal,
      userName: "alice",
      invokedBy: "s3.amazonaws.com",
    });
  });

  it("has the account of the ARN, not that of the keystore", () => {
    const { userIdentity } = recorded({ principal: "arn:aws:iam::999988887777:user/x" });
    expect(userIdentity.accountId).toBe("999988887777");
  });

  it("is the keystore itself for what nobody asked for", () => {
    const { eventType, userIdentity } = recorded({
      operation: "RotateKey",
      principal: "kms.amazonaws.com",
    });
    expect(eventType).toBe("AwsServiceEvent");
    expect(userIdentity).toEqual({
      type: "AWSService",
      accountId: "111122223333",
      invokedBy: "kms.amazonaws.com",
    });
  });
});

describe("the bytes of a record", () => {
  it("are the same for the same event, and have its time", () => {
    const record = toRecord(event({ eventId: ID, time: NOON + 7 }), FACTS);
    const { time, bytes } = encodeRecord(record);
    expect(time).toBe(NOON + 7);
    const decoded = decodeRecord(bytes);
    expect(decoded && encodeRecord(decoded).bytes).toEqual(bytes);
  });

  it("leave out a request that is too long, and say so", () => {
    const Operations = Array.from({ length: 1000 }, () => "x".repeat(400));
    const parameters = { KeyId: KEY, Operations };
    const response = { GrantId: "g" };
    const { bytes } = encodeRecord(
      toRecord(event({ operation: "CreateGrant", parameters, response }), FACTS),
    );
    expect(bytes.length).toBeLessThan(2000);
    const { requestParameters, responseElements, additionalEventData } = decodeRecord(bytes) ?? {};
    expect([requestParameters, responseElements]).toEqual([null, null]);
    expect(additionalEventData?.omitted).toBe(true);
    expect(additionalEventData?.decisions).toHaveLength(1);
  });

  it("hold the longest policy there is", () => {
    const parameters = { Policy: '"'.repeat(32_768) };
    const { bytes } = encodeRecord(
      toRecord(event({ operation: "PutKeyPolicy", parameters }), FACTS),
    );
    expect(decodeRecord(bytes)?.requestParameters).toEqual({ policy: parameters.Policy });
  });

  it("stay within the limit, whatever is too long", () => {
    const long = "\u0001".repeat(100_000);
    const { bytes } = encodeRecord(
      toRecord(
        {
          ...event({ operation: long, principal: long, principalId: long, requestId: long }),
          sourceIp: long,
          userAgent: long,
          resources: Array(1000).fill(`arn:aws:kms:x:${long}:${long}`),
          error: { code: long, message: long },
          encryptionContext: { [long]: long },
          decisions: Array.from({ length: 1000 }, () => ({
            action: long,
            resource: long,
            allowed: true,
            because: long,
            deciding: long,
          })),
        },
        FACTS,
      ),
    );
    expect(bytes.length <= MAX_RECORD_BYTES).toBe(true);
  });

  it.each(["", "[]", "null", "{}", `{"eventName":"x"}`, "\ufffd{"])("are not %j", (text) => {
    expect(decodeRecord(Buffer.from(text))).toBeUndefined();
    expect(decodeRecord(Uint8Array.of(0xff, 0xfe))).toBeUndefined();
  });
});
