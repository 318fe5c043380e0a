/**
 * The same requests to a keystore and to moto, an implementation of AWS KMS that nobody of this project
 * wrote: what is in the answers, and what is refused by which name. Policies and grants are left out:
 * moto asks for none. `SLOW=1` for the full size.
 */
import { constants, createPublicKey, verify } from "node:crypto";
import { join } from "node:path";
import { tempFolder } from "@env/testkit/folder";
import { startMoto } from "@env/testkit/moto";
import fc from "fast-check";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { operations } from "../src/catalogue/operations.ts";
import { createKeystore, type Keystore } from "../src/index.ts";
import { isKnown, knownDifferences } from "./support/moto-differences.ts";
import { requests } from "./support/requests.ts";
import {
  ACCOUNT,
  answerOf,
  compare,
  compareWith,
  keystoreSide,
  motoSide,
  REGION,
  resetMoto,
  type Difference,
  type Side,
  type Step,
} from "./support/sides.ts";

const moto = await startMoto();
const absent = typeof moto === "string" ? moto : undefined;
const url = typeof moto === "string" ? "" : moto.url;
if (absent !== undefined) console.log(`not run against moto: ${absent}`);

afterAll(async () => {
  if (typeof moto !== "string") await moto.stop();
});

/** Operations that cannot be compared with moto: it has no custom key stores and no ML-KEM, and decides by no policy and no grant. */
const leftOut = [
  "ConnectCustomKeyStore",
  "CreateCustomKeyStore",
  "CreateGrant",
  "Decapsulate",
  "DeleteCustomKeyStore",
  "DescribeCustomKeyStores",
  "DisconnectCustomKeyStore",
  "Encapsulate",
  "GetKeyLastUsage",
  "GetKeyPolicy",
  "ListGrants",
  "ListKeyPolicies",
  "ListRetirableGrants",
  "PutKeyPolicy",
  "ReplicateKey",
  "RetireGrant",
  "RevokeGrant",
  "UpdateCustomKeyStore",
  "UpdatePrimaryRegion",
];

/** A keystore and moto, both without keys. */
async function bothSides(keystore: Keystore): Promise<{ ours: Side; theirs: Side }> {
  await resetMoto(url);
  return { ours: keystoreSide(keystore), theirs: motoSide(url) };
}

let keystores = 0;

function newKeystore(folder: string): Promise<Keystore> {
  const path = join(folder, `${keystores++}.kms`);
  return createKeystore(path, {
    root: { keyFile: `${path}.key` },
    accountId: ACCOUNT,
    region: REGION,
  });
}

function unknown(differences: readonly Difference[]): readonly Difference[] {
  return differences.filter((one) => !knownDifferences.some((known) => isKnown(known, one)));
}

it("compares every operation but those about permissions, other regions and custom key stores", () => {
  const compared = new Set(requests.map(({ call }) => call));
  const others = Object.keys(operations).filter((name) => !compared.has(name));
  expect(others.toSorted()).toEqual(leftOut);
});

