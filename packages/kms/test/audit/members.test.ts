import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { materialMembers, requestMembers, responseMembers } from "../../src/audit/members.ts";
import { encodeRecord, toRecord } from "../../src/audit/record.ts";
import { awsModel } from "../support/aws-model.ts";
import { event, FACTS, NOON } from "./support/log.ts";

/** What is never kept: bytes, secrets, and what says nothing of the call. */
const dropped = new Set(
  "CiphertextBlob EncryptedKeyMaterial GrantToken GrantTokens ImportToken Mac Marker Message Plaintext PublicKey Recipient ResourceOwners SharedSecretCiphertextBlob Signature XksKeyId".split(
    " ",
  ),
);

/** All that describes a custom key store, but for its id and name. */
const ofKeyStores =
  /^(?:CloudHsm|CustomKeyStoreType|KeyStorePassword|NewCustom|TrustAnchor|XksProxy)/;

const flags = new Set(["BypassPolicyLockoutSafetyCheck", "DryRun", "MultiRegion"]);
const numbers = new Set(["Limit", "NumberOfBytes", "PendingWindowInDays", "RotationPeriodInDays"]);
const lists = new Set(["DryRunModifiers", "Operations", "TagKeys", "GrantTokens"]);

/** A value of the kind that a member has. */
function sample(name: string): unknown {
  if (flags.has(name)) return true;
  if (numbers.has(name)) return 7;
  if (lists.has(name)) return ["a", "b"];
  if (name === "Tags") return [{ TagKey: "k", TagValue: "v" }];
  if (name === "ValidTo") return new Date(NOON);
  if (name === "Constraints") return { EncryptionContextSubset: { tenant: "acme" } };
  if (name === "Recipient") return { AttestationDocument: Uint8Array.of(1) };
  return name.endsWith("Context") ? { tenant: "acme" } : `the ${name}`;
}

describe("the members of a request that are recorded", () => {
  it.each(Object.entries(awsModel))("%s", (operation, members) => {
    const names = members.split(" ");
    const request = Object.fromEntries(names.map((name) => [name, sample(name)]));
    const expected = names
      .filter((name) => !dropped.has(name) && !ofKeyStores.test(name))
      .map(lowerFirst);
    expect(Object.keys(requestMembers(operation, request) ?? {}).toSorted()).toEqual(
      expected.toSorted(),
    );
  });

  it("is nothing of an operation that is not known", () => {
    expect(requestMembers("ExportKey", { KeyId: "k", Plaintext: "p" })).toBeNull();
  });

  it("has CloudTrail's names and values", () => {
    const request = {
      KeyId: "k",
      Tags: [{ TagKey: "team", TagValue: "blue", Secret: "x" }, "no tag"],
      Constraints: "none",
    };
    expect(requestMembers("TagResource", request)).toEqual({
      keyId: "k",
      tags: [{ tagKey: "team", tagValue: "blue" }],
    });
    const grant = { Constraints: { EncryptionContextEquals: { a: "1", b: 2 }, Other: "x" } };
    expect(requestMembers("CreateGrant", grant)).toEqual({
      constraints: { encryptionContextEquals: { a: "1" } },
    });
    expect(requestMembers("ImportKeyMaterial", { ValidTo: new Date(NOON) })).toEqual({
      validTo: "2030-01-02T12:00:00.000Z",
    });
    expect(requestMembers("ImportKeyMaterial", { ValidTo: 1_893_585_600 })).toEqual({
      validTo: 1_893_585_600,
    });
  });

  it.each<[string, string, unknown]>([
    ["bytes where text belongs", "KeyId", Uint8Array.of(1, 2)],
    ["a Buffer where text belongs", "KeyId", Buffer.from("secret")],
    ["a number where text belongs", "KeyId", 5],
    ["text where a number belongs", "NumberOfBytes", "32"],
    ["not a number", "NumberOfBytes", Number.NaN],
    ["text where a flag belongs", "DryRun", "true"],
    ["bytes where a context belongs", "EncryptionContext", Uint8Array.of(1)],
    ["a buffer where a context belongs", "EncryptionContext", new ArrayBuffer(4)],
    ["a list where a context belongs", "EncryptionContext", ["a"]],
    ["null", "EncryptionContext", null],
  ])("is not %s", (_, name, value) => {
    expect(requestMembers("GenerateDataKey", { [name]: value })).toBeNull();
  });

  it("is not an invalid date", () => {
    expect(requestMembers("ImportKeyMaterial", { ValidTo: new Date(Number.NaN) })).toBeNull();
  });

  it("is cut where it is too long to be valid", () => {
    const kept = requestMembers("DescribeKey", { KeyId: "x".repeat(5000) });
    expect(kept).toEqual({ keyId: `${"x".repeat(2048)}…` });
    const whole = requestMembers("PutKeyPolicy", { Policy: "p".repeat(32_768) });
    expect(whole).toEqual({ policy: "p".repeat(32_768) });
    const many = requestMembers("UntagResource", { TagKeys: Array(1001).fill("k") });
    expect(many?.["tagKeys"]).toHaveLength(1000);
  });
});

