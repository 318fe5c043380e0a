import { describe, expect, it } from "vitest";
import type { AuditEntry } from "@env/kms";
import { drawEntry, toJson } from "../src/audit-line.ts";

const realm = { accountId: "111122223333", region: "local" };

const record: AuditEntry["record"] = {
  eventVersion: "1.11",
  eventTime: "2026-07-01T12:00:00.000Z",
  eventSource: "kms.amazonaws.com",
  eventName: "Decrypt",
  eventType: "AwsApiCall",
  eventCategory: "Management",
  managementEvent: true,
  eventID: "01234567-89ab-cdef-0123-456789abcdef",
  awsRegion: "local",
  recipientAccountId: "111122223333",
  userIdentity: { type: "IAMUser", arn: "arn:aws:iam::111122223333:user/alice" },
  readOnly: true,
  requestParameters: null,
  responseElements: null,
  resources: [
    {
      ARN: "arn:aws:kms:local:111122223333:key/1",
      accountId: "111122223333",
      type: "AWS::KMS::Key",
    },
  ],
  additionalEventData: {
    decisions: [{ action: "kms:Decrypt", allowed: true, because: "key-policy", deciding: "it" }],
  },
};

describe("a record as a line", () => {
  it("says when, which, what, who, on what and why", () => {
    expect(drawEntry({ sequence: 7, record }, realm)).toBe(
      "2026-07-01T12:00:00.000Z  7      Decrypt          user/alice    key/1                                     ok  key-policy: it",
    );
  });

  it("shows of a refusal its error, and the decision that refused", () => {
    const refused = {
      ...record,
      errorCode: "AccessDeniedException",
      additionalEventData: {
        dryRun: true as const,
        decisions: [
          ...record.additionalEventData.decisions,
          { action: "kms:ReEncryptTo", allowed: false, because: "explicit-deny" },
        ],
      },
    };
    expect(drawEntry({ sequence: 7, record: refused }, realm)).toMatch(
      / AccessDeniedException {2}dry run {2}explicit-deny$/,
    );
  });

  it("names services, and calls about nothing", () => {
    const { decisions: _, ...additionalEventData } = record.additionalEventData;
    const own = {
      ...record,
      userIdentity: { type: "AWSService" as const, invokedBy: "kms.amazonaws.com" },
      resources: [],
      additionalEventData: { ...additionalEventData, decisions: [] },
    };
    expect(drawEntry({ sequence: 7, record: own }, realm)).toMatch(
      / kms\.amazonaws\.com {2}- +ok$/,
    );
  });

  it("keeps what somebody chose from breaking the line", () => {
    const arn = "arn:aws:iam::111122223333:user/a\n\u001b[2J";
    const line = drawEntry(
      { sequence: 7, record: { ...record, userIdentity: { type: "Unknown", arn } } },
      realm,
    );
    expect(line).toContain("user/a\\u000a\\u001b[2J");
  });

  it("is in JSON the record as CloudTrail has it, with its number", () => {
    expect(toJson({ sequence: 7, record })).toEqual({ sequence: 7, ...record });
  });
});
