import { describe, expect, it, onTestFinished, vi } from "vitest";
import { Access } from "../../src/access/access.ts";
import { actionRows, defaultOf, grantOperations } from "../../src/catalogue/actions.ts";
import { membersOf, operationRows, operations } from "../../src/catalogue/operations.ts";
import { isKmsError } from "../../src/catalogue/errors.ts";
import { awsModel } from "../support/aws-model.ts";
import { knownKeystore } from "../support/calls.ts";

const offered = Object.entries(operationRows);
const words = (text: string | undefined): string[] => text?.split(" ") ?? [];

/** The operations that have a fact. */
const having = (fact: (row: (typeof operationRows)["Encrypt"]) => boolean): string[] =>
  offered.flatMap(([name, row]) => (fact(row) ? [name] : []));

describe("the catalogue", () => {
  it("has a row for every operation of AWS's model, sorted by name", () => {
    expect(Object.keys(operations)).toEqual(Object.keys(awsModel).toSorted());
  });

  it.each(offered)("has the members of AWS's request of %s, each once", (name, row) => {
    const all = [...words(row.request), ...words(row.refused)];
    expect(all.toSorted()).toEqual(words(awsModel[name]).toSorted());
    expect(membersOf(name as keyof typeof operations)).toEqual(words(row.request));
  });

  it("lets the operations be tried that AWS lets", () => {
    expect(having(({ request }) => words(request).includes("DryRun"))).toEqual([
      "CreateGrant",
      "Decapsulate",
      "Decrypt",
      "DeriveSharedSecret",
      "Encapsulate",
      "Encrypt",
      "GenerateDataKey",
      "GenerateDataKeyPair",
      "GenerateDataKeyPairWithoutPlaintext",
      "GenerateDataKeyWithoutPlaintext",
      "GenerateMac",
      "ReEncrypt",
      "RetireGrant",
      "RevokeGrant",
      "Sign",
      "Verify",
      "VerifyMac",
    ]);
  });

  it("takes grant tokens where a grant may allow the call, except to retire one", () => {
    const byGrant = having(({ open }) => open?.includes("grant") === true);
    expect(having(({ request }) => words(request).includes("GrantTokens"))).toEqual(
      byGrant.filter((name) => name !== "RetireGrant"),
    );
  });

  it("opens to grants and aliases nothing that is closed to other accounts", () => {
    const closed = [...actionRows.values()].filter(({ open }) => !open?.includes("accounts"));
    expect(closed).toHaveLength(36);
    expect(closed.flatMap(({ open }) => open ?? [])).toEqual([]);
  });

  it("has states for all that is on a key", () => {
    expect(having(({ states }) => states === undefined)).toEqual(
      having(({ on }) => on === "account"),
    );
  });

  it("keeps nothing of the answers of what only reads", () => {
    expect(having(({ mode, logged }) => mode === "read" && logged !== undefined)).toEqual([]);
  });

  it("needs two permissions to re-encrypt, and one for each other operation", () => {
    expect(offered.flatMap(([, { permissions }]) => permissions ?? [])).toEqual([
      "ReEncryptFrom",
      "ReEncryptTo",
    ]);
    expect(actionRows.size).toBe(58);
  });

  it("lists the operations of grants sorted by name", () => {
    expect(grantOperations).toEqual(grantOperations.toSorted());
    expect(grantOperations).toHaveLength(19);
  });

  it.each([
    ["Encrypt", "kms:EncryptionAlgorithm", "SYMMETRIC_DEFAULT"],
    ["ScheduleKeyDeletion", "kms:ScheduleKeyDeletionPendingWindowInDays", 30],
    ["EnableKeyRotation", "kms:RotationPeriodInDays", 365],
    ["Sign", "kms:MessageType", "RAW"],
    ["ImportKeyMaterial", "kms:ExpirationModel", "KEY_MATERIAL_EXPIRES"],
    ["CreateKey", "kms:MultiRegion", false],
  ])("has AWS's default: %s %s", (name, key, value) => {
    expect(defaultOf(name as "Encrypt", key as "kms:EncryptionAlgorithm")).toBe(value);
  });
});

it("lists every condition key that a call has beside those of all calls on the same", async () => {
  const asked = vi.spyOn(Access.prototype, "accessRequest");
  onTestFinished(() => asked.mockRestore());
  const { keystore, calls } = await knownKeystore();
  const client = keystore.as();
  for (const { call } of Object.values(calls)) {
    // One call may leave its key in a state that refuses the next, which asks for permission before.
    await call(client).catch((error: unknown) => expect(isKmsError(error)).toBe(true));
  }
  const had = new Set<string>();
  for (const [{ question }] of asked.mock.calls) {
    const action = question.on === "new-key" ? "CreateKey" : question.action;
    const listed = Object.keys(actionRows.get(action)?.conditions ?? {});
    for (const name of Object.keys(question.conditions ?? {})) {
      had.add(name);
      const family = /^aws:RequestTag\//.exec(name)?.[0] ?? name;
      expect(listed, `${action} ${name}`).toContain(family);
    }
  }
  expect(had.size).toBeGreaterThan(20);
});