describe("the members of an answer that are recorded", () => {
  it("is what CloudTrail keeps of changes, and nothing of cryptography", () => {
    const metadata = {
      KeyId: "k",
      AWSAccountId: "111122223333",
      CreationDate: new Date(NOON),
      MultiRegion: true,
      MultiRegionConfiguration: {
        MultiRegionKeyType: "PRIMARY",
        PrimaryKey: { Arn: "a", Region: "r", More: "x" },
        ReplicaKeys: [{ Arn: "b", Region: "s" }],
      },
      Unheard: "of",
    };
    expect(responseMembers("CreateKey", { KeyMetadata: metadata })).toEqual({
      keyMetadata: {
        keyId: "k",
        aWSAccountId: "111122223333",
        creationDate: "2030-01-02T12:00:00.000Z",
        multiRegion: true,
        multiRegionConfiguration: {
          multiRegionKeyType: "PRIMARY",
          primaryKey: { arn: "a", region: "r" },
          replicaKeys: [{ arn: "b", region: "s" }],
        },
      },
    });
    expect(responseMembers("CreateGrant", { GrantId: "g", GrantToken: "t" })).toEqual({
      grantId: "g",
    });
    expect(responseMembers("Decrypt", { KeyId: "k", Plaintext: "p" })).toBeNull();
    expect(responseMembers("DescribeKey", { KeyMetadata: metadata })).toBeNull();
    expect(responseMembers("GetKeyPolicy", { Policy: "{}" })).toBeNull();
  });

  it("is the key material that was used", () => {
    const ids = { KeyMaterialId: "a", SourceKeyMaterialId: "b", DestinationKeyMaterialId: "c" };
    expect(materialMembers({ ...ids, Plaintext: "p" })).toEqual({
      keyMaterialId: "a",
      sourceKeyMaterialId: "b",
      destinationKeyMaterialId: "c",
    });
    expect(materialMembers({ KeyId: "k" })).toBeNull();
  });
});

it("bytes never get into a record, in whatever member they come and however they are written", () => {
  const secretMembers =
    "Plaintext CiphertextBlob Message Mac Signature ImportToken EncryptedKeyMaterial GrantToken GrantTokens PublicKey Recipient PrivateKeyPlaintext PrivateKeyCiphertextBlob CiphertextForRecipient SharedSecret Ciphertext".split(
      " ",
    );
  const views: readonly ((blob: Uint8Array) => unknown)[] = [
    (blob) => blob,
    (blob) => Buffer.from(blob),
    (blob) => blob.slice().buffer,
    (blob) => new DataView(blob.slice().buffer),
  ];
  const texts: readonly ((blob: Uint8Array) => string)[] = [
    (blob) => Buffer.from(blob).toString("base64"),
    (blob) => Buffer.from(blob).toString("base64url"),
    (blob) => Buffer.from(blob).toString("hex"),
    (blob) => [...blob].join(","),
  ];
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.keys(awsModel)),
      fc.uint8Array({ minLength: 16, maxLength: 64 }),
      fc.constantFrom(...views),
      fc.constantFrom<(blob: Uint8Array) => unknown>(...views, ...texts, (blob) => [
        texts[0]?.(blob),
      ]),
      (operation, blob, view, secret) => {
        // Bytes in every member that the operation knows, secrets as text too in those that hold them.
        const members = awsModel[operation]?.split(" ") ?? [];
        const everywhere = Object.fromEntries(members.map((name) => [name, view(blob)]));
        const secrets = Object.fromEntries(secretMembers.map((name) => [name, secret(blob)]));
        const wholeEvent = event({
          operation,
          parameters: { ...everywhere, ...secrets },
          response: { ...everywhere, ...secrets, KeyMetadata: everywhere },
        });
        const { bytes } = encodeRecord(toRecord(wholeEvent, FACTS));
        const text = Buffer.from(bytes).toString();
        for (const write of texts) expect(text).not.toContain(write(blob));
        expect(Buffer.from(bytes).includes(Buffer.from(blob))).toBe(false);
      },
    ),
    { numRuns: 500 },
  );
});

function lowerFirst(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}
