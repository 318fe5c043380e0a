/**
 * Key policies: who may use a key, and who may say so.
 *
 * @module
 */
import { keyFacts } from "../access/access.ts";
import * as check from "../requests/check.ts";
import { KmsError } from "../catalogue/errors.ts";
import type { KeyRecord } from "../store/key-record.ts";
import { fromMarker, toPage } from "../requests/page.ts";
import { parsePolicy } from "../policy/document.ts";
import { requireNoLockout } from "../policy/lockout.ts";
import { operation, type Call, type Implementations } from "./operation.ts";

const getKeyPolicy = operation("GetKeyPolicy", {
  parse: ({ KeyId, PolicyName }) =>
    check.all({
      keyId: () => check.requireKeyId(KeyId),
      policyName: () => policyName(PolicyName),
    }),
  questions: ({ keyId }) => ({
    key: { on: "key", action: "GetKeyPolicy", keyId } as const,
  }),
  run: (_, input, { key }) => {
    requireDefault(input.policyName);
    return { Policy: key.policy, PolicyName: "default" };
  },
});

const putKeyPolicy = operation("PutKeyPolicy", {
  parse: (request) =>
    check.all({
      keyId: () => check.requireKeyId(request.KeyId),
      policyName: () => policyName(request.PolicyName),
      policy: () => parseKeyPolicy(request.Policy),
      bypass: () => request.BypassPolicyLockoutSafetyCheck,
      skipLockoutCheck: () =>
        check.flag(request.BypassPolicyLockoutSafetyCheck, "bypassPolicyLockoutSafetyCheck"),
    }),
  questions: ({ keyId, bypass }) => ({
    key: {
      on: "key",
      action: "PutKeyPolicy",
      keyId,
      conditions: { "kms:BypassPolicyLockoutSafetyCheck": bypass?.toString() },
    } as const,
  }),
  run: (call, input, { key }): void => {
    requireDefault(input.policyName);
    const changed = { ...key, policy: input.policy };
    if (!input.skipLockoutCheck) requireWayBack(call, changed);
    call.store.keys.update(changed);
  },
});

/** There is one: `default`. */
const listKeyPolicies = operation("ListKeyPolicies", {
  parse: ({ KeyId, Limit, Marker }) =>
    check.all({
      keyId: () => check.requireKeyId(KeyId),
      limit: () => check.integer(Limit ?? 100, "limit", 1, 1000),
      // One name fits any page, so no call returns a marker.
      after: () => fromMarker(Marker, /^(?!)/),
    }),
  questions: ({ keyId }) => ({
    key: { on: "key", action: "ListKeyPolicies", keyId } as const,
  }),
  run: () => ({ PolicyNames: ["default"], ...toPage(undefined) }),
});

export const implementations: Implementations<"GetKeyPolicy" | "PutKeyPolicy" | "ListKeyPolicies"> =
  {
    getKeyPolicy,
    putKeyPolicy,
    listKeyPolicies,
  };

/** A key policy that parses, as the text it was given. */
export function parseKeyPolicy(value: unknown): string {
  const text = check.policy(value);
  parsePolicy(text, "key");
  return text;
}

/**
 * Whether the caller, with the IAM policies it has now, could set another policy under the new one.
 *
 * @throws {@link KmsError} `MalformedPolicyDocumentException`
 */
export function requireWayBack({ access }: Call, record: KeyRecord): void {
  const request = access.requestOn(record, "PutKeyPolicy");
  requireNoLockout({ ...request, key: keyFacts(record) });
}

function policyName(value: unknown): string {
  return value === undefined ? "default" : check.text(value, "policyName", 1, 128);
}

function requireDefault(name: string): void {
  if (name !== "default") throw new KmsError("NotFoundException", "No such policy exists");
}
