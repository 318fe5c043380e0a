/**
 * The authorization vectors as requests: documents become texts.
 *
 * Source: spec/vectors/README.md#authorization
 *
 * @module
 */
import { readdirSync, readFileSync } from "node:fs";
import type { AccessRequest, Decision, NamedPolicy } from "../../../src/policy/request.ts";

type PolicyJson = object | string;

interface NamedJson {
  readonly name: string;
  readonly policy: PolicyJson;
}

interface VectorFile {
  readonly spec: string;
  readonly rules: readonly string[];
  readonly operators?: readonly string[];
  readonly comment: string;
  readonly request: Omit<AccessRequest, "caller" | "key" | "conditions"> & {
    readonly caller: Omit<AccessRequest["caller"], "policies" | "boundary" | "sessionPolicies"> & {
      readonly policies?: readonly NamedJson[];
      readonly boundary?: NamedJson;
      readonly sessionPolicies?: readonly NamedJson[];
    };
    readonly key?: Omit<NonNullable<AccessRequest["key"]>, "policy"> & {
      readonly policy: PolicyJson;
    };
    readonly conditions?: Readonly<Record<string, string | readonly string[]>>;
  };
  readonly expect: { readonly error: string } | Pick<Decision, "allowed" | "because" | "deciding">;
}

export interface Vector extends Omit<VectorFile, "request"> {
  readonly name: string;
  readonly request: AccessRequest;
}

const folder = new URL("../../../../../spec/vectors/authorization/", import.meta.url);

export const vectors: readonly Vector[] = readdirSync(folder).map((file) => {
  const vector: VectorFile = JSON.parse(readFileSync(new URL(file, folder), "utf8"));
  return Object.assign(vector, {
    name: file.replace(".json", ""),
    request: toRequest(vector.request),
  });
});

function toRequest({ caller, key, conditions, ...rest }: VectorFile["request"]): AccessRequest {
  const { policies, boundary, sessionPolicies, ...who } = caller;
  return {
    ...rest,
    caller: {
      ...who,
      ...(policies && { policies: policies.map(toNamed) }),
      ...(boundary && { boundary: toNamed(boundary) }),
      ...(sessionPolicies && { sessionPolicies: sessionPolicies.map(toNamed) }),
    },
    ...(key && { key: { ...key, policy: toText(key.policy) } }),
    ...(conditions && { conditions: new Map(Object.entries(conditions)) }),
  };
}

function toNamed({ name, policy }: NamedJson): NamedPolicy {
  return { name, text: toText(policy) };
}

function toText(policy: PolicyJson): string {
  return typeof policy === "string" ? policy : JSON.stringify(policy);
}