describe.skipIf(absent !== undefined)("against moto", () => {
  const seen: Difference[] = [];
  let all: { ours: Side; theirs: Side } | undefined;

  beforeEach(async () => {
    if (all !== undefined) return;
    using keystore = await newKeystore(tempFolder());
    all = await bothSides(keystore);
    const { ours, theirs } = all;
    for (const step of requests) {
      const differences = await compare(step, ours, theirs);
      if (differences === undefined) throw new Error(`${step.call} lacks what it is about`);
      seen.push(...differences);
    }
  });

  it("answers every operation as moto does, except for the known differences", () => {
    expect(unknown(seen)).toEqual([]);
  });

  it.each(knownDifferences.flatMap((known) => known.calls.map((call) => ({ call, known }))))(
    "still needs to know of $call: $known.because",
    ({ call, known }) => {
      expect(seen.some((one) => one.call === call && isKnown(known, one))).toBe(true);
    },
  );

  it("signs so that node:crypto verifies both with the public key that each gives", () => {
    const signed = requests.filter(({ call, as }) => call === "Sign" && as !== undefined);
    expect(signed.length).toBeGreaterThan(11);
    for (const { input, as = "" } of signed) {
      const { KeyId, Message, SigningAlgorithm } = input;
      const publicKey = `${String(KeyId).slice(1)}public`;
      for (const key of [all?.ours, all?.theirs]) {
        for (const signature of [all?.ours, all?.theirs]) {
          const valid = isSignature(
            bytesOf(key, publicKey),
            bytesOf(signature, as),
            Message as Uint8Array,
            String(SigningAlgorithm),
            key === all?.ours,
          );
          expect([as, valid]).toEqual([as, key === signature]);
        }
      }
    }
  });

  it.each([1, 2, 3])("gives in pages of %i what moto lists at once", async (Limit) => {
    using keystore = await newKeystore(tempFolder());
    const { ours, theirs } = await bothSides(keystore);
    await bothCreate(["a", "b", "c"], ours, theirs);
    const AliasNames = ["alias/c", "alias/a", "alias/b", "alias/a/b"];
    for (const AliasName of AliasNames) {
      const input = { AliasName, TargetKeyId: "$a" };
      expect(await compare({ call: "CreateAlias", input }, ours, theirs)).toEqual([]);
    }
    const Tags = ["z", "y", "x"].map((TagKey) => ({ TagKey, TagValue: "" }));
    await compare({ call: "TagResource", input: { KeyId: "$a", Tags } }, ours, theirs);

    const paged = [
      { call: "ListKeys", input: {}, member: "Keys" },
      { call: "ListAliases", input: { KeyId: "$a" }, member: "Aliases" },
      { call: "ListResourceTags", input: { KeyId: "$a" }, member: "Tags" },
    ];
    for (const { call, input, member } of paged) {
      const whole = await answerOf({ call, input }, theirs, toText);
      const there = new Map([...(whole ?? [])].filter(([at]) => at.startsWith(member)));
      const found = new Map<string, string>();
      let marker: string | undefined;
      do {
        const page = marker === undefined ? { Limit } : { Limit, Marker: "$next" };
        const step = { call, input: { ...input, ...page }, as: "next" };
        const answer = await answerOf(step, ours, (bytes) => bytes);
        for (const [at, value] of answer ?? []) if (there.has(at)) found.set(at, value);
        const truncated = answer?.get("Truncated") === "true";
        expect(answer?.has("NextMarker")).toBe(truncated);
        marker = truncated ? String(ours.known.get("next")) : undefined;
      } while (marker !== undefined);
      expect([call, found]).toEqual([call, there]);
    }
  });

  it("stays like moto over any sequence of requests", async () => {
    const folder = tempFolder();
    const run = async (steps: readonly Step[]): Promise<void> => {
      using keystore = await newKeystore(folder);
      const { ours, theirs } = await bothSides(keystore);
      await bothCreate(["a", "b"], ours, theirs);
      const kind = { KeySpec: "ECC_NIST_P256", KeyUsage: "SIGN_VERIFY" };
      await compare({ call: "CreateKey", input: kind, as: "c" }, ours, theirs);
      for (const step of steps) {
        const answer = await answerOf(step, ours, (bytes) => bytes);
        if (answer === undefined) continue;
        // A change that moto is known not to refuse would part the two for good: it is not told of it.
        const refusal = { call: step.call, at: "outcome", ours: answer.get("outcome") ?? "" };
        const parts = changes.has(step.call) && isKnownRefusal({ ...refusal, moto: "answered" });
        const differences = parts ? [] : await compareWith(step, answer, theirs);
        expect([step, unknown(differences ?? [])]).toEqual([step, []]);
        if (step.as !== undefined && differences?.some(({ at }) => at === "outcome") === true) {
          // Made by one of them alone.
          for (const { known } of [ours, theirs]) known.delete(step.as);
        }
      }
    };
    await fc.assert(fc.asyncProperty(fc.array(randomStep, { minLength: 10, maxLength: 60 }), run), {
      numRuns: process.env["SLOW"] === undefined ? 8 : 200,
      endOnFailure: true,
    });
  });
});

const changes = new Set([
  "CancelKeyDeletion",
  "CreateAlias",
  "DisableKey",
  "DisableKeyRotation",
  "EnableKey",
  "EnableKeyRotation",
  "RotateKeyOnDemand",
  "ScheduleKeyDeletion",
  "TagResource",
  "UntagResource",
  "UpdateAlias",
  "UpdateKeyDescription",
]);

function isKnownRefusal(difference: Difference): boolean {
  return knownDifferences.some((known) => isKnown(known, difference));
}

/** A request about one of three keys, of which two are for encryption and one signs. */
const randomStep: fc.Arbitrary<Step> = (() => {
  const KeyId = fc.constantFrom("$a", "$a", "$b", "$c");
  const AliasName = fc.constantFrom("alias/x", "alias/y", "alias/x/y");
  const TagKey = fc.constantFrom("x", "y", "z");
  const Tags = fc
    .uniqueArray(TagKey, { minLength: 1 })
    .chain((names) =>
      fc
        .tuple(...names.map(() => fc.string({ maxLength: 5, unit: "grapheme-ascii" })))
        .map((values) => names.map((name, i) => ({ TagKey: name, TagValue: values[i] ?? "" }))),
    );
  const EncryptionContext = fc.constantFrom({}, { tenant: "acme" }, { tenant: "other", "": "" });
  const blob = fc.constantFrom("$m", "$n");
  const Plaintext = fc.uint8Array({ minLength: 1, maxLength: 40 });
  const named = (arbitrary: fc.Arbitrary<string>): fc.Arbitrary<string> =>
    arbitrary.map((name) => name.slice(1));
  const step = (
    call: string,
    input: Readonly<Record<string, fc.Arbitrary<unknown>>>,
    as: fc.Arbitrary<string | undefined> = fc.constant(undefined),
  ): fc.Arbitrary<Step> =>
    fc
      .tuple(fc.record(input), as)
      .map(([members, name]) =>
        name === undefined ? { call, input: members } : { call, input: members, as: name },
      );
  const used = fc.oneof(KeyId, AliasName);
  const signing = { Message: Plaintext, SigningAlgorithm: fc.constant("ECDSA_SHA_256") };
  return fc.oneof(
    step("DescribeKey", { KeyId: used }),
    step("Encrypt", { KeyId: used, Plaintext, EncryptionContext }, named(blob)),
    step("GenerateDataKey", { KeyId: used, KeySpec: fc.constant("AES_256") }, named(blob)),
    step("Decrypt", { CiphertextBlob: blob, EncryptionContext }),
    step("Decrypt", { CiphertextBlob: blob, EncryptionContext, KeyId }),
    step(
      "ReEncrypt",
      {
        CiphertextBlob: blob,
        SourceEncryptionContext: EncryptionContext,
        DestinationKeyId: KeyId,
        DestinationEncryptionContext: EncryptionContext,
      },
      named(blob),
    ),
    step("Sign", { KeyId: fc.constant("$c"), ...signing }, fc.constant("s")),
    step("Verify", { KeyId: fc.constant("$c"), ...signing, Signature: fc.constant("$s") }),
    ...["EnableKey", "DisableKey", "CancelKeyDeletion", "EnableKeyRotation"].map((call) =>
      step(call, { KeyId }),
    ),
    ...["DisableKeyRotation", "RotateKeyOnDemand", "GetKeyRotationStatus", "GetPublicKey"].map(
      (call) => step(call, { KeyId }),
    ),
    step("ListKeyRotations", { KeyId }),
    step("ScheduleKeyDeletion", { KeyId, PendingWindowInDays: fc.constantFrom(7, 30) }),
    step("UpdateKeyDescription", { KeyId, Description: fc.string({ maxLength: 20 }) }),
    step("CreateAlias", { AliasName, TargetKeyId: KeyId }),
    step("UpdateAlias", { AliasName, TargetKeyId: KeyId }),
    step("DeleteAlias", { AliasName }),
    step("ListAliases", { KeyId }),
    step("TagResource", { KeyId, Tags }),
    step("UntagResource", { KeyId, TagKeys: fc.uniqueArray(TagKey, { minLength: 1 }) }),
    step("ListResourceTags", { KeyId }),
    step("ListKeys", {}),
  );
})();

async function bothCreate(names: readonly string[], ours: Side, theirs: Side): Promise<void> {
  for (const as of names) {
    const differences = await compare({ call: "CreateKey", input: {}, as }, ours, theirs);
    expect(unknown(differences ?? [])).toEqual([]);
  }
}

function toText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

function bytesOf(side: Side | undefined, name: string): Uint8Array {
  const value = side?.known.get(name);
  if (value instanceof Uint8Array) return value;
  throw new Error(`there are no bytes ${name}`);
}

/** @param exact - The salt of PSS is as long as the digest, as in AWS. moto takes the longest. */
function isSignature(
  publicKey: Uint8Array,
  signature: Uint8Array,
  message: Uint8Array,
  algorithm: string,
  exact: boolean,
): boolean {
  const key = createPublicKey({ key: Buffer.from(publicKey), format: "der", type: "spki" });
  const { RSA_PKCS1_PSS_PADDING, RSA_PSS_SALTLEN_AUTO, RSA_PSS_SALTLEN_DIGEST } = constants;
  const pss = {
    padding: RSA_PKCS1_PSS_PADDING,
    saltLength: exact ? RSA_PSS_SALTLEN_DIGEST : RSA_PSS_SALTLEN_AUTO,
  };
  const hash = `sha${algorithm.slice(-3)}`;
  return verify(hash, message, { key, ...(algorithm.includes("PSS") ? pss : {}) }, signature);
}
